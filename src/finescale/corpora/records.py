"""Typed records as JSON lines: the one shape in which text and examples travel."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from finescale.errors import UserError
from finescale.store import Artifact

TEXT_FIELDS = ("id", "text")
EXAMPLE_FIELDS = ("id", "source", "target", "source_language", "target_language")
BLOCK = 1 << 20  # bytes read at a time

Columns = dict[str, list[str]]  # of one length


def read_texts(path: Path, start: int = 0, end: int | None = None) -> Iterator[dict[str, str]]:
    """Yield the documents of a file: `{"id", "text"}`, all non-empty strings.

    Of a part of a file: those whose lines begin at bytes `start` to before `end`.
    """
    return _rows(text_columns(path, start, end))


def read_examples(path: Path, start: int = 0, end: int | None = None) -> Iterator[dict[str, str]]:
    """Yield the examples of a file: `{"id", "source", "target", "source_language",
    "target_language"}`, all non-empty strings. Of a part of it as `read_texts` does."""
    return _rows(example_columns(path, start, end))


def text_columns(path: Path, start: int = 0, end: int | None = None) -> Iterator[Columns]:
    """What `read_texts` yields, as columns: a megabyte of lines or so at a time, one at least."""
    return _read(path, TEXT_FIELDS, start, end)


def example_columns(path: Path, start: int = 0, end: int | None = None) -> Iterator[Columns]:
    """What `read_examples` yields, as columns: a megabyte of lines or so at a time."""
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


def _rows(blocks: Iterable[Columns]) -> Iterator[dict[str, str]]:
    for columns in blocks:
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def _read(path: Path, fields: tuple[str, ...], start: int, end: int | None) -> Iterator[Columns]:
    # Binary lines end at \n alone: text may hold other line separators.
    with path.open("rb") as stream:
        if start:  # the line that holds the byte before began in another part
            stream.seek(start - 1)
            stream.readline()
        position = stream.tell()
        while end is None or position < end:
            most = BLOCK if end is None else min(BLOCK, end - position - 1)
            lines = stream.readlines(max(1, most))  # until their bytes exceed that; 0 has no bound
            if not lines:
                return
            yield _columns(lines, fields) or _checked_columns(lines, fields, path, position)
            position += sum(map(len, lines))


def _columns(lines: Sequence[bytes], fields: tuple[str, ...]) -> Columns | None:
    """The records of lines if all are plainly right: what is wrong takes longer to say."""
    try:
        records = list(map(orjson.loads, lines))
        columns = {field: [record[field] for record in records] for field in fields}
        complete = all(len(record) == len(fields) for record in records)
        if complete and all(all(map(str.strip, column)) for column in columns.values()):
            return columns
    except (ValueError, LookupError, TypeError):
        pass
    return None


def _checked_columns(
    lines: Sequence[bytes], fields: tuple[str, ...], path: Path, position: int
) -> Columns:
    """The same, line by line; `position` is the byte of the file at which the first begins."""
    records = []
    for line in lines:
        try:
            records.append(_checked(line, fields))
        except UserError as error:
            raise UserError(f"{path}:{_line_number(path, position)}: {error}") from None
        position += len(line)
    return {field: [record[field] for record in records] for field in fields}


def _line_number(path: Path, position: int) -> int:
    """The number, from 1, of the line that begins at a byte."""
    with path.open("rb") as lines:
        return 1 + sum(
            lines.read(min(BLOCK, position - at)).count(b"\n") for at in range(0, position, BLOCK)
        )


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
