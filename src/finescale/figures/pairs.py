"""Two methods compared: what Figure 5 and Table 5 show, and the CSV rows that say the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from finescale.figures.style import METHOD_TITLES
from finescale.laws.crossing import Comparison, compare
from finescale.laws.ensemble import Ensemble
from finescale.laws.fit import NOT_IDENTIFIED

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
        return " vs ".join(METHOD_TITLES[method] for method in self.methods)

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
