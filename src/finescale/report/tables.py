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
BOUNDS = ("low", "high")
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
    columns = _columns(_filled(rows))
    return Table(
        tuple(_heading(name) for name in columns),
        tuple(tuple(_cell(row, name, columns[name]) for name in columns) for row in rows),
    )


def _columns(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Where each column to show has its `value` and its bounds, `low` and `high`.

    Bounds without a name of their own belong to the column before them.
    """
    columns: dict[str, dict[str, str]] = {}
    last = ""
    for name in names:
        stem, _, end = name.rpartition("_")
        if end in BOUNDS:
            columns.setdefault(stem or last, {})[end] = name
        else:
            columns.setdefault(name, {})["value"] = last = name
    return columns


def _heading(name: str) -> str:
    words = name.replace("_", " ")
    return HEADINGS.get(name, words[0].upper() + words[1:])


def _cell(row: Row, name: str, places: Mapping[str, str]) -> Shown:
    bounds = [float(row[places[end]]) for end in BOUNDS if end in places and row[places[end]]]
    if "value" not in places:
        return _interval_alone(bounds)
    text = row[places["value"]]
    value = _number(text)
    if value is None:
        return Shown(WORDS.get(text, text))
    if len(bounds) == len(BOUNDS):
        return Shown(with_interval(value, *bounds, count=name in COUNTS), value)
    if name in COUNTS:
        return Shown(format_count(float(f"{value:.3g}")), value)
    plain = text if text.lstrip("-").isdigit() else f"{value:.{SIGNIFICANT}g}"
    return Shown(plain.replace("-", MINUS), value)


def _interval_alone(bounds: Sequence[float]) -> Shown:
    if len(bounds) < len(BOUNDS):
        return Shown("")
    low, high = bounds
    words = with_interval(low, low, high)
    return Shown(words[words.index("[") :], low)


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
