"""Formats of raw files: each is a function from a raw file to columns of text."""

from collections.abc import Callable, Iterator

from finescale.corpora.archives import readable
from finescale.corpora.formats.jsonl import read_jsonl
from finescale.corpora.formats.lines import read_lines, read_moses, read_text
from finescale.corpora.formats.parquet import read_parquet
from finescale.corpora.formats.raw import Columns, Raw
from finescale.corpora.formats.sgm import read_sgm
from finescale.corpora.formats.tsv import read_tsv
from finescale.corpora.formats.typed import read_typed
from finescale.corpora.formats.wmt_xml import read_wmt_xml

__all__ = ["Columns", "Raw", "read"]

READERS: dict[str, Callable[[Raw], Iterator[Columns]]] = {
    "records": read_typed,
    "lines": read_lines,
    "moses": read_moses,
    "tsv": read_tsv,
    "sgm": read_sgm,
    "wmt-xml": read_wmt_xml,
    "parquet": read_parquet,
    "jsonl": read_jsonl,
    "text": read_text,
}


def read(raw: Raw) -> Iterator[Columns]:
    """The records of a raw file. UserError, naming it, when it cannot be read."""
    with readable(raw.name):
        yield from READERS[raw.reading["format"]](raw)
