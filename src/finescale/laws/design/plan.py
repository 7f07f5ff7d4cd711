"""Which further runs shrink an interval of interest most, for their compute.

Widths are those that a run is expected to leave at the noise there is now; that more base models
would also tell the noise better comes on top. Each interval is by the law itself: it does not know
that another form might hold.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from finescale.errors import UserError, suggestion
from finescale.laws.combined import CombinedLaw, fit_combined
from finescale.laws.design.assemble import Rows, assemble
from finescale.laws.design.identify import absent, doubts, shortages
from finescale.laws.design.interests import Exponents, Interest, Question
from finescale.laws.design.precision import Knowledge, error_model
from finescale.laws.design.results import Candidate, Design, Estimate, Step
from finescale.laws.design.runs import FLOPS, Kind, Run, run_of
from finescale.laws.ensemble import LEVEL
from finescale.laws.fit import Objective
from finescale.laws.forms import CANDIDATES, MULTIPLICATIVE, Form
from finescale.laws.points import FACTORS, Point, cells, methods

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
    form: str = MULTIPLICATIVE.name,
) -> Design:
    """The runs that would shrink the interval of `interest`, from the points of one task.

    `noise` and `base_model_noise` are relative standard deviations, of runs that differ in the seed
    alone and of the effect of a base model; those not given are estimated. `runs` is the length of
    the plans.
    """
    shape = _form(form)
    _refuse_nonsense(interest, runs, noise, base_model_noise, tokens_per_example)
    points = list(points)
    laws = _laws(points, interest, shape, model_size_as, objective)
    place = _place(interest)
    unknown = shortages(laws.values(), place, model_size_as)
    if unknown:
        return Design(type(interest).__name__, warnings=tuple(unknown))
    question = interest.ask(laws)
    rows = {
        method: Rows.of(
            law,
            error_model(law, noise, base_model_noise),
            question.places[method],
            model_size_as,
        )
        for method, law in laws.items()
    }
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
    shape: Form,
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
        method: fit_combined(
            [cell for cell in measured if cell.method == method],
            shape,
            model_size_as=model_size_as,
            objective=objective,
            resamples=0,
        )
        for method in interest.methods
    }


def _form(name: str) -> Form:
    shapes = {shape.name: shape for shape in CANDIDATES}
    if name not in shapes:
        raise UserError(f"no law form {name!r}{suggestion(name, shapes)}")
    return shapes[name]


def _refuse_nonsense(
    interest: Interest,
    runs: int,
    noise: float | None,
    base_model_noise: float | None,
    tokens_per_example: float,
) -> None:
    """UserError for arguments that mean nothing."""
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


@dataclass(frozen=True)
class Offers:
    """The candidate runs, their costs, and which cells and base models there are by now."""

    runs: Sequence[Run]
    cells: frozenset[Run]
    base_models: frozenset[tuple[float | None, float | None]]
    tokens_per_example: float
    cheapest: float

    @classmethod
    def of(cls, runs: Sequence[Run], cells: Iterable[Run], tokens_per_example: float) -> "Offers":
        """The candidates beside the measured cells of all methods."""
        cells = frozenset(cells)
        base_models = frozenset(run.base_model for run in cells)
        offers = cls(runs, cells, base_models, tokens_per_example, 1.0)
        return replace(offers, cheapest=float(offers.costs.min()))

    @cached_property
    def costs(self) -> np.ndarray:
        """Of each candidate, (K,): its finetuning, and the pretraining that has yet to be done."""
        return np.array(
            [
                run.finetuning_cost(self.tokens_per_example)
                + (0.0 if run.base_model in self.base_models else run.pretraining_cost())
                for run in self.runs
            ]
        )

    @property
    def unit(self) -> str:
        """Of the costs."""
        return "FLOPs" if all(run.llm_model_size for run in self.runs) else "examples"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """How costs are counted, in words."""
        if self.unit == "examples":
            return ("no model sizes: a run costs its finetuning examples, pretraining nothing",)
        finetuning = (
            f"finetuning: {FLOPS} FLOPs per parameter and token, {self.tokens_per_example:g} tokens"
            " per example, one epoch (the points do not say how many)"
        )
        if any(run.pretraining_tokens is None for run in self.runs):
            return finetuning, "no pretraining sizes: pretraining costs nothing"
        return finetuning, (
            f"a new base model: its whole pretraining, {FLOPS} FLOPs per parameter and token, once"
            " (a checkpoint of one that there is would be free)"
        )

    def candidate(self, index: int, width: float) -> Candidate:
        """The candidate of that number, which leaves that width."""
        run, cost = self.runs[index], float(self.costs[index])
        kind = (
            Kind.SEED
            if run in self.cells
            else Kind.CELL
            if run.base_model in self.base_models
            else Kind.BASE_MODEL
        )
        relative = cost / self.cheapest
        return Candidate(run, kind, float(width), cost, relative, -float(np.log(width)) / relative)

    def after(self, index: int) -> "Offers":
        """The offers once that run is made."""
        run = self.runs[index]
        return replace(
            self, cells=self.cells | {run}, base_models=self.base_models | {run.base_model}
        )


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
    """Greedily one run after the other, by gain or by width."""
    steps: list[Step] = []
    width, cost = 1.0, 0.0
    for _ in range(runs):
        widths = now.widths()
        gains = -np.log(widths)
        if per_cost and np.any(_worth(widths)):
            gains = np.where(_worth(widths), gains / offers.costs, 0.0)
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
