"""Scaling laws: forms, fits and the paper's procedure, from points to `fit.json`."""

from finescale.laws.fit import Data, Fit, fit_law
from finescale.laws.forms import ADDITIVE, FINETUNING_DATA, MULTIPLICATIVE, PRETRAINING, Form
from finescale.laws.points import Base, HeldOut, Point, status_counts, write_points
from finescale.laws.pretraining import BaseModel, PretrainingLaw, fit_pretraining
from finescale.laws.procedure import Law, Settings, TaskFit, fit_task
from finescale.laws.reading import read_points

__all__ = [
    "ADDITIVE",
    "FINETUNING_DATA",
    "MULTIPLICATIVE",
    "PRETRAINING",
    "Base",
    "BaseModel",
    "Data",
    "Fit",
    "Form",
    "HeldOut",
    "Law",
    "Point",
    "PretrainingLaw",
    "Settings",
    "TaskFit",
    "fit_law",
    "fit_pretraining",
    "fit_task",
    "read_points",
    "status_counts",
    "write_points",
]
