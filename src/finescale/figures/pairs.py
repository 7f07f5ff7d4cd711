"""Two methods compared: what Figure 5 and Table 5 show, and the CSV rows that say the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from finescale.figures.intervals import Bounds
from finescale.figures.style import method_title
from finescale.laws.crossing import Comparison, compare
from finescale.laws.ensemble import Ensemble
from finescale.laws.fit import NOT_IDENTIFIED
from finescale.laws.forms import MULTIPLICATIVE
from finescale.laws.points import (
    FACTORS,
    Base,
    Point,
    at_base,
    cells,
    coordinate,
    methods,
    on_factor,
)
from finescale.laws.results import Law, TaskFit

CROSSED_FACTORS = ("llm_model_size", "pretraining_tokens")
PLACES = 33  # X at which critical sizes are sought

COLUMNS = (
    *("record", "factor", "task", "first", "second", "x", "finetuning_examples", "low", "high"),
    *("share", "better_below", "better_above", "extrapolated", "fitted_low", "fitted_high"),
    "reason",
)


@dataclass(frozen=True)
class CriticalPair:
    """Two methods of one task over one factor, with their laws or the reason why there are none.

    The laws are over `X` and `D`.
    """

    task: str  # its title
    factor: str
    methods: tuple[str, str]
    laws: tuple[Ensemble, Ensemble] | None = None
    reason: str = ""
    x: tuple[float, ...] = ()  # where to draw, from small to large
    base: float = math.nan  # X of the base model
    fitted: tuple[float, float] = (math.nan, math.nan)  # finetuning examples: where both laws were

    @property
    def title(self) -> str:
        """The two methods as people call them."""
        return " vs ".join(method_title(method) for method in self.methods)

    def method(self, side: str) -> str:
        """The method that is the `first` or the `second` of the pair."""
        return self.methods[("first", "second").index(side)]

    def compare(self, x: Sequence[float]) -> list[Comparison]:
        """The critical sizes at some X; nothing without laws."""
        if self.laws is None:
            return []
        return compare(*self.laws, at={"X": x}, fitted=self.fitted)

    def labels(self) -> dict:
        """What every CSV row of the pair begins with."""
        first, second = self.methods
        labels = {"factor": self.factor, "task": self.task, "first": first, "second": second}
        if self.laws is None:
            return labels | {"record": NOT_IDENTIFIED, "reason": self.reason}
        return labels | {"fitted_low": self.fitted[0], "fitted_high": self.fitted[1]}


def critical_pairs(fits: Sequence[TaskFit], points: Sequence[Point]) -> list[CriticalPair]:
    """Every two methods of every task, over each factor that any of the tasks varies."""
    by_task = {
        fit.settings.task: [p for p in points if p.task == fit.settings.task] for fit in fits
    }
    return [
        _critical_pair(fit, factor, two, by_task[fit.settings.task])
        for factor in CROSSED_FACTORS
        if any(_varies(by_task[fit.settings.task], factor, fit.settings.base) for fit in fits)
        for fit in fits
        for two in combinations(methods(by_task[fit.settings.task]), 2)
    ]


def _varies(points: Sequence[Point], factor: str, base: Base) -> bool:
    return len({coordinate(point, factor) for point in on_factor(points, factor, base)}) > 1


def _critical_pair(
    fit: TaskFit, factor: str, two: tuple[str, str], points: Sequence[Point]
) -> CriticalPair:
    """Two multiplicative laws are compared where both were fitted."""
    names = fit.settings.title, factor, two
    found = {method: fit.law(method, MULTIPLICATIVE.name, factor) for method in two}
    for method, law in found.items():
        if law is None or not law.fit.ok:
            why = law.fit.reason if law else "no runs to fit"
            return CriticalPair(*names, reason=f"{method_title(method)}: {why}")
    laws = [law for law in found.values() if law]
    low, high = _overlap(laws, "fitted_x")
    centre = cells(at_base(points, FACTORS, fit.settings.base))
    if low >= high or not centre:
        return CriticalPair(*names, reason="not fitted at the same values")
    return CriticalPair(
        *names,
        laws=(laws[0].ensemble, laws[1].ensemble),
        x=tuple(np.geomspace(low, high, PLACES).tolist()),
        base=centre[0].x(factor, fit.settings.model_size_as),
        fitted=_overlap(laws, "fitted_examples"),
    )


def _overlap(laws: Sequence[Law], name: str) -> Bounds:
    """Where the fitted ranges of this name overlap."""
    ranges = [getattr(law, name) for law in laws]
    return max(low for low, _ in ranges), min(high for _, high in ranges)


def csv_rows(pair: CriticalPair, found: Sequence[Comparison]) -> list[dict]:
    """A row for each crossing, and for each X without one."""
    if pair.laws is None:
        return [pair.labels()]
    return [
        pair.labels() | {"x": x} | row
        for x, comparison in zip(pair.x, found, strict=True)
        for row in comparison_rows(pair, comparison)
    ]


def comparison_rows(pair: CriticalPair, found: Comparison) -> list[dict]:
    """The crossings of one comparison, or one row that says who is better everywhere."""
    if not found.crossings:
        better = pair.method(found.better) if found.better else ""
        share = found.shares.get(found.better or "", "")
        sides = {"better_below": better, "better_above": better}
        return [{"record": "none", "share": share} | sides]
    return [
        {
            "record": "crossing",
            "finetuning_examples": one.size,
            **dict(zip(("low", "high"), one.interval or ("", ""), strict=True)),
            "share": "" if one.share is None else one.share,
            "better_below": pair.method(one.better_below),
            "better_above": pair.method(one.better_above),
            "extrapolated": one.extrapolated,
        }
        for one in found.crossings
    ]
