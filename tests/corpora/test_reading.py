"""What is wrong with a raw file is said with its name and line; nothing is dropped silently."""

import json
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from finescale.corpora import convert, read_examples, read_texts
from finescale.corpora.formats import lines as line_reading
from finescale.corpora.json_lines import contents, lines
from finescale.errors import UserError

COLUMNS = {"source": "a", "target": "b"}
READINGS = {
    "moses": {"format": "moses"},
    "tsv": {"format": "tsv", "columns": {"source": 0, "target": 1}},
    "jsonl": {"format": "jsonl", "columns": COLUMNS},
    "parquet": {"format": "parquet", "columns": COLUMNS},
}


def read(reading: dict, folder: Path, *data: bytes, split: str = "train", **more) -> dict:
    """Counts of a split whose raw files have these bytes."""
    raw = []
    for number, content in enumerate(data):
        raw.append(folder / f"raw{number}")
        raw[-1].write_bytes(content)
    settings = {"readings": [reading] * len(raw), "languages": ["en", "de"], **more}
    return convert(raw, settings, split, folder)


def refused(reading: dict, folder: Path, *data: bytes, **more) -> str:
    with pytest.raises(UserError) as caught:
        read(reading, folder, *data, **more)
    assert not list(folder.glob("*.jsonl"))
    return str(caught.value)


def test_files_that_are_not_aligned(tmp_path):
    message = refused(READINGS["moses"], tmp_path, b"1\n2\n3\n", b"1\n2\n3\n4\n5")
    assert f"{tmp_path}/raw0 has 3 lines, {tmp_path}/raw1 5" in message
    assert "line 4" in message


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 19])
def test_a_wrong_encoding_names_the_line(tmp_path, monkeypatch, block):
    monkeypatch.setattr(line_reading, "BLOCK_BYTES", block)
    good = "Größe\n".encode() * 3
    message = refused(READINGS["moses"], tmp_path, good + "Größe\n".encode("latin-1"), good * 2)
    assert f"{tmp_path}/raw0, line 4: the text is not UTF-8" in message
    message = refused(READINGS["tsv"], tmp_path, "a\tb\n".encode("utf-16"))
    assert "line 1: the text is UTF-16: convert it to UTF-8" in message


def test_a_line_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(line_reading, "MOST_LINE_BYTES", 1 << 20)
    assert "raw0 has a line of more than 1 MiB" in refused(
        READINGS["moses"], tmp_path, b"x" * 3_000_000, b"y\n"
    )


def test_moses_files_come_in_pairs(tmp_path):
    assert "in pairs" in refused(READINGS["moses"], tmp_path, b"1\n", b"2\n", b"3\n")


@pytest.mark.parametrize(
    ("reading", "content", "message"),
    [
        ({"columns": {"source": 0, "target": 2}}, b"a\tb\n", "column 2 was asked for, .* has 2"),
        ({"columns": COLUMNS}, b"a\tb\n", "column 'a': without `header: true`"),
        (
            {"columns": {"source": "a", "target": "c"}, "header": True},
            b"a\tb\n1\t2\n",
            "no column 'c'",
        ),
        ({}, b"a\tb\n" * 40 + b"a\n" + b"a\tb\n" * 9, "1 of 50 lines .* 2 columns.*; line 41 is"),
    ],
)
def test_tables_that_are_none(tmp_path, reading, content, message):
    with pytest.raises(UserError, match=message):
        read(READINGS["tsv"] | reading, tmp_path, content)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1]", "line 2: not a JSON object"),
        (b"{", "line 2: not JSON"),
        (b"[" * 100_000, "line 2: not JSON"),
        (b'{"a": "x"}', "line 2: no field 'b'; it has 'a'"),
        (b'{"a": "x", "b": [1]}', "line 2: 'b' is no text"),
        (b'{"a": "x", "b": "\\ud800"}', "record 0-2 holds half of a surrogate pair"),
    ],
)
def test_json_that_does_not_fit(tmp_path, line, message):
    good = b'{"a": "x", "b": "y"}\n'
    assert message in refused(READINGS["jsonl"], tmp_path, good + line + b"\n" + good)


def test_nested_json(tmp_path):
    reading = READINGS["jsonl"] | {"columns": {"source": "t.{source}", "target": "t.{target}"}}
    read(
        reading,
        tmp_path,
        b'{"t": {"de": "zwei", "en": "two", "fr": 3}}\n{"t": {"de": null, "en": ""}}\n{"t": null}',
    )
    (record,) = read_examples(tmp_path / "train.jsonl")
    assert (record["source"], record["target"]) == ("two", "zwei")


@pytest.mark.parametrize("missing", [b'{"x": null}', b'{"t": {}}', b'{"t": "de"}'])
def test_nested_json_without_the_field(tmp_path, missing):
    reading = READINGS["jsonl"] | {"columns": {"source": "t.{source}", "target": "t.{target}"}}
    assert "line 1: no field 't.en'" in refused(reading, tmp_path, missing)


@pytest.mark.parametrize(
    "kind",
    ["string", "large_string", "string_view", "binary", "large_binary", "binary_view", "codes"],
)
def test_every_kind_of_text_in_parquet(tmp_path, kind):
    texts = ["x", "Größe", None, "x"]
    if kind == "codes":
        column = pyarrow.array(texts).dictionary_encode()
    else:
        column = pyarrow.array([text and text.encode() for text in texts], "binary")
        column = column.cast("large_binary" if "large" in kind else "string").cast(kind)
    table = pyarrow.table({"a": column, "t": pyarrow.StructArray.from_arrays([column], ["b"])})
    parquet.write_table(table, tmp_path / "file")
    reading = READINGS["parquet"] | {"columns": {"source": "a", "target": "t.b"}}
    counts = read(reading, tmp_path, (tmp_path / "file").read_bytes())
    assert counts == {"read": 4, "kept": 3, "empty": 1}
    found = [(row["source"], row["target"]) for row in read_examples(tmp_path / "train.jsonl")]
    assert found == [(text, text) for text in texts if text]


def test_parquet_that_does_not_fit(tmp_path):
    assert "cannot be read as parquet" in refused(READINGS["parquet"], tmp_path, b"PAR1 no more")
    for columns, message in (
        ({"a": ["x"], "c": ["y"]}, "raw0 has no column 'b'"),
        ({"a": ["x"], "b": [1.5]}, "raw0: column 'b' holds double, not text"),
        ({"a": ["x"], "b": _not_utf8()}, "raw0 cannot be read as parquet"),
        ({"a": ["x"], "b": [b"\xff"]}, "raw0 cannot be read as parquet: Invalid UTF8"),
    ):
        parquet.write_table(pyarrow.table(columns), tmp_path / "file")
        assert message in refused(READINGS["parquet"], tmp_path, (tmp_path / "file").read_bytes())


def _not_utf8() -> pyarrow.Array:
    offsets, data = pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xff")
    return pyarrow.Array.from_buffers(pyarrow.string(), 1, [None, offsets, data])


def test_truncated_parquet(tmp_path):
    parquet.write_table(pyarrow.table({"a": ["x" * 99] * 999, "b": ["y"] * 999}), tmp_path / "file")
    content = bytearray((tmp_path / "file").read_bytes())
    content[20:40] = b"\xff" * 20
    assert "cannot be read as parquet" in refused(READINGS["parquet"], tmp_path, bytes(content))


def test_languages_have_to_be_said(tmp_path):
    message = refused(READINGS["jsonl"], tmp_path, b'{"a": "x", "b": "y"}', languages=None)
    assert "`languages: [source, target]`" in message


@pytest.mark.parametrize("value", ["null", '""', '" "'])
def test_a_record_without_its_language(tmp_path, value):
    columns = COLUMNS | {"source_language": "s", "target_language": "t"}
    line = b'{"a": "x", "b": "y", "s": %s, "t": "de"}\n' % value.encode()
    good = b'{"a": "x", "b": "y", "s": "en", "t": "de"}\n'
    reading = READINGS["jsonl"] | {"columns": columns}
    message = refused(reading, tmp_path, good + line, languages=None)
    assert "raw0: record 0-2 does not say its source_language" in message
    assert read(reading, tmp_path, good + line)["other_languages"] == 1


def test_a_blank_id_is_none(tmp_path):
    reading = READINGS["jsonl"] | {"columns": COLUMNS | {"id": "i"}}
    read(reading, tmp_path, b'{"a": "x", "b": "y", "i": " "}\n{"a": "x", "b": "y", "i": "k"}\n')
    assert [record["id"] for record in read_examples(tmp_path / "train.jsonl")] == ["0-1", "k"]


def test_documents_are_not_examples(tmp_path):
    message = refused(READINGS["jsonl"], tmp_path, b'{"a": "x", "b": "y"}', split="text")
    assert "has to give text here, but it gives source, target" in message


def test_nothing_left(tmp_path):
    assert "no records left of 2 (empty 2)" in refused(READINGS["tsv"], tmp_path, b"\t\n\t\n")


# Separators of other programs, halves of line ends, signs that JSON escapes, and all the rest.
texts = st.text(
    st.sampled_from('ab \r\t\0"\\\x0b\x0c\x1c\x85\u2028\ufeff中😀') | st.characters(codec="utf-8"),
    max_size=12,
).map(lambda text: text.replace("\n", ""))


def kept(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in pairs if pair[0].strip() and pair[1].strip()]


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=30), st.integers(1, 40))
def test_lines_stay_what_they_are(tmp_path_factory, pairs, block):
    folder = tmp_path_factory.mktemp("lines")
    sides = ["".join(f"{pair[side]}\n" for pair in pairs).encode() for side in (0, 1)]
    wanted = [tuple(text[:-1] if text.endswith("\r") else text for text in pair) for pair in pairs]
    wanted[0] = tuple(text.removeprefix("\ufeff") for text in wanted[0])
    check(folder, READINGS["moses"], sides, wanted, block)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=30))
def test_json_stays_what_it_is(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("json")
    rows = [json.dumps({"a": a, "b": b}) + "\n" for a, b in pairs]
    check(folder, READINGS["jsonl"], ["".join(rows).encode()], pairs)


@given(st.lists(st.tuples(st.none() | texts, texts), min_size=1, max_size=30))
def test_parquet_stays_what_it_is(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("parquet")
    table = pyarrow.table(
        {"a": pyarrow.array([a for a, _ in pairs], "string"), "b": [b for _, b in pairs]}
    )
    parquet.write_table(table, folder / "file")
    data = [(folder / "file").read_bytes()]
    check(folder, READINGS["parquet"], data, [(a or "", b) for a, b in pairs])


def check(
    folder: Path, reading: dict, data: list[bytes], wanted: list, block: int = 1 << 19
) -> None:
    """Every pair is kept, as it is, or counted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_reading, "BLOCK_BYTES", block)
        if not kept(wanted):
            assert "no records left" in refused(reading, folder, *data)
            return
        counts = read(reading, folder, *data)
    records = list(read_examples(folder / "train.jsonl"))
    assert [(record["source"], record["target"]) for record in records] == kept(wanted)
    assert counts["read"] == len(wanted) == counts["kept"] + counts["empty"]
    numbers = [n for n, pair in enumerate(wanted, start=1) if kept([pair])]
    assert [record["id"] for record in records] == [f"0-{n}" for n in numbers]


@given(st.lists(st.tuples(texts, st.text(max_size=9)), max_size=20))
def test_written_as_json_dumps_would(rows):
    columns = {"id": [a for a, _ in rows], "text": [b for _, b in rows], "x": ["de"] * len(rows)}
    plain = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    wanted = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in plain)
    try:
        data = wanted.encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            contents(columns)
    else:
        assert lines(columns["id"], contents(columns)) == data


@given(
    st.lists(st.sampled_from(["a\tb", "", "\t", "a", "a\tb\tc", " \t "]), min_size=1, max_size=400)
)
def test_every_row_of_a_table_is_counted(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("table")
    content = "".join(f"{row}\n" for row in ["a\tb"] * 300 + rows).encode()
    try:
        counts = read(READINGS["tsv"], folder, content)
    except UserError as error:
        assert "have not the 2 columns of the first" in str(error)
        return
    assert counts["read"] == 300 + len(rows)
    assert counts["kept"] == 300 + rows.count("a\tb")
    assert counts.get("columns", 0) == rows.count("a") + rows.count("a\tb\tc")
    assert counts["read"] == sum(counts.values()) - counts["read"]


def test_texts_of_one_line_each(tmp_path):
    read({"format": "text"}, tmp_path, b"one\n\ntwo", split="text")
    assert [row["id"] for row in read_texts(tmp_path / "text.jsonl")] == ["0-1", "0-3"]
