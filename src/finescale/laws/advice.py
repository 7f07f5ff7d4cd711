"""Advice: which method for this much data and this model, how sure that is, and what more brings.

Each method's law is chosen and fitted by itself (selection.py, combined.py) and asked about the
same place (question.py, judgement.py); the methods are then compared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from finescale.errors import UserError
from finescale.laws.cautions import Caution, cautions
from finescale.laws.crossing import Comparison, compare
from finescale.laws.fit import LOG_LEAST_SQUARES, Objective
from finescale.laws.forms import CANDIDATES, Form
from finescale.laws.judgement import MethodAdvice, judge
from finescale.laws.noise import noise_floor
from finescale.laws.points import Point, cells, choose_model_size, methods, one_task
from finescale.laws.question import MODEL_SIZE, PRETRAINING, Question
from finescale.laws.selection import Choice, Selection, choose_law

ENOUGH = 0.8  # probability of being best from which a method is recommended without reservation


@dataclass(frozen=True)
class CriticalSizes:
    """Where the better of two methods changes over finetuning data, the rest being as asked."""

    first: str
    second: str
    comparison: Comparison


@dataclass(frozen=True)
class Recommendation:
    """The method of the lowest predicted loss, and the one that may be as good.

    The runner-up is the most probable of the others, `difference` nats per token above it. They are
    told apart if the probability that `method` is best is at least 0.8 and the difference no less
    than the noise floor. The probability is None without intervals.
    """

    method: str
    probability: float | None
    runner_up: str | None
    difference: float | None
    told_apart: bool
    verdict: str


@dataclass(frozen=True)
class NotJudged:
    """A method of which nothing can be said, and why."""

    method: str
    reason: str
    selection: Selection | None  # None if no run is ok


@dataclass(frozen=True)
class Advice:
    """The answer to one question; methods and pairs are in the order of their predicted losses."""

    task: str
    model_size_as: str
    question: Question
    recommendation: Recommendation
    methods: tuple[MethodAdvice, ...]
    not_judged: tuple[NotJudged, ...]
    critical_sizes: tuple[CriticalSizes, ...]
    noise_floor: float | None
    resamples: int
    warnings: tuple[Caution, ...]


def advise(
    points: Iterable[Point],
    *,
    data: float,
    model: float | None = None,
    pretraining: float | None = None,
    pet_size: Mapping[str, float] | float | None = None,
    model_size_as: str | None = None,
    objective: Objective = LOG_LEAST_SQUARES,
    seed_weights: bool = True,
    resamples: int = 1000,
    forms: Sequence[Form] = CANDIDATES,
) -> Advice:
    """Compare the methods of one task's points at `data` finetuning examples.

    `model` is a size as `model_size_as` counts, `pretraining` in tokens, `pet_size` one for all PET
    methods or one for each; what is not given is at its base value, the most common one. The paper
    fits with `objective=PAPER, seed_weights=False`. Raises UserError where nothing can be said.
    """
    points = one_task(points)
    size_as = choose_model_size(points, model_size_as)
    measured = cells(points)
    if not measured:
        raise UserError("no run has status ok: there is nothing to learn from")
    question = Question(data, model, pretraining, pet_size)
    question.check(measured)
    how: dict[str, Any] = {
        "model_size_as": size_as,
        "objective": objective,
        "resamples": resamples,
        "seed_weights": seed_weights,
    }
    choices = {
        method: choose_law([cell for cell in measured if cell.method == method], forms, **how)
        for method in methods(measured)
    }
    laws = {name: choice.law for name, choice in choices.items() if choice.selection.preferred}
    places, reasons = question.places(laws, size_as)
    not_judged = _not_judged(methods(points), choices, reasons)
    if not places:
        listed = (f"{other.method}: {other.reason}" for other in not_judged)
        raise UserError("\n  ".join(["no method can be judged:", *listed]))
    judged = judge(choices, places, question)
    floor = noise_floor(cell for advice in judged for cell in choices[advice.method].law.cells)
    return Advice(
        task=points[0].task,
        model_size_as=size_as,
        question=question,
        methods=tuple(judged),
        not_judged=not_judged,
        recommendation=_recommend(judged, floor),
        critical_sizes=tuple(_critical_sizes(*pair) for pair in combinations(judged, 2)),
        noise_floor=floor,
        resamples=resamples,
        warnings=(
            *cautions(choices, {a.method: a.at for a in judged}),
            *_failed_runs(points),
        ),
    )


def _not_judged(
    known: Iterable[str], choices: Mapping[str, Choice], reasons: Mapping[str, str]
) -> tuple[NotJudged, ...]:
    """The methods of which nothing can be said; `reasons` are those of methods with a law."""
    found = []
    for method in sorted(known):
        selection = choices[method].selection if method in choices else None
        if selection is None:
            found.append(NotJudged(method, "all its runs failed", None))
        elif not selection.preferred or method in reasons:
            found.append(NotJudged(method, reasons.get(method, selection.why), selection))
    return tuple(found)


def _recommend(judged: Sequence[MethodAdvice], floor: float | None) -> Recommendation:
    """Compare what was judged, the lowest loss first."""
    best, *others = judged
    if not others:
        verdict = f"{best.method} is the only method that can be judged: no comparison"
        return Recommendation(best.method, best.probability, None, None, False, verdict)
    rival = max(others, key=lambda other: other.probability or 0.0)
    difference = rival.loss - best.loss
    doubts = []
    if best.probability is None:
        doubts.append("there are no intervals")
    elif best.probability < ENOUGH:
        doubts.append(f"the probability that {best.method} is best is {best.probability:.2f}")
    if floor is not None and difference < floor:
        doubts.append(f"the losses differ by {difference:.2g}, less than the noise ({floor:.2g})")
    return Recommendation(
        method=best.method,
        probability=best.probability,
        runner_up=rival.method,
        difference=difference,
        told_apart=not doubts,
        verdict=f"{best.method} and {rival.method} cannot be told apart: {'; '.join(doubts)}"
        if doubts
        else f"{best.method} is best with probability {best.probability:.2f}",
    )


def _critical_sizes(first: MethodAdvice, second: MethodAdvice) -> CriticalSizes:
    """Where two methods' laws meet over D, the factors being those of the question."""
    laws = [advice.law.over_examples(advice.at) for advice in (first, second)]
    if not all(law.resamples for law in laws):
        laws = [replace(law, resamples={}) for law in laws]
    lows, highs = zip(*(advice.law.ranges["D"] for advice in (first, second)), strict=True)
    both = {**second.at, **first.at}
    at = {name: both[name] for name in (MODEL_SIZE, PRETRAINING) if name in both}
    (comparison,) = compare(*laws, at=at, fitted=(max(lows), min(highs)))
    return CriticalSizes(first.method, second.method, comparison)


def _failed_runs(points: Sequence[Point]) -> Iterator[Caution]:
    for method in methods(points):
        runs = [point.status for point in points if point.method == method]
        failed = sum(status != "ok" for status in runs)
        if failed:
            text = f"{failed} of {len(runs)} runs failed and are left out"
            yield Caution("failed runs", (method,), text)
