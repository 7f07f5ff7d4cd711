"""Typed records of ours, where they are cleaned or chosen from."""

from collections.abc import Iterator
from itertools import islice

from finescale.corpora.formats.raw import Columns, Raw
from finescale.corpora.records import read_examples, read_texts

ROWS = 4096


def read_typed(raw: Raw) -> Iterator[Columns]:
    """`records`: every field of ours."""
    records = (read_texts if raw.documents else read_examples)(raw.path)
    while rows := list(islice(records, ROWS)):
        yield {field: [row[field] for row in rows] for field in rows[0]}
