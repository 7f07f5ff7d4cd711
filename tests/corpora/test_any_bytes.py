"""Whatever happens to the bytes of a raw file: it is read, every line counted, or a message says
why not, and soon."""

import gzip
import io
import json
import re
import signal
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from finescale.corpora import convert
from finescale.errors import UserError

SECONDS = 10  # for a file of a kilobyte or two
ROWS = 6

Files = dict[str, bytes]  # by name


def tarred(mode: str) -> Callable[[Files], list[bytes]]:
    def pack(files: Files) -> list[bytes]:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode) as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return [out.getvalue()]

    return pack


def zipped(files: Files) -> list[bytes]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return [out.getvalue()]


def bare(files: Files) -> list[bytes]:
    return list(files.values())


def gzipped(files: Files) -> list[bytes]:
    return [gzip.compress(content, mtime=0) for content in files.values()]


def joined(rows: Iterator[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def table(files: Files) -> bytes:
    out = io.BytesIO()
    columns = {name: content.decode().splitlines() for name, content in files.items()}
    parquet.write_table(pyarrow.table(columns), out, row_group_size=2)
    return out.getvalue()


def lines_of(content: bytes) -> int:
    return len(content.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n"))


def segments_of(content: bytes) -> int:
    return len(re.findall(rb"<seg\b[^<>]*>", content, re.IGNORECASE))


def sources_of(content: bytes) -> int:
    return len(ElementTree.fromstring(content).findall(".//src//seg"))


@dataclass(frozen=True)
class Layout:
    """Files, how a raw file holds them, and how it is read.

    `records` counts those of the files of one side. `checked` says that a checksum covers all of
    them.
    """

    files: Files
    pack: Callable[[Files], list[bytes]]
    reading: dict
    records: Callable[[bytes], int] = lines_of
    split: str = "train"
    checked: bool = False


DE = joined(f"Größe {i}" for i in range(ROWS))
EN = joined(f"size {i}" for i in range(ROWS))
OURS = {"source": "a", "target": "b", "source_language": "en", "target_language": "de"}
TYPED = joined(json.dumps({"id": str(i), **OURS}) for i in range(ROWS))
JSON = joined(json.dumps({"a": f"x{i}", "t": {"b": "ü"}}) for i in range(ROWS))
TSV = joined(f"a{i}\tb" for i in range(120))  # one wrong row is no mistake
SGM = '<{set} setid="x">\n<doc docid="d">\n<p>\n{segments}</p>\n</doc>\n</{set}>\n'
XML = '<?xml version="1.0" encoding="utf-8"?>\n<dataset>{document}</dataset>\n'
DOCUMENT = '<doc id="{id}">\n<src lang="en"><p>{segments}</p></src>\n{ref}</doc>\n'


def segments(text: str, start: int = 1) -> str:
    rows = range(start, start + ROWS)
    return "".join(f'<seg id="{i}">{text} &amp; {i}</seg>\n' for i in rows)


def sgm(kind: str, text: str) -> bytes:
    return SGM.format(set=kind, segments=segments(text)).encode()


def xml() -> bytes:
    ref = f'<ref lang="de" translator="A"><p>{segments("eins")}</p></ref>'
    documents = [DOCUMENT.format(id=i, segments=segments("one"), ref=ref) for i in "de"]
    return XML.format(document="".join(documents)).encode()


PAIRS = {"a.en": EN, "a.de": DE, "b.en": EN, "b.de": DE}
LINES = {"format": "lines", "source": "*.{source}", "target": "*.{target}"}
TABLE = {"format": "tsv", "columns": {"source": 0, "target": 1}}
FIELDS = {"format": "jsonl", "columns": {"source": "a", "target": "t.b"}}
SEGMENTS = {"format": "sgm", "source": "a.{source}", "target": "a.{target}"}
SETS = {"a.en": sgm("srcset", "one"), "a.de": sgm("refset", "eins")}
DOCUMENTS = {"format": "wmt-xml", "member": "x.xml", "reference": "A"}
COLUMNS = {"format": "parquet", "columns": {"source": "a", "target": "b"}}
TEXT = {"format": "text"}
LAYOUTS = {
    "records": Layout({"x": TYPED}, bare, {"format": "records"}),
    "lines tar": Layout(PAIRS, tarred("w"), LINES),
    "lines tar.gz": Layout(PAIRS, tarred("w:gz"), LINES, checked=True),
    "lines zip": Layout(PAIRS, zipped, LINES, checked=True),
    "moses": Layout({"a.en": EN, "a.de": DE}, bare, {"format": "moses"}),
    "tsv": Layout({"x": TSV}, bare, TABLE),
    "tsv.gz": Layout({"x": TSV}, gzipped, TABLE),
    "sgm tar.gz": Layout(SETS, tarred("w:gz"), SEGMENTS, segments_of, checked=True),
    "wmt-xml tar": Layout({"x.xml": xml()}, tarred("w"), DOCUMENTS, sources_of),
    "wmt-xml zip": Layout({"x.xml": xml()}, zipped, DOCUMENTS, sources_of, checked=True),
    "jsonl": Layout({"x": JSON}, bare, FIELDS),
    "jsonl.gz": Layout({"x": JSON}, gzipped, FIELDS),
    "jsonl zip": Layout({"x": JSON}, zipped, FIELDS | {"member": "x"}, checked=True),
    "text": Layout({"x": DE}, bare, TEXT, split="text"),
    "text.gz": Layout({"x": DE}, gzipped, TEXT, split="text"),
    "parquet": Layout({"a": EN, "b": EN}, lambda files: [table(files)], COLUMNS),
}
TOKENS = [b"<seg>", b"</seg>", b"<doc>", b"&#99999999;", b'"', b"{", b"[", b"null", b"1e999", b"\0"]
TOKENS += [
    b"\n",
    b"\r",
    b"\t",
    b"\xff",
    b"\xed\xa0\x80",
    b'"id":',
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
]
TOKENS += [b"PK\1\2", b"ustar", b"\x1f\x8b", bytes(512), b"\xff\xff\xff\xff", b"\x80"]

edits = st.tuples(
    st.sampled_from(["insert", "overwrite", "delete", "cut"]),
    st.floats(0, 1),
    st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=12) | st.integers(0, 7),
)


def edited(content: bytes, kind: str, at: float, new: bytes | int) -> bytes:
    start = int(at * len(content))
    before, behind = content[:start], content[start:]
    if isinstance(new, int):  # of one bit, where nothing is put in
        new = bytes([behind[0] ^ 1 << new]) if behind else b"\n"
    if kind == "cut":
        return before
    gone = {"insert": 0, "overwrite": len(new), "delete": len(new)}[kind]
    return before + (b"" if kind == "delete" else new) + behind[gone:]


@contextmanager
def in_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        pytest.fail(f"still reading after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def counts_of(layout: Layout, contents: list[bytes]) -> dict[str, int] | None:
    """What was counted, each record of it written; None where a message said why not."""
    settings = {"readings": [layout.reading] * len(contents), "languages": ["en", "de"]}
    with TemporaryDirectory() as scratch, in_time():
        raw = [Path(scratch) / f"raw{number}" for number in range(len(contents))]
        for path, content in zip(raw, contents, strict=True):
            path.write_bytes(content)
        try:
            counts = convert(raw, settings, layout.split, Path(scratch))
        except UserError as error:
            assert "raw0" in str(error) or "raw1" in str(error) or "split" in str(error)
            return None
        assert counts is not None
        written = (Path(scratch) / f"{layout.split}.jsonl").read_bytes()
    assert counts["kept"] == written.count(b"\n")
    assert counts["read"] == sum(counts.values()) - counts["read"]
    return counts


def read_of(layout: Layout, files: Files) -> int:
    """How many records the sources' files have; a pair has two."""
    sides = [content for name, content in files.items() if not name.endswith((".de", "b"))]
    return sum(map(layout.records, sides))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_undamaged_all_is_read(layout):
    counts = counts_of(layout, layout.pack(layout.files))
    assert counts is not None
    assert counts["read"] == counts["kept"] == read_of(layout, layout.files)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@given(edits=st.lists(edits, min_size=1, max_size=3), which=st.integers(0, 1))
def test_damaged_files(layout, edits, which):
    """Of an archive too: its own headers, sizes and checksums are hit."""
    contents = layout.pack(layout.files)
    which %= len(contents)
    for edit in edits:
        contents[which] = edited(contents[which], *edit)
    counts = counts_of(layout, contents)
    if counts and layout.checked:
        assert counts["read"] == read_of(layout, layout.files)


INSIDE = {name: layout for name, layout in LAYOUTS.items() if name != "parquet"}


@pytest.mark.parametrize("layout", INSIDE.values(), ids=INSIDE)
@given(edits=st.lists(edits, min_size=1, max_size=3), which=st.integers(0, 3))
def test_damaged_text_in_whole_files(layout, edits, which):
    """What is read is every line or segment that there is: there are no others to be lost."""
    files = dict(layout.files)
    name = list(files)[which % len(files)]
    for edit in edits:
        files[name] = edited(files[name], *edit)
    counts = counts_of(layout, layout.pack(files))
    if counts:
        assert counts["read"] == read_of(layout, files)
