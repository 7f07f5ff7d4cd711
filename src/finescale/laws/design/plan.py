"""Which further runs shrink an interval of interest most, for their compute.

Widths are those that a run is expected to leave at the noise there is now; that more base models
would also tell the noise better comes on top. Intervals are those of generalised least squares,
which weighs cells by how much their errors have in common; a plain fit's are somewhat wider. Each
is by the law itself: it does not know that another form might hold.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from finescale.errors import UserError, suggestion
from finescale.laws.combined import CombinedLaw, fit_combined, most_common
from finescale.laws.design.assemble import Rows, assemble
from finescale.laws.design.identify import absent, doubts, shortages
from finescale.laws.design.interests import Exponents, Interest, Loss, Question
from finescale.laws.design.offers import Offers
from finescale.laws.design.precision import Knowledge, error_model
from finescale.laws.design.results import Candidate, Design, Estimate, Step
from finescale.laws.design.runs import Run, run_of
from finescale.laws.ensemble import LEVEL
from finescale.laws.fit import Objective
from finescale.laws.forms import CANDIDATES, FORMS, MULTIPLICATIVE
from finescale.laws.points import FACTORS, Cell, Point, cells, methods
from finescale.laws.selection import choose_law

TOKENS_PER_EXAMPLE = 100.0  # a sentence or two and their translation
LISTED = 20  # candidates of each ranking
LEAST = 0.01  # what a run must take off the width to be worth setting up


def design(
    points: Iterable[Point],
    *,
    interest: Interest,
    model_size_as: str,
    objective: Objective,
    noise: float | None = None,
    base_model_noise: float | None = None,
    tokens_per_example: float = TOKENS_PER_EXAMPLE,
    runs: int = 5,
    form: str | None = None,
) -> Design:
    """The runs that would shrink the interval of `interest`, from the points of one task.

    `noise` and `base_model_noise` are relative standard deviations, of runs that differ in the seed
    alone and of the effect of a base model; those not given are estimated. `runs` is the length of
    the plans. Without a `form`, each method has the one that its points prefer.
    """
    _refuse_nonsense(interest, form, runs, noise, base_model_noise, tokens_per_example)
    points = list(points)
    laws = _laws(points, interest, form, model_size_as, objective)
    interest = _like_with_like(interest, laws)
    forms = {method: law.shape for method, law in laws.items()}
    unknown = shortages(laws.values(), _place(interest), model_size_as)
    if unknown:
        return Design(type(interest).__name__, forms, warnings=tuple(unknown))
    question = interest.ask(laws)
    rows = {}
    for method, law in laws.items():
        errors = error_model(law, noise, base_model_noise)
        rows[method] = Rows.of(law, errors, question.places[method], model_size_as)
    now, freedom = assemble(rows, question)
    offers = Offers.of(
        [run for each in rows.values() for run in each.candidates],
        [run_of(cell, model_size_as) for cell in cells(points)],
        tokens_per_example,
    )
    listed = [offers.candidate(index, width) for index, width in enumerate(now.widths())]
    estimates = _estimates(question, now, freedom)
    noises = {method: each.model.noise for method, each in rows.items()}
    return Design(
        interest=type(interest).__name__,
        forms=forms,
        estimates=estimates,
        noise=noises,
        best_per_cost=_ranked([each for each in listed if _worth(each.width)], lambda c: -c.gain),
        best=_ranked(listed, lambda candidate: candidate.width),
        plan_per_cost=_plan(now, offers, runs, per_cost=True),
        plan=_plan(now, offers, runs, per_cost=False),
        cost_unit=offers.unit,
        assumptions=offers.assumptions,
        warnings=(
            *question.warnings,
            *(absent(laws.values(), model_size_as) if isinstance(interest, Exponents) else ()),
            *doubts(laws.values(), noises, question, estimates),
        ),
    )


def _laws(
    points: Sequence[Point],
    interest: Interest,
    form: str | None,
    model_size_as: str,
    objective: Objective,
) -> dict[str, CombinedLaw]:
    """The law of each method that the interest takes."""
    measured = cells(points)
    known = methods(measured)
    for method in interest.methods:
        if method not in known:
            raise UserError(f"no ok runs of method {method!r}{suggestion(method, known)}")
    return {
        method: _law(
            [cell for cell in measured if cell.method == method], form, model_size_as, objective
        )
        for method in interest.methods
    }


def _law(
    own: Sequence[Cell], form: str | None, model_size_as: str, objective: Objective
) -> CombinedLaw:
    """Of the form of that name, or of the one that the cells prefer."""
    if form is None:
        choice = choose_law(own, model_size_as=model_size_as, objective=objective, resamples=0)
        if choice.selection.preferred:
            return choice.law
    shape = FORMS[form or MULTIPLICATIVE.name]
    return fit_combined(own, shape, model_size_as=model_size_as, objective=objective, resamples=0)


def _like_with_like(interest: Interest, laws: Mapping[str, CombinedLaw]) -> Interest:
    """A comparison with both methods at the same base model, the most common where none is given.

    PET size means something else to each method: it stays each law's own.
    """
    if isinstance(interest, Loss | Exponents):
        return interest
    values = {
        factor: [x for law in laws.values() for x in law.data.variables.get(factor, ())]
        for factor in FACTORS[:2]
    }
    base = {factor: most_common(found) for factor, found in values.items() if found}
    return replace(interest, at={**base, **interest.at})


def _refuse_nonsense(
    interest: Interest,
    form: str | None,
    runs: int,
    noise: float | None,
    base_model_noise: float | None,
    tokens_per_example: float,
) -> None:
    """UserError for arguments that mean nothing."""
    names = [shape.name for shape in CANDIDATES]
    if form is not None and form not in names:
        raise UserError(f"no law form {form!r}{suggestion(form, names)}")
    if runs < 1:
        raise UserError(f"a plan has at least one run, not {runs}")
    if len(set(interest.methods)) < len(interest.methods):
        raise UserError(f"{interest.methods[0]} cannot be compared with itself: name two methods")
    place = _place(interest)
    for factor in place:
        if factor not in FACTORS:
            raise UserError(f"no factor {factor!r}{suggestion(factor, FACTORS)}")
    positive = place | {
        "finetuning_examples": getattr(interest, "finetuning_examples", 1.0),
        "noise": 1.0 if noise is None else noise,
        "tokens_per_example": tokens_per_example,
    }
    for name, value in positive.items():
        if not (np.isfinite(value) and value > 0):
            raise UserError(f"{name} must be positive and finite, not {value}")
    if base_model_noise is not None and not (
        np.isfinite(base_model_noise) and base_model_noise >= 0
    ):
        raise UserError(f"base_model_noise must be 0 or positive, not {base_model_noise}")


def _place(interest: Interest) -> dict[str, float]:
    """The factors that the interest fixes."""
    return {} if isinstance(interest, Exponents) else dict(interest.at)


def _worth(width: np.ndarray | float) -> np.ndarray | bool:
    """Whether a run that leaves this width is worth setting up, whatever it costs."""
    return width <= 1 - LEAST


def _ranked(
    listed: Iterable[Candidate], key: Callable[[Candidate], float]
) -> tuple[Candidate, ...]:
    """The first of each method, base model and PET size, in the key's order."""
    first: dict[Run, Candidate] = {}
    for candidate in sorted(listed, key=key):
        first.setdefault(replace(candidate.run, finetuning_examples=0.0), candidate)
    return tuple(first.values())[:LISTED]


def _plan(now: Knowledge, offers: Offers, runs: int, *, per_cost: bool) -> tuple[Step, ...]:
    """Greedily one run after the other, by gain or by width, as long as there are some."""
    steps: list[Step] = []
    width, cost = 1.0, 0.0
    for _ in range(runs):
        widths = now.widths()
        gains = -np.log(widths)
        if per_cost:
            gains = np.where(_worth(widths), gains / offers.costs, 0.0)
        if not np.any(gains):
            break
        index = int(np.argmax(gains))
        chosen = offers.candidate(index, widths[index])
        width, cost = width * chosen.width, cost + chosen.cost
        steps.append(Step(chosen, width, cost))
        now, offers = now.after(index), offers.after(index)
    return tuple(steps)


def _estimates(question: Question, now: Knowledge, freedom: np.ndarray) -> tuple[Estimate, ...]:
    """The quantities with their intervals, by Student's t."""
    margin = now.errors * stdtrit(freedom, (1 + LEVEL) / 2)
    values = question.values
    if question.logarithmic:
        low, high = values * np.exp(-margin), values * np.exp(margin)
    else:
        low, high = values - margin, values + margin
    return tuple(
        Estimate(name, float(value), float(a), float(b))
        for name, value, a, b in zip(question.names, values, low, high, strict=True)
    )
