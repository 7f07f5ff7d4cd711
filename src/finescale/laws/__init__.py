"""Scaling laws: forms, fits, intervals and the paper's procedure, from points to `fit.json`."""

from finescale.laws.fitting.fit import LOG_LEAST_SQUARES, PAPER, Fit, Objective, Unfittable, fit_law
from finescale.laws.fitting.layout import Data
from finescale.laws.forms import (
    ADDITIVE,
    CANDIDATES,
    FINETUNING_DATA,
    MULTIPLICATIVE,
    POWER,
    PRETRAINING,
    RECTIFIED,
    Form,
)
from finescale.laws.intervals.ensemble import Ensemble, interval
from finescale.laws.points import Base, Point, status_counts, write_points
from finescale.laws.procedure.pretraining import (
    BaseModel,
    PretrainingLaw,
    fit_pretraining,
    load_pretraining_laws,
)
from finescale.laws.procedure.results import Law, Settings, TaskFit
from finescale.laws.procedure.task import fit_task
from finescale.laws.reading import read_points

__all__ = [
    "ADDITIVE",
    "CANDIDATES",
    "FINETUNING_DATA",
    "LOG_LEAST_SQUARES",
    "MULTIPLICATIVE",
    "PAPER",
    "POWER",
    "PRETRAINING",
    "RECTIFIED",
    "Base",
    "BaseModel",
    "Data",
    "Ensemble",
    "Fit",
    "Form",
    "Law",
    "Objective",
    "Point",
    "PretrainingLaw",
    "Settings",
    "TaskFit",
    "Unfittable",
    "fit_law",
    "fit_pretraining",
    "fit_task",
    "interval",
    "load_pretraining_laws",
    "read_points",
    "status_counts",
    "write_points",
]
