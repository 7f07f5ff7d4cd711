"""From rows of cells to the engine's data and back to a law with its deviations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finescale.laws.fitting.fit import NOT_IDENTIFIED, Fit, Unfittable, fit_law
from finescale.laws.fitting.layout import Data
from finescale.laws.forms import Form
from finescale.laws.intervals.resampling import Resamples
from finescale.laws.noise import seed_weights
from finescale.laws.points import Cell, coordinate
from finescale.laws.procedure.results import Law, Settings


@dataclass(frozen=True)
class Split:
    """Cells of one method along one factor."""

    fitted: tuple[Cell, ...]
    held_out: tuple[Cell, ...]

    @classmethod
    def of(cls, row: Sequence[Cell], left_out: Sequence[bool]) -> "Split":
        """By whether each cell is left out of the fit."""
        pairs = list(zip(row, left_out, strict=True))
        return cls(
            tuple(cell for cell, out in pairs if not out),
            tuple(cell for cell, out in pairs if out),
        )


def cell_data(form: Form, row: Sequence[Cell], factor: str, settings: Settings) -> Data:
    """What a form is fitted to: mean losses, its variables, and weights if they are asked for."""
    variables = {"D": np.array([float(cell.finetuning_examples) for cell in row])}
    if "X" in form.variables:
        variables["X"] = np.array([cell.x(factor, settings.model_size_as) for cell in row])
    weights = seed_weights(row, settings.objective.log) if settings.seed_weights else None
    return Data(np.array([cell.loss for cell in row]), variables, weights)


def attempt(form: Form, groups: Mapping[str, Data], settings: Settings, **more: Any) -> Fit:
    """The fit, or "not identified" where the points are too few for it."""
    try:
        return fit_law(form, groups, objective=settings.objective, **more)
    except Unfittable as error:
        size = sum(len(data.loss) for data in groups.values())
        return Fit(form.name, NOT_IDENTIFIED, error.shortage, points=size)


def assembled(
    form: Form,
    factor: str,
    fit: Fit,
    split: Split,
    settings: Settings,
    resamples: Resamples,
) -> Law:
    """A law with its deviations and the ranges it was fitted in."""
    cells = (*split.fitted, *split.held_out)
    single = "X" not in form.variables
    known = coordinate(cells[0], factor) is not None  # a single-variable law can do without
    x = [cell.x(factor, settings.model_size_as) for cell in split.fitted if known]
    examples = [cell.finetuning_examples for cell in split.fitted]
    return Law(
        method=cells[0].method,
        form=form.name,
        factor=factor,
        nominal_size=cells[0].nominal_size if single else None,
        x=x[0] if single and x else None,
        fit=fit,
        deviation_fitted=_deviation(form, fit, split.fitted, factor, settings),
        deviation_held_out=_deviation(form, fit, split.held_out, factor, settings),
        fitted_examples=(min(examples), max(examples)) if examples else None,
        fitted_x=(min(x), max(x)) if x else None,
        resamples=resamples,
    )


def _deviation(
    form: Form, fit: Fit, row: Sequence[Cell], factor: str, settings: Settings
) -> float | None:
    """Mean absolute difference of law and measured means."""
    if not row or not fit.ok:
        return None
    data = cell_data(form, row, factor, settings)
    return float(np.mean(np.abs(form.predict(fit.parameters, **data.variables) - data.loss)))
