"""Records are checked line by line, and joined in order."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.corpora import convert, read_examples, read_texts, write_records
from finescale.errors import UserError

RECORDS = {"format": "records"}
EXAMPLE = {
    "id": "p1",
    "source": "Cells\u2028and more.",
    "target": "Zellen\nund mehr.",
    "source_language": "en",
    "target_language": "de",
}


def write_lines(path: Path, *records: dict) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_raw_files_are_joined_in_order(tmp_path):
    raw = [
        write_lines(tmp_path / "a", {"id": "1", "text": "eins"}, {"text": "zwei", "id": "2"}),
        write_lines(tmp_path / "b", {"id": "3", "text": "三"}),
    ]
    convert(raw, RECORDS, "text", tmp_path)
    assert (tmp_path / "text.jsonl").read_text(encoding="utf-8") == (
        '{"id": "1", "text": "eins"}\n{"id": "2", "text": "zwei"}\n{"id": "3", "text": "三"}\n'
    )


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_examples_survive(tmp_path, split):
    raw = write_lines(tmp_path / "raw", EXAMPLE, EXAMPLE | {"id": "p2"})
    convert([raw], RECORDS, split, tmp_path)
    assert list(read_examples(tmp_path / f"{split}.jsonl")) == [EXAMPLE, EXAMPLE | {"id": "p2"}]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(texts, min_size=1))
def test_any_text_survives(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("records") / "text.jsonl"
    records = [{"id": str(i), "text": text} for i, text in enumerate(values)]
    assert write_records(path, records) == len(values)
    assert list(read_texts(path)) == records


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not a JSON record"),
        (b"\n", "not a JSON record"),
        (b'{"id": "1", "text": "\xff"}', "not a JSON record"),
        (b"[]", "fields"),
        (b'{"id": "1"}', "fields"),
        (b'{"id": "1", "text": "x", "extra": "y"}', "extra"),
        (b'{"id": "1", "text": 3}', "'text' must be a non-empty string"),
        (b'{"id": "1", "text": " "}', "'text' must be a non-empty string"),
        (b'{"id": "", "text": "x"}', "'id' must be a non-empty string"),
        (b'{"id": "1", "text": "\\ud800"}', "surrogate"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "raw"
    path.write_bytes(b'{"id": "0", "text": "good"}\n' + line + b"\n")
    with pytest.raises(UserError, match=message) as caught:
        list(read_texts(path))
    assert f"{path}:2" in str(caught.value)


def test_texts_are_not_examples(tmp_path):
    raw = write_lines(tmp_path / "raw", {"id": "1", "text": "x"})
    with pytest.raises(UserError, match="target_language"):
        convert([raw], RECORDS, "train", tmp_path)


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(UserError, match="'dev' has no records"):
        convert([write_lines(tmp_path / "raw")], RECORDS, "dev", tmp_path)


@given(st.lists(texts, max_size=9), st.lists(st.integers(0, 400), max_size=6))
def test_parts_of_a_file_hold_each_record_once_in_order(tmp_path_factory, values, cuts):
    path = tmp_path_factory.mktemp("parts") / "text.jsonl"
    write_records(path, ({"id": str(i), "text": text} for i, text in enumerate(values)))
    size = path.stat().st_size
    places = [0, *sorted(min(cut, size) for cut in cuts), size]
    parts = [list(read_texts(path, *part)) for part in pairwise(places)]
    assert [record for part in parts for record in part] == list(read_texts(path))


def test_a_bad_line_of_a_part_has_its_number_in_the_file(tmp_path):
    path = tmp_path / "text.jsonl"
    good = json.dumps({"id": "1", "text": "x"}) + "\n"
    path.write_text(good * 60 + "{}\n" + good)
    with pytest.raises(UserError, match=r"text\.jsonl:61: a record has"):
        list(read_texts(path, 10 * len(good)))
