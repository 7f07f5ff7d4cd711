"""Tables of a page from the CSV that a figure or table comes with."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finescale.counts import format_count
from finescale.figures.style import (
    FACTOR_TITLES,
    METHOD_TITLES,
    format_interval,
    format_number,
)

SIGNIFICANT = 4  # digits of a number that has no interval
MINUS = "−"
WORDS = {**METHOD_TITLES, **FACTOR_TITLES, "True": "yes", "False": "no"}
HEADINGS = {
    **FACTOR_TITLES,
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "log10_h": "log₁₀ H",
    "x": "X",
    "pearson_r": "Pearson's r",
    "p_value": "p",
}
COUNTS = ("x", "finetuning_examples", "fitted", "nominal", "nominal_size", "pretraining_tokens")

Row = Mapping[str, str]


@dataclass(frozen=True)
class Shown:
    """A cell: its text, and the number to sort by where it is one."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """Headings and rows."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether a column has numbers and nothing else."""
        return tuple(
            all(cell.value is not None or not cell.text for cell in column)
            for column in zip(*self.rows, strict=True)
        )


def tables_of(text: str) -> list[Table]:
    """The tables in a CSV: rows of kinds (`record`) that share no column are tables of their own.

    A column and its bounds (`E`, `E_low`, `E_high`) are shown as one; empty columns are left out.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    return [_table(group) for group in _by_kind(rows)]


def _by_kind(rows: Sequence[Row]) -> list[list[Row]]:
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row.get("record", ""), []).append(row)
    filled = [set(_filled(group)) - {"record"} for group in kinds.values()]
    apart = all(not one & other for i, one in enumerate(filled) for other in filled[:i])
    if not apart or len(kinds) < 2:
        return [list(rows)] if rows else []
    return [
        [{name: value for name, value in row.items() if name != "record"} for row in group]
        for group in kinds.values()
    ]


def _filled(rows: Iterable[Row]) -> list[str]:
    """The columns that are not empty, in order."""
    rows = list(rows)
    return [name for name in rows[0] if any(row[name] for row in rows)]


def _table(rows: Sequence[Row]) -> Table:
    columns = _filled(rows)
    bounds = {name: _bounds(name, columns) for name in columns}
    hidden = {bound for pair in bounds.values() if pair for bound in pair}
    shown = [name for name in columns if name not in hidden]
    return Table(
        tuple(_heading(name) for name in shown),
        tuple(tuple(_cell(row, name, bounds[name]) for name in shown) for row in rows),
    )


def _heading(name: str) -> str:
    words = HEADINGS.get(name, name.replace("_", " "))
    return words[0].upper() + words[1:] if words.isascii() else words


def _bounds(name: str, columns: Sequence[str]) -> tuple[str, str] | None:
    """The columns of a value's bounds: `E_low` and `E_high`, or `low` and `high` right after it."""
    after = columns[columns.index(name) + 1 :][:2]
    for pair in ((f"{name}_low", f"{name}_high"), ("low", "high")):
        if pair[0] in columns and pair[1] in columns and (pair[0] != "low" or after == [*pair]):
            return pair
    return None


def _cell(row: Row, name: str, bounds: tuple[str, str] | None) -> Shown:
    text = row[name]
    value = _number(text)
    if value is None:
        return Shown(WORDS.get(text, text))
    if name in COUNTS and not bounds:
        return Shown(format_count(float(f"{value:.3g}")), value)
    if bounds and row[bounds[0]]:
        low, high = (float(row[bound]) for bound in bounds)
        return Shown(with_interval(value, low, high, count=name in COUNTS), value)
    plain = text if text.lstrip("-").isdigit() else f"{value:.{SIGNIFICANT}g}"
    return Shown(plain.replace("-", MINUS), value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def with_interval(value: float, low: float, high: float, *, count: bool = False) -> str:
    """`0.15 [0.12, 0.19]`; counts with their unit, and bounds that may be infinite."""
    if not count and all(map(math.isfinite, (value, low, high))):
        return format_interval(value, (low, high)).replace("-", MINUS)
    shown = [_two_digits(one, count) for one in (value, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]".replace("-", MINUS)


def _two_digits(value: float, count: bool) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return format_count(float(f"{value:.2g}")) if count else format_number(value)
