"""Whether published numbers agree: H and gamma of Table 5 against the coefficients of Table 4.

Both are printed with two digits, and H is a large power of a ratio: computed from the printed
coefficients as they stand, it may miss the printed one a thousandfold though nothing is wrong. So
each printed number is taken for the interval that it was rounded from.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finescale.laws.critical.power_law import h_and_gamma

Bounds = tuple[float, float]
DIGITS = 2  # significant ones, in arXiv 2402.17193


@dataclass(frozen=True)
class Column:
    """One column of Table 5 as printed, and as Table 4 allows it."""

    factor: str
    task: str
    pair: str
    printed_log10_h: Bounds
    printed_gamma: Bounds
    log10_h: Bounds
    gamma: Bounds

    @property
    def agrees(self) -> bool:
        """Whether both printed numbers can come from the printed coefficients."""
        return _meet(self.printed_log10_h, self.log10_h) and _meet(self.printed_gamma, self.gamma)


def _meet(one: Bounds, two: Bounds) -> bool:
    return one[0] <= two[1] and two[0] <= one[1]


def rounded(value: float, digits: int = DIGITS) -> Bounds:
    """The numbers that are printed as `value`: half a unit of the last significant digit around."""
    exponent = int(f"{value:e}".partition("e")[2])
    half = 0.5 * 10.0 ** (exponent - digits + 1)
    return value - half, value + half


def recompute(table4: Path, table5: Path) -> list[Column]:
    """All columns of Table 5; the files are described in `resources/paper/README.md`."""
    laws = {(row["factor"], row["task"], row["method"]): row for row in _rows(table4)}
    columns = []
    for row in _rows(table5):
        factor, task, pair = row["factor"], row["task"], row["pair"]
        first, second = (laws[factor, task, method] for method in pair.split("-vs-"))
        h_low, h_high = rounded(float(row["H"]))
        printed = (float(np.log10(h_low)), float(np.log10(h_high))), rounded(float(row["gamma"]))
        columns.append(Column(factor, task, pair, *printed, *_allowed(first, second)))
    return columns


def _allowed(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[Bounds, Bounds]:
    """Ranges of log10 H and gamma over all corners of the coefficients' intervals.

    Both are monotone in each coefficient while beta1 - beta2 keeps its sign, as it does here.
    """
    names = ("A", "alpha", "beta")
    intervals = [rounded(float(law[name])) for law in (first, second) for name in names]
    corners = np.stack(np.meshgrid(*intervals)).reshape(len(intervals), -1)
    log10_h, gamma = h_and_gamma(
        dict(zip(names, corners[:3], strict=True)), dict(zip(names, corners[3:], strict=True))
    )
    return (float(log10_h.min()), float(log10_h.max())), (float(gamma.min()), float(gamma.max()))


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
