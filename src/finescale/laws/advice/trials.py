"""How a law does without some of its cells: each base model's, the largest data size's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finescale.laws.advice.combined import CombinedLaw, base_model
from finescale.laws.fitting.fit import LOG_LEAST_SQUARES, MOST_CONDITION, refit_rows
from finescale.laws.fitting.layout import Data, Layout
from finescale.laws.intervals.ensemble import Ensemble
from finescale.laws.points import Cell

EXACT = 1e-10  # relative error of a loss that no measurement falls below
LARGEST_DATA = "the largest finetuning data size"


@dataclass(frozen=True)
class Trial:
    """A law with its error on each set of cells that could be left out."""

    law: CombinedLaw
    errors: Mapping[str, float]
    aicc: float  # infinite where there are too few cells
    out: str = ""

    @property
    def form(self) -> str:
        """The name of its form."""
        return self.law.shape


def to_leave_out(cells: Sequence[Cell], data: Data) -> dict[str, np.ndarray]:
    """Rows to leave out, (n,), by name: each base model's and the largest data size's.

    Only those without which each variable still varies on its own, whatever the form.
    """
    models = np.array([_name(cell) for cell in cells])
    examples = data.variables["D"]
    sets = {name: models == name for name in dict.fromkeys(models.tolist())}
    sets[LARGEST_DATA] = examples == examples.max()
    logs = np.log(np.transpose(list(data.variables.values())))
    return {name: rows for name, rows in sets.items() if _full_rank(logs[~rows])}


def _name(cell: Cell) -> str:
    size, tokens = base_model(cell)
    parts = [f"{size} parameters"] * (size is not None) + [f"{tokens} tokens"] * (
        tokens is not None
    )
    return "the base model" + (f" of {', '.join(parts)}" if parts else "")


def _full_rank(logs: np.ndarray) -> bool:
    """Whether no variable (a column) is constant or follows from the others."""
    if len(logs) <= logs.shape[1]:
        return False
    centred = logs - logs.mean(axis=0)
    return bool(np.linalg.matrix_rank(centred, tol=1e-6 * len(logs)) == logs.shape[1])


def trial_of(law: CombinedLaw, sets: Mapping[str, np.ndarray]) -> Trial:
    """Refit the law without each set of cells, and try it on them."""
    if not law.fit.ok:
        return Trial(law, {}, np.inf, f"{law.fit.status}: {law.fit.reason}")
    rests = {name: _layout(law, ~rows) for name, rows in sets.items()}
    failures = {name: rest.shortage() for name, rest in rests.items()}
    possible = {name: rows for name, rows in sets.items() if not failures[name]}
    errors = {}
    if possible:
        parameters, deviations = _refit_without(law, np.array(list(possible.values())))
        for row, name in enumerate(possible):
            failures[name] = _undetermined(rests[name], parameters, row)
            errors[name] = float(np.mean(deviations[row, sets[name]]))
    indispensable = [name for name in sets if failures[name] and name != LARGEST_DATA]
    return Trial(
        law,
        {name: error for name, error in errors.items() if not failures[name]},
        _aicc(law),
        f"cannot do without {indispensable[0]}: {failures[indispensable[0]]}"
        if indispensable
        else "",
    )


def _layout(law: CombinedLaw, kept: np.ndarray) -> Layout:
    """Of a fit to the kept rows alone."""
    variables = {name: values[kept] for name, values in law.data.variables.items()}
    return Layout(law.ensemble.form, {"": Data(law.data.loss[kept], variables)}, (), {}, {})


def _refit_without(
    law: CombinedLaw, left_out: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Refits without each row of `left_out`, (L, cells): parameters (L,), deviations (L, cells)."""
    refits = refit_rows(
        law.ensemble.form,
        {"": law.data},
        law.fit,
        objective=law.objective,
        weights={"": (~left_out).astype(float)},
    )
    ensemble = Ensemble(law.ensemble.form, law.fit.parameters, refits.parameters)
    predicted = ensemble.predict_resamples(**law.data.variables)
    return refits.parameters, np.abs(predicted - law.data.loss)


def _undetermined(rest: Layout, parameters: Mapping[str, np.ndarray], row: int) -> str:
    """A reason if the rest leaves parameters free to stay where the fit to all cells put them."""
    theta = rest.theta({name: values[row] for name, values in parameters.items()}, 1)
    problem = rest.problem(log=True, delta=np.inf)
    slopes = problem.derivative(theta[0]) / problem.predict(theta).T
    length = np.linalg.norm(slopes, axis=0)
    if not np.all(np.isfinite(length) & (length > 0)):
        return "a parameter is then without effect"
    singular = np.linalg.svd(slopes / length, compute_uv=False)
    if singular[0] > MOST_CONDITION * singular[-1]:
        return "the rest cannot tell its parameters apart"
    return ""


def _aicc(law: CombinedLaw) -> float:
    """Of least squares of log losses, whatever the law's objective, its variance a parameter."""
    cells, parameters = len(law.cells), len(law.ensemble.form.parameters) + 1
    if cells <= parameters + 1:
        return np.inf
    refit = refit_rows(
        law.ensemble.form,
        {"": law.data},
        law.fit,
        objective=LOG_LEAST_SQUARES,
        weights={"": np.ones((1, cells))},
    )
    variance = max(2 * float(refit.objective[0]) / cells, EXACT**2)
    return cells * np.log(variance) + 2 * parameters * cells / (cells - parameters - 1)
