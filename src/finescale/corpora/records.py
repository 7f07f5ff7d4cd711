"""Typed records as JSON lines: the one shape in which text and examples travel."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from finescale.errors import UserError
from finescale.store import Artifact

TEXT_FIELDS = ("id", "text")
EXAMPLE_FIELDS = ("id", "source", "target", "source_language", "target_language")
BLOCK = 1 << 20  # bytes read at a time

_decode = json.JSONDecoder().decode


def read_texts(path: Path, start: int = 0, end: int | None = None) -> Iterator[dict[str, str]]:
    """Yield the documents of a file: `{"id", "text"}`, all non-empty strings.

    Of a part of a file: those whose lines begin at bytes `start` to before `end`.
    """
    return _read(path, TEXT_FIELDS, start, end)


def read_examples(path: Path, start: int = 0, end: int | None = None) -> Iterator[dict[str, str]]:
    """Yield the examples of a file: `{"id", "source", "target", "source_language",
    "target_language"}`, all non-empty strings. Of a part of it as `read_texts` does."""
    return _read(path, EXAMPLE_FIELDS, start, end)


def text_paths(artifact: Artifact) -> list[Path]:
    """The checked files of a text corpus, in order: text.jsonl, or text-00000.jsonl and so on where
    its sources come in shards. UserError when it has none of them, or one is damaged."""
    names = (entry["name"] for entry in artifact.manifest["files"])
    shards = sorted(name for name in names if re.fullmatch(r"text-\d{5,}\.jsonl", name))
    # the number of digits grows before their order would
    return [artifact.file(name) for name in sorted(shards, key=len) or ["text.jsonl"]]


def write_records(path: Path, records: Iterable[dict[str, str]]) -> int:
    """Write records one a line and return their number."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for record in records:
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


def _read(
    path: Path, fields: tuple[str, ...], start: int, end: int | None
) -> Iterator[dict[str, str]]:
    # Binary lines end at \n alone: text may hold other line separators.
    with path.open("rb") as lines:
        if start:  # the line that holds the byte before began in another part
            lines.seek(start - 1)
            lines.readline()
        position = lines.tell()
        for line in lines:
            if end is not None and position >= end:
                return
            try:
                yield _parse(line, fields)
            except UserError as error:
                raise UserError(f"{path}:{_line_number(path, position)}: {error}") from None
            position += len(line)


def _line_number(path: Path, position: int) -> int:
    """The number, from 1, of the line that begins at a byte."""
    with path.open("rb") as lines:
        return 1 + sum(
            lines.read(min(BLOCK, position - at)).count(b"\n") for at in range(0, position, BLOCK)
        )


def _parse(line: bytes, fields: tuple[str, ...]) -> dict[str, str]:
    try:  # most records are plainly right; what is wrong with the others takes longer to say
        record = _decode(line.decode())
        values = [record[field] for field in fields]
        if len(record) == len(fields) and all(map(str.strip, values)) and b"\\u" not in line:
            return dict(zip(fields, values, strict=True))
    except (ValueError, LookupError, TypeError):
        pass
    return _checked(line, fields)


def _checked(line: bytes, fields: tuple[str, ...]) -> dict[str, str]:
    try:
        record = json.loads(line)
    except ValueError as error:  # not JSON, or not UTF-8
        raise UserError(f"not a JSON record: {error}") from None
    if not isinstance(record, dict) or set(record) != set(fields):
        found = sorted(record) if isinstance(record, dict) else type(record).__name__
        raise UserError(f"a record has the fields {sorted(fields)}, found {found}")
    for field in fields:
        value = record[field]
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"{field!r} must be a non-empty string, found {value!r}")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise UserError(f"{field!r} holds half of a surrogate pair") from None
    return {field: record[field] for field in fields}
