"""What the commands print: rows for people, JSON for programs."""

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

GAP = "  "
PAGE_WIDTH = 100  # characters of a line of prose


def text_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows under the keys of the first, in plain text, never cut; numbers are aligned right."""
    header = list(rows[0])
    numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in header]
    lines = [header, *([show(row[name]) for name in header] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    aligned = [
        GAP.join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in aligned)


def paragraph(text: str, indent: str = "") -> str:
    """Prose in lines of the page's width, all but the first indented."""
    return textwrap.fill(
        text, PAGE_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def bullets(title: str, items: Iterable[str]) -> list[str]:
    """A list below its title and an empty line; nothing if there are no items."""
    lines = [paragraph(f"- {item}", "  ") for item in items]
    return ["", title, *lines] if lines else []


def show(value: object, digits: int = 4) -> str:
    """A cell: floats with so many significant digits, a dash for nothing."""
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def to_json(value: Any) -> str:
    """Dataclasses, mappings, arrays and plain values as JSON; null where a number is not finite."""
    return json.dumps(_plain(value), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "to_json"):  # it knows better
        return _plain(value.to_json())
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # arrays and scalars of numpy
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
