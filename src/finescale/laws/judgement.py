"""What each method's law says at the place that is asked about.

Intervals are those of the law at that place, not of a single run there, which the noise of its seed
moves as well.

The probability that a method is best is the share of resamples in which it is: row r of one method
is compared with row r of the others, and the rows of different methods are drawn independently.
That covers the errors that the methods' runs do not share. What is peculiar to a base model moves
all methods in the same direction (in the demo such errors of two methods correlate by 0.4 to 0.97)
and cancels in a comparison, where independent draws add it up. So the comparison is more careful
than it had to be, and some methods are not told apart that are different: of differences that
should be within their 95% intervals, 97% were in simulations without errors of base models, and all
with errors that correlated by 0.8. What no resample covers is a law that does not hold outside the
measured range.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from finescale.laws.cautions import Extrapolation, extrapolations
from finescale.laws.combined import CombinedLaw
from finescale.laws.ensemble import interval
from finescale.laws.question import Question
from finescale.laws.selection import Choice, Selection

Interval = tuple[float, float]


@dataclass(frozen=True)
class Doubling:
    """What twice as much of one variable brings, all others staying: negative is better."""

    variable: str
    value: float  # after doubling
    change: float  # of the loss, nats per token
    interval: Interval | None
    extrapolated: bool


@dataclass(frozen=True)
class MethodAdvice:
    """What the runs say about one method at the place `at`; losses are nats per token.

    `at_base` names the factors of the place that were not asked for. The probability is that of
    having the lowest loss. `by_form` is the loss by each form that is tied with the preferred one.
    Without resamples there are neither intervals nor a probability. `law`, for plots, is not part
    of the JSON.
    """

    method: str
    selection: Selection
    at: Mapping[str, float]
    at_base: tuple[str, ...]
    loss: float
    interval: Interval | None
    scheme: str | None
    probability: float | None
    extrapolated: tuple[Extrapolation, ...]
    doubled: tuple[Doubling, ...]
    by_form: Mapping[str, float]
    law: CombinedLaw

    def to_json(self) -> dict[str, Any]:
        """All but the law."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "law"}


def judge(
    choices: Mapping[str, Choice], places: Mapping[str, dict[str, float]], question: Question
) -> list[MethodAdvice]:
    """What each law says at its place, the lowest loss first."""
    resampled = {
        name: choices[name].law.ensemble.predict_resamples(**place)
        for name, place in places.items()
        if choices[name].law.scheme
    }
    probabilities = _best(resampled) if len(resampled) == len(places) else {}
    judged = []
    for name, place in places.items():
        choice = choices[name]
        asked = {factor for factor in choice.law.factors if question.asked(factor, name)}
        judged.append(
            MethodAdvice(
                method=name,
                selection=choice.selection,
                at=place,
                at_base=tuple(factor for factor in choice.law.factors if factor not in asked),
                loss=float(choice.law.ensemble.predict(**place)),
                interval=_bounds(resampled[name]) if name in resampled else None,
                scheme=choice.law.scheme,
                probability=probabilities.get(name),
                extrapolated=extrapolations(choice.law, place),
                doubled=tuple(_double(choice.law, place, variable) for variable in place),
                by_form={
                    form: float(choice.laws[form].ensemble.predict(**place))
                    for form in choice.selection.tied
                },
                law=choice.law,
            )
        )
    return sorted(judged, key=lambda advice: (advice.loss, advice.method))


def _bounds(values: np.ndarray) -> Interval:
    low, high = interval(values)
    return float(low), float(high)


def _best(losses: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The share of resamples in which each method has the lowest loss, ties divided."""
    table = np.nan_to_num(np.array(list(losses.values())), nan=np.inf)
    lowest = table == table.min(axis=0)
    shares = np.mean(lowest / lowest.sum(axis=0), axis=1)
    return dict(zip(losses, shares.tolist(), strict=True))


def _double(law: CombinedLaw, place: Mapping[str, float], variable: str) -> Doubling:
    """The change of the loss from the place to twice as much of the variable."""
    more = {**place, variable: 2 * place[variable]}
    change = law.ensemble.predict(**more) - law.ensemble.predict(**place)
    bounds = None
    if law.scheme:
        resampled = law.ensemble.predict_resamples
        bounds = _bounds(resampled(**more) - resampled(**place))
    extrapolated = variable in law.extrapolated(more)
    return Doubling(variable, more[variable], float(change), bounds, extrapolated)
