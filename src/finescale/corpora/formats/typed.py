"""Typed records of ours, where they are cleaned or chosen from."""

from collections.abc import Iterator

from finescale.corpora.formats.raw import Columns, Raw
from finescale.corpora.records import example_columns, text_columns


def read_typed(raw: Raw) -> Iterator[Columns]:
    """`records`: every field of ours."""
    yield from (text_columns if raw.documents else example_columns)(raw.path)
