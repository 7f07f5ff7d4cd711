"""Which form one method's cells prefer, and whether the others can be ruled out.

Three things are asked of each form: how well it predicts a base model that it was not fitted to,
how well the largest finetuning data size, and its AICc (Hurvich & Tsai 1989, Biometrika 76, 297)
with the likelihood of independent normal errors of log losses. The rule, in this order:

1. A form is out if its fit is not ok, or if it cannot be refitted without a base model that can be
   left out.
2. It is out if it predicts what was left out worse than the best form does, beyond the noise: by
   more than chance makes of the paired differences (95%, Student's t) and by more than the
   seed-noise floor or, where no seeds repeat, the mean absolute residual of that best form.
3. Of the rest, those within 2 of the least AICc are tied. The one with the fewest parameters is
   preferred, of several the first given (the paper's multiplicative form): what a form's further
   parameters do not improve where it was measured, they make worse elsewhere.

AICc comes before the errors of what was left out because these are few and noisy. On points made
from each of the four forms, on the paper's design and a smaller one, with 0.5% of noise and with as
much again that the cells of a base model share, AICc found the form more often than they did, and
the law it chose was the better one at four times the measured sizes. The errors are there to see
what AICc cannot: a form that fits every base model and predicts none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from finescale.laws.combined import CombinedLaw, base_model, fit_combined
from finescale.laws.ensemble import LEVEL, Ensemble
from finescale.laws.fit import LOG_LEAST_SQUARES, MOST_CONDITION, Fit, Objective, refit_rows
from finescale.laws.forms import CANDIDATES, Form
from finescale.laws.layout import Data, Layout
from finescale.laws.noise import noise_floor
from finescale.laws.points import Cell

ALIKE = 2.0  # difference of AICc that does not rule a form out (Burnham & Anderson 2002, 2.6)
EXACT = 1e-10  # relative error of a loss that no measurement falls below
LARGEST_DATA = "the largest finetuning data size"


@dataclass(frozen=True)
class Candidate:
    """A form, its fit to all cells, and what speaks for it.

    The errors are mean absolute deviations of predicted and measured means, nats per token: of the
    cells of a base model that was left out, averaged over base models, and of those of the largest
    finetuning data size. They are None where the rest could not fix the law, and AICc where there
    are too few cells. A form that is out has a reason, `out`.
    """

    form: str
    fit: Fit
    base_model_error: float | None
    largest_data_error: float | None
    aicc: float | None
    out: str


@dataclass(frozen=True)
class Selection:
    """The preferred form of a method (None if all are out), and those that are `tied`, with it.

    Of the `base_models`, `left_out` were left out in turn: those without which the others still
    vary each factor on its own. The noise floor is None without repeated seeds.
    """

    method: str
    preferred: str | None
    why: str
    tied: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    base_models: int
    left_out: int
    noise_floor: float | None


@dataclass(frozen=True)
class _Trial:
    """A law with its error on each set of cells that could be left out."""

    law: CombinedLaw
    errors: Mapping[str, float]
    aicc: float  # infinite where there are too few cells
    out: str = ""

    @property
    def form(self) -> str:
        return self.law.shape


@dataclass(frozen=True)
class Choice:
    """What one method's law was chosen from: the laws of the forms that are not out, by form.

    The preferred one has resamples.
    """

    selection: Selection
    laws: Mapping[str, CombinedLaw]

    @property
    def law(self) -> CombinedLaw:
        """The preferred law; only where there is one."""
        return self.laws[self.selection.preferred or ""]


def choose_law(
    cells: Sequence[Cell],
    forms: Sequence[Form] = CANDIDATES,
    *,
    model_size_as: str,
    objective: Objective,
    resamples: int,
    seed_weights: bool = True,
) -> Choice:
    """Fit every form to one method's cells and prefer one."""
    laws = [
        fit_combined(
            cells,
            form,
            model_size_as=model_size_as,
            objective=objective,
            resamples=0,
            seed_weights=seed_weights,
        )
        for form in forms
    ]
    selection = select(laws)
    inside = [candidate.form for candidate in selection.candidates if not candidate.out]
    kept = {law.shape: law for law in laws if law.shape in inside}
    if selection.preferred:
        kept[selection.preferred] = kept[selection.preferred].resampled(resamples)
    return Choice(selection, kept)


def select(laws: Sequence[CombinedLaw]) -> Selection:
    """Choose among the laws of one method, which differ in their form alone."""
    cells = laws[0].cells
    sets = _to_leave_out(cells, laws[0].data)
    floor = noise_floor(cells)
    trials = _without_worse(_without_twins([_try(law, sets) for law in laws]), floor)
    preferred, tied, why = _prefer(trials)
    return Selection(
        method=laws[0].method,
        preferred=preferred,
        why=why,
        tied=tied,
        candidates=tuple(_candidate(trial) for trial in trials),
        base_models=len({base_model(cell) for cell in cells}),
        left_out=len(sets.keys() - {LARGEST_DATA}),
        noise_floor=floor,
    )


def _to_leave_out(cells: Sequence[Cell], data: Data) -> dict[str, np.ndarray]:
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


def _try(law: CombinedLaw, sets: Mapping[str, np.ndarray]) -> _Trial:
    if not law.fit.ok:
        return _Trial(law, {}, np.inf, f"{law.fit.status}: {law.fit.reason}")
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
    return _Trial(
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


def _without_twins(trials: Sequence[_Trial]) -> list[_Trial]:
    """Forms that differ only in factors are the same where none varies: the first stays."""
    first: dict[tuple, str] = {}
    kept = []
    for trial in trials:
        powers = tuple(term.powers for term in trial.law.ensemble.form.terms)
        twin = first.setdefault(powers, trial.form)
        same = f"the same law as {twin}, since no factor varies"
        kept.append(trial if twin == trial.form else replace(trial, out=same))
    return kept


def _without_worse(trials: Sequence[_Trial], floor: float | None) -> list[_Trial]:
    """Put out what predicts the sets worse than the best form, beyond the noise."""
    inside = [trial for trial in trials if not trial.out]
    sets = [name for name in (inside or trials)[0].errors if all(name in t.errors for t in inside)]
    if len(inside) < 2 or len(sets) < 2:
        return list(trials)
    errors = {t.form: np.array([t.errors[name] for name in sets]) for t in inside}
    best = min(inside, key=lambda trial: errors[trial.form].mean())
    noise = _mean_residual(best.law) if floor is None else floor
    judged = []
    for trial in trials:
        worse = errors.get(trial.form, errors[best.form]) - errors[best.form]
        chance = stdtrit(len(sets) - 1, (1 + LEVEL) / 2) * worse.std(ddof=1) / np.sqrt(len(sets))
        if worse.mean() > max(chance, noise):
            out = f"predicts what was left out worse than {best.form}, by {worse.mean():.2g} nats"
            trial = replace(trial, out=out)
        judged.append(trial)
    return judged


def _mean_residual(law: CombinedLaw) -> float:
    """Mean absolute deviation of the law and all cells, nats per token."""
    return float(np.mean(np.abs(law.ensemble.predict(**law.data.variables) - law.data.loss)))


def _prefer(trials: Sequence[_Trial]) -> tuple[str | None, tuple[str, ...], str]:
    """The preferred form, those tied with it, and why."""
    inside = [trial for trial in trials if not trial.out]
    if not inside:
        return None, (), "; ".join(f"{trial.form}: {trial.out}" for trial in trials)
    ranked = sorted(inside, key=lambda trial: trial.aicc)
    tied = [trial for trial in inside if trial.aicc <= ranked[0].aicc + ALIKE]
    preferred = min(tied, key=lambda trial: len(trial.law.ensemble.form.parameters)).form
    names = tuple(trial.form for trial in tied)
    if len(inside) == 1:
        return preferred, names, "the only form that is not out"
    if len(tied) == 1:
        ahead = ranked[1].aicc - ranked[0].aicc
        return preferred, names, f"its AICc is {ahead:.1f} below that of {ranked[1].form}, the next"
    if np.isinf(ranked[0].aicc):
        why = "there are too few cells to tell them apart"
    else:
        why = f"their AICc differ by at most {ALIKE:g}"
    of = " and ".join(names)
    return preferred, names, f"has the fewest parameters of {of}, which are tied: {why}"


def _candidate(trial: _Trial) -> Candidate:
    by_model = [error for name, error in trial.errors.items() if name != LARGEST_DATA]
    return Candidate(
        form=trial.form,
        fit=trial.law.fit,
        base_model_error=float(np.mean(by_model)) if by_model else None,
        largest_data_error=trial.errors.get(LARGEST_DATA),
        aicc=float(trial.aicc) if np.isfinite(trial.aicc) else None,
        out=trial.out,
    )
