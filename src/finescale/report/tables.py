"""Tables of a page from the CSV that a figure or table comes with."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finescale.counts import format_count, format_rough
from finescale.figures.style import FACTOR_TITLES, METHOD_TITLES
from finescale.numbers import format_interval

SIGNIFICANT = 3  # digits of a number that has no interval
MINUS = "−"
BOUNDS = ("low", "high")
WORDS = {
    **METHOD_TITLES,
    **FACTOR_TITLES,
    "True": "yes",
    "False": "no",
    "crossing": "meet",
    "none": "do not meet",
}
HEADINGS = {
    **FACTOR_TITLES,
    "alpha": "α",
    "base_llm": "Base LLM",
    "beta": "β",
    "bootstrap": "95% by bootstrap",
    "ffn_dim": "FFN dim",
    "fisher": "95% by Fisher’s z",
    "gamma": "γ",
    "length": "Most source/target tokens",
    "log10_h": "log₁₀ H",
    "p_value": "p",
    "pearson_r": "Pearson’s r",
    "record": "Laws",
    "share": "Share of resamples",
    "significant": "p < 0.01",
    "within_seed_noise": "Forms differ by less",
    "x": "X",
    "zero_shot_sets": "Zero-shot sets",
}
SYMBOLS = {"alpha": "α", "beta": "β", "gamma": "γ"}
PARAMETER = re.compile(rf"({'|'.join(FACTOR_TITLES)})\.(\w+)|\b({'|'.join(SYMBOLS)})\b")
WITH_COMMAS = re.compile(r"\d{1,3}(,\d{3})+")
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


def tables_of(text: str, titles: Mapping[str, str] | None = None) -> list[Table]:
    """The tables in a CSV: rows of kinds (`record`) that share no column are tables of their own.

    A column and its bounds (`E`, `E_low`, `E_high`) are shown as one; empty columns are left out.
    `titles` are those of the study's tasks.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    words = WORDS | dict(titles or {})
    return [_table(group, words) for group in _by_kind(rows)]


def in_words(text: str) -> str:
    """A reason with the names of parameters as people write them."""

    def words(found: re.Match[str]) -> str:
        factor, name, symbol = found.groups()
        if symbol:
            return SYMBOLS[symbol]
        title = FACTOR_TITLES[factor]
        inside = title if title[1].isupper() else title[0].lower() + title[1:]
        return f"{SYMBOLS.get(name, name)} of {inside}"

    return PARAMETER.sub(words, text)


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


def _table(rows: Sequence[Row], words: Mapping[str, str]) -> Table:
    columns = _columns(_filled(rows))
    return Table(
        tuple(_heading(name) for name in columns),
        tuple(tuple(_cell(row, name, columns[name], words) for name in columns) for row in rows),
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


def _cell(row: Row, name: str, places: Mapping[str, str], words: Mapping[str, str]) -> Shown:
    bounds = [float(row[places[end]]) for end in BOUNDS if end in places and row[places[end]]]
    if "value" not in places:
        return _interval_alone(bounds)
    text = row[places["value"]]
    value = _number(text)
    if value is None:
        return Shown(words.get(text) or in_words(text).replace(";", ", "))
    if len(bounds) == len(BOUNDS):
        return Shown(with_interval(value, *bounds, count=name in COUNTS), value)
    if name in COUNTS:
        return Shown(format_count(float(f"{value:.3g}")), value)
    return Shown(_plain(text, value).replace("-", MINUS), value)


def _plain(text: str, value: float) -> str:
    if text.lstrip("-").isdigit() or "," in text:
        return text
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.{SIGNIFICANT}g}"


def _interval_alone(bounds: Sequence[float]) -> Shown:
    if len(bounds) < len(BOUNDS):
        return Shown("")
    low, high = bounds
    words = with_interval(low, low, high)
    return Shown(words[words.index("[") :], low)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "") if WITH_COMMAS.fullmatch(text) else text)
    except ValueError:
        return None


def with_interval(value: float, low: float, high: float, *, count: bool = False) -> str:
    """`0.15 [0.12, 0.19]`; counts with their unit, and bounds that may be infinite."""
    if count:
        shown = ["∞" if math.isinf(one) else format_rough(one) for one in (value, low, high)]
        return f"{shown[0]} [{shown[1]}, {shown[2]}]"
    return format_interval(value, (low, high)).replace("-", MINUS).replace("inf", "∞")
