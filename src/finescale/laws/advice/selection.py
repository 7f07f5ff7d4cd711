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

from finescale.laws.advice.combined import CombinedLaw, base_model, fit_combined
from finescale.laws.advice.trials import LARGEST_DATA, Trial, to_leave_out, trial_of
from finescale.laws.fitting.fit import Fit, Objective
from finescale.laws.forms import CANDIDATES, Form
from finescale.laws.intervals.ensemble import LEVEL
from finescale.laws.noise import noise_floor
from finescale.laws.points import Cell

ALIKE = 2.0  # difference of AICc that does not rule a form out (Burnham & Anderson 2002, 2.6)


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
    sets = to_leave_out(cells, laws[0].data)
    floor = noise_floor(cells)
    trials = without_worse(_without_twins([trial_of(law, sets) for law in laws]), floor)
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


def _without_twins(trials: Sequence[Trial]) -> list[Trial]:
    """Forms that differ only in factors are the same where none varies: the first stays."""
    first: dict[tuple, str] = {}
    kept = []
    for trial in trials:
        powers = tuple(term.powers for term in trial.law.ensemble.form.terms)
        twin = first.setdefault(powers, trial.form)
        same = f"the same law as {twin}, since no factor varies"
        kept.append(trial if twin == trial.form else replace(trial, out=same))
    return kept


def without_worse(trials: Sequence[Trial], floor: float | None) -> list[Trial]:
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


def _prefer(trials: Sequence[Trial]) -> tuple[str | None, tuple[str, ...], str]:
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


def _candidate(trial: Trial) -> Candidate:
    by_model = [error for name, error in trial.errors.items() if name != LARGEST_DATA]
    return Candidate(
        form=trial.form,
        fit=trial.law.fit,
        base_model_error=float(np.mean(by_model)) if by_model else None,
        largest_data_error=trial.errors.get(LARGEST_DATA),
        aicc=float(trial.aicc) if np.isfinite(trial.aicc) else None,
        out=trial.out,
    )
