"""Raw files, typed records and subsets of them."""

from finescale.corpora.convert import convert
from finescale.corpora.records import (
    example_columns,
    read_examples,
    read_texts,
    text_columns,
    text_paths,
    write_records,
)
from finescale.corpora.sources import fetch, not_pinned
from finescale.corpora.subsets import generator, permutation, subset

__all__ = [
    "convert",
    "example_columns",
    "fetch",
    "generator",
    "not_pinned",
    "permutation",
    "read_examples",
    "read_texts",
    "subset",
    "text_columns",
    "text_paths",
    "write_records",
]
