"""One JSON object a line."""

import json
from collections.abc import Iterator
from typing import Any

from finescale.corpora.formats.lines import blocks, streams
from finescale.corpora.formats.raw import Columns, Raw
from finescale.errors import UserError


def read_jsonl(raw: Raw) -> Iterator[Columns]:
    """`jsonl`: the fields that the reading names, with dots for those of objects; null is empty,
    and all fields of an object that is null; other fields are nobody's business. A blank line is
    an empty record."""
    paths = {field: (column, column.split(".")) for field, column in raw.columns().items()}
    for stream, name in streams(raw):
        before = 0
        for lines in blocks(stream, name):
            records = [
                _record(line, name, number) for number, line in enumerate(lines, start=before + 1)
            ]
            yield {
                field: [
                    _value(record, *path, name, number)
                    for number, record in enumerate(records, start=before + 1)
                ]
                for field, path in paths.items()
            }
            before += len(lines)


def _record(line: str, name: str, number: int) -> dict[str, Any] | None:
    try:
        record = json.loads(line) if line.strip() else None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}, line {number}: not JSON: {error}") from None
    if record is not None and not isinstance(record, dict):
        raise UserError(f"{name}, line {number}: not a JSON object")
    return record


def _value(record: Any, column: str, path: list[str], name: str, number: int) -> str | None:
    if record is None:
        return None
    value = record.get(column)
    if value is None and column not in record:
        value = record
        for key in path:
            if value is None:
                return None
            if not isinstance(value, dict) or key not in value:
                known = ", ".join(map(repr, record))
                raise UserError(f"{name}, line {number}: no field {column!r}; it has {known}")
            value = value[key]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise UserError(f"{name}, line {number}: {column!r} is no text: {str(value)[:50]}")
    return value
