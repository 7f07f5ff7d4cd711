"""Token arrays hold the records' text, cut and ended as they should be."""

import json

import numpy as np
import pytest

from finescale.corpora import write_records
from finescale.errors import UserError
from finescale.tokens import (
    ExampleFormat,
    encode,
    encode_documents,
    encode_examples,
    open_examples,
    open_stream,
)
from tests.tokens.conftest import sentences


def write_texts(path, texts):
    write_records(path, ({"id": str(i), "text": text} for i, text in enumerate(texts)))
    return path


def write_examples(path, examples):
    fields = ("source", "target", "source_language", "target_language")
    write_records(
        path,
        ({"id": str(i), **dict(zip(fields, e, strict=True))} for i, e in enumerate(examples)),
    )
    return path


def documents_of(stream, tokenizer):
    ends = np.flatnonzero(stream == tokenizer.eos) + 1
    assert ends[-1] == len(stream)
    return [tokenizer.decode(part[:-1]) for part in np.split(stream, ends)[:-1]]


@pytest.fixture
def texts(tmp_path):
    english = ["en " + text for text in sentences(240, seed=1)]
    german = ["de " + text + "\nzweite Zeile" for text in sentences(60, seed=2)]
    return {
        "en": write_texts(tmp_path / "en.jsonl", english),
        "de": write_texts(tmp_path / "de.jsonl", german),
    }, english + german


def test_every_document_is_in_one_stream_once(tmp_path, tokenizer, texts, monkeypatch):
    monkeypatch.setattr(encode, "CHUNK", 7)  # several chunks, the last not full
    paths, documents = texts
    encode_documents(paths, tokenizer, 3, 0.1, tmp_path)
    train, validation = (
        documents_of(open_stream(tmp_path, split), tokenizer) for split in ("train", "validation")
    )
    assert len(validation) == 30
    assert sorted(train + validation) == sorted(documents)
    assert open_stream(tmp_path, "train").dtype == np.uint16


def test_languages_are_mixed_throughout(tmp_path, tokenizer, texts):
    encode_documents(texts[0], tokenizer, 3, 0.1, tmp_path)
    stream = documents_of(open_stream(tmp_path, "train"), tokenizer)
    german = [text.startswith("de") for text in stream]
    for quarter in np.array_split(german, 4):
        assert 0.05 < np.mean(quarter) < 0.4  # 0.2 on the whole


def test_the_seed_decides_the_order(tmp_path, tokenizer, texts):
    streams = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / name
        out.mkdir()
        encode_documents(texts[0], tokenizer, seed, 0.1, out)
        streams.append((out / "train.npy").read_bytes())
        assert {path.name for path in out.iterdir()} == {
            "train.npy",
            "validation.npy",
            "stats.json",
        }
    assert streams[0] == streams[1]
    assert streams[0] != streams[2]


def test_counts_of_documents(tmp_path, tokenizer, texts):
    encode_documents(texts[0], tokenizer, 3, 0.1, tmp_path)
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats["train"] == {"documents": 270, "tokens": len(open_stream(tmp_path, "train"))}
    assert stats["validation"]["tokens"] == len(open_stream(tmp_path, "validation"))
    languages = stats["languages"]
    assert [languages[code]["documents"] for code in ("en", "de")] == [240, 60]
    assert sum(counts["tokens"] for counts in languages.values()) == sum(
        stats[split]["tokens"] for split in ("train", "validation")
    )
    assert languages["de"]["unknown_tokens"] == 0


@pytest.mark.parametrize("share", [0.0, 0.001, 1.0])
def test_both_streams_need_a_document(tmp_path, tokenizer, texts, share):
    with pytest.raises(UserError, match="validation_share"):
        encode_documents(texts[0], tokenizer, 0, share, tmp_path)


WORDS = sentences(40)
LONG = " ".join(WORDS)


def test_examples_round_trip(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(encode, "CHUNK", 7)
    train = write_examples(
        tmp_path / "train.jsonl",
        [(text, text[::-1], "en", "fr" if i % 3 else "de") for i, text in enumerate(WORDS)],
    )
    dev = write_examples(tmp_path / "dev.jsonl", [("kopf", "head", "de", "en")])
    form = ExampleFormat("Into {language}: {source}", 500, 500)
    encode_examples({"train": train, "dev": dev}, tokenizer, form, tmp_path)
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
        {"test": path}, tokenizer, ExampleFormat("{source}", 9, max_target_tokens), tmp_path
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
    encode_examples({"test": path}, tokenizer, form, tmp_path)
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
    with pytest.raises(UserError, match="'tlh'"):
        encode_examples(
            {"test": path}, tokenizer, ExampleFormat("{language}{source}", 9, 9), tmp_path
        )
