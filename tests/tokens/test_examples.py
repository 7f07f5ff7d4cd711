"""Examples hold the records' text, cut and ended as they should be."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.corpora import records, write_records
from finescale.errors import UserError
from finescale.tokens import ExampleFormat, encode_examples, open_examples, parts
from finescale.tokens.arrays import Rows
from tests.tokens.conftest import sentences


def write_examples(path, examples):
    fields = ("source", "target", "source_language", "target_language")
    write_records(
        path,
        ({"id": str(i), **dict(zip(fields, e, strict=True))} for i, e in enumerate(examples)),
    )
    return path


WORDS = sentences(40)
LONG = " ".join(WORDS)


def test_examples_round_trip(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 500)
    monkeypatch.setattr(records, "BLOCK", 200)
    train = write_examples(
        tmp_path / "train.jsonl",
        [(text, text[::-1], "en", "fr" if i % 3 else "de") for i, text in enumerate(WORDS)],
    )
    dev = write_examples(tmp_path / "dev.jsonl", [("kopf", "head", "de", "en")])
    form = ExampleFormat("Into {language}: {source}", 500, 500)
    encode_examples({"train": train, "dev": dev}, tokenizer, form, tmp_path, tmp_path / "kept")
    examples = open_examples(tmp_path, "train")
    assert len(examples) == 40
    for i, text in enumerate(WORDS):
        name = "French" if i % 3 else "German"
        assert tokenizer.decode(examples.sources[i]) == f"Into {name}: {text}"
        assert examples.targets[i][-1] == tokenizer.eos
        assert tokenizer.decode(examples.targets[i][:-1]) == text[::-1]
    assert json.loads((tmp_path / "languages.json").read_text()) == ["de", "en", "fr"]
    assert examples.languages.tolist() == [2 if i % 3 else 0 for i in range(40)]
    assert open_examples(tmp_path, "dev").languages.tolist() == [1]


def encoded(tmp_path, tokenizer, target, max_target_tokens):
    path = write_examples(tmp_path / "test.jsonl", [(LONG, target, "en", "de")])
    encode_examples(
        {"test": path},
        tokenizer,
        ExampleFormat("{source}", 9, max_target_tokens),
        tmp_path,
        tmp_path / f"kept-{max_target_tokens}",
    )
    stats = json.loads((tmp_path / "stats.json").read_text())["test"]
    return open_examples(tmp_path, "test"), stats


def test_a_target_that_fits_ends_with_eos_and_a_cut_one_does_not(tmp_path, tokenizer):
    (whole,) = tokenizer.encode([WORDS[0]])
    for limit in (len(whole) + 1, len(whole), len(whole) - 1):
        examples, stats = encoded(tmp_path, tokenizer, WORDS[0], limit)
        expected = [*whole, tokenizer.eos][:limit]
        assert examples.targets[0].tolist() == expected
        assert stats["cut_targets"] == (limit <= len(whole))
        assert stats["target_tokens"] == len(expected)


def test_a_long_source_is_cut(tmp_path, tokenizer):
    examples, stats = encoded(tmp_path, tokenizer, "x", 5)
    assert examples.sources[0].tolist() == tokenizer.encode([LONG])[0][:9].tolist()
    assert stats["cut_sources"] == stats["examples"] == 1
    assert stats["source_tokens"] == 9
    assert stats["unknown_tokens"] == 0


def test_braces_in_the_text_are_text(tmp_path, tokenizer):
    path = write_examples(tmp_path / "test.jsonl", [("a {language} {} b", "x", "en", "de")])
    form = ExampleFormat("{{{language}}} {source}", 500, 5)
    encode_examples({"test": path}, tokenizer, form, tmp_path, tmp_path / "kept")
    text = tokenizer.decode(open_examples(tmp_path, "test").sources[0])
    assert text == "{German} a {language} {} b"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{source} {lang}", r"unknown fields \['lang'\], allowed \['language', 'source'\]"),
        ("{source.__class__}", "unknown fields"),
        ("{source} {}", "unknown fields"),
        ("Translate", "{source} is missing"),
        ("{source", "literal braces"),
        ("{source} }", "literal braces"),
        ("{source:>9}", "no format"),
        ("{source!r}", "no format"),
    ],
)
def test_a_bad_template_is_named(template, message):
    with pytest.raises(UserError, match=message):
        ExampleFormat(template, 9, 9)


def test_no_room_for_tokens():
    with pytest.raises(UserError, match="positive"):
        ExampleFormat("{source}", 9, 0)


def test_an_unknown_language_is_named(tmp_path, tokenizer):
    path = write_examples(tmp_path / "test.jsonl", [("x", "y", "en", "tlh")])
    form = ExampleFormat("{language}{source}", 9, 9)
    with pytest.raises(UserError, match="'tlh'"):
        encode_examples({"test": path}, tokenizer, form, tmp_path, tmp_path / "kept")


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6), st.integers(1, 7))
def test_rows_end_and_are_cut_as_lists_are(rows, most):
    arrays = Rows.of([np.array(row, dtype=np.int32) for row in rows]).ended(99).cut(most)
    expected = [[*row, 99][:most] for row in rows]
    assert arrays.values.tolist() == [value for row in expected for value in row]
    assert arrays.lengths.tolist() == [len(row) for row in expected]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_neither_parts_nor_workers_change_a_byte(tmp_path, tokenizer, monkeypatch, workers):
    splits = {
        "train": [
            (text, text[::-1], "en", ("fr", "de", "zh")[i % 3]) for i, text in enumerate(WORDS)
        ],
        "dev": [("kopf", "head", "de", "en")],
    }
    paths = {
        name: write_examples(tmp_path / f"{name}.jsonl", rows) for name, rows in splits.items()
    }
    form = ExampleFormat("Into {language}: {source}", 12, 12)
    whole, divided = tmp_path / "whole", tmp_path / "divided"
    for out in (whole, divided):
        out.mkdir()
    encode_examples(paths, tokenizer, form, whole, tmp_path / "kept")
    monkeypatch.setattr(parts, "PART_BYTES", 100)  # less than some lines
    encode_examples(paths, tokenizer, form, divided, tmp_path / "kept-divided", workers)
    assert len(list((tmp_path / "kept-divided").iterdir())) > 40
    written = sorted(path.name for path in whole.iterdir())
    assert written == sorted(path.name for path in divided.iterdir())
    for name in written:
        assert (whole / name).read_bytes() == (divided / name).read_bytes(), name


def test_finished_parts_are_not_encoded_again_and_unfinished_ones_go(tmp_path, tokenizer):
    path = write_examples(tmp_path / "test.jsonl", [(text, "x", "en", "de") for text in WORDS])
    kept, form = tmp_path / "kept", ExampleFormat("{source}", 9, 9)
    (kept / ".test-00000-1").mkdir(parents=True)
    encode_examples({"test": path}, tokenizer, form, tmp_path, kept)
    before = {file: file.stat().st_mtime_ns for file in kept.rglob("*")}
    encode_examples({"test": path}, tokenizer, form, tmp_path, kept)
    assert {file: file.stat().st_mtime_ns for file in kept.rglob("*")} == before
    assert [folder.name for folder in kept.iterdir()] == ["test-00000"]


def test_a_bad_record_is_named_by_its_line_from_any_process(tmp_path, tokenizer, monkeypatch):
    path = write_examples(tmp_path / "test.jsonl", [(text, "x", "en", "de") for text in WORDS])
    with path.open("a") as lines:
        lines.write('{"id": "1"}\n')
    monkeypatch.setattr(parts, "PART_BYTES", 300)
    form = ExampleFormat("{source}", 9, 9)
    with pytest.raises(UserError, match=r"test\.jsonl:41: a record has the fields"):
        encode_examples({"test": path}, tokenizer, form, tmp_path, tmp_path / "kept", workers=2)
