"""The paper's fitting procedure for the points of one task.

For each method: a single-variable law over D for every model size; then, for both joint forms, beta
and E estimated over model size and pretraining size together (each with its own A, alpha [, B]) and
held while each factor's other parameters are refitted. PET size takes the same beta and E: its own
effect is too weak to estimate them. The cell that two factors share counts once in each factor.
"""

from collections.abc import Iterable

import numpy as np

from finescale.laws.fitting.fit import Fit, refit_rows
from finescale.laws.fitting.layout import Data
from finescale.laws.forms import FINETUNING_DATA, JOINT_FORMS
from finescale.laws.intervals.resampling import CELL, Resamples, cell_losses, generator
from finescale.laws.points import (
    FACTORS,
    Cell,
    Point,
    at_base,
    cells,
    coordinate,
    held_out_examples,
    methods,
    status_counts,
)
from finescale.laws.procedure.celldata import Split, assembled, attempt, cell_data
from finescale.laws.procedure.joint import JointFit
from finescale.laws.procedure.results import Law, Level, Settings, TaskFit

MODEL_SIZE = "llm_model_size"


def fit_task(points: Iterable[Point], settings: Settings) -> TaskFit:
    """Run the whole procedure; laws that the points cannot fix are "not identified"."""
    points = [point for point in points if point.task == settings.task]
    laws: list[Law] = []
    levels: list[Level] = []
    measurable = cells(points)
    for method in methods(measurable):
        measured = [cell for cell in measurable if cell.method == method]
        laws += _single_variable_laws(measured, settings)
        for form in JOINT_FORMS:
            joint = JointFit(form, measured, settings)
            laws += joint.laws()
            levels.append(Level(method, form.name, joint.level()))
    return TaskFit(settings, status_counts(points), tuple(laws), tuple(levels))


def _single_variable_laws(measured: list[Cell], settings: Settings) -> list[Law]:
    """A/D^beta + E for each model size; only the held-out D is left out, no model size is."""
    left_out = held_out_examples(measured)
    splits = []
    for row in _by_size(at_base(measured, FACTORS[1:], settings.base)):
        splits.append(Split.of(row, [cell.finetuning_examples in left_out for cell in row]))
    data = [cell_data(FINETUNING_DATA, split.fitted, MODEL_SIZE, settings) for split in splits]
    fits = [attempt(FINETUNING_DATA, {"": row}, settings) for row in data]
    resamples = _resample(measured[0].method, fits, data, settings)
    return [
        assembled(FINETUNING_DATA, MODEL_SIZE, fit, split, settings, found)
        for fit, split, found in zip(fits, splits, resamples, strict=True)
    ]


def _by_size(on_size: list[Cell]) -> list[list[Cell]]:
    rows: dict[int | None, list[Cell]] = {}
    for cell in on_size:
        rows.setdefault(coordinate(cell, MODEL_SIZE), []).append(cell)
    return list(rows.values())


def _resample(
    method: str, fits: list[Fit], data: list[Data], settings: Settings
) -> list[Resamples]:
    """Of each single-variable law, with an error variance that is pooled over the model sizes."""
    form = FINETUNING_DATA
    predicted = [
        form.predict(fit.parameters, **row.variables) if fit.ok else row.loss
        for fit, row in zip(fits, data, strict=True)
    ]
    squares = sum(
        float(np.sum(np.log(row.loss / law) ** 2)) for row, law in zip(data, predicted, strict=True)
    )
    freedom = sum(fit.points - len(form.parameters) for fit in fits if fit.ok)
    resamples: list[Resamples] = []
    for fit, row, law in zip(fits, data, predicted, strict=True):
        if not (fit.ok and freedom > 0 and settings.resamples):
            resamples.append({})
            continue
        rng = generator(method, form.name, str(len(resamples)))
        losses = cell_losses(law, squares / freedom, freedom, settings.resamples, rng)
        refits = refit_rows(form, {"": row}, fit, objective=settings.objective, losses={"": losses})
        resamples.append({CELL: refits.parameters})
    return resamples
