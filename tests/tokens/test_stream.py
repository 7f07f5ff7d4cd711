"""The pretraining stream holds the documents of all languages as it promises."""

import json
from itertools import accumulate, pairwise

import numpy as np
import pytest

from finescale.corpora import generator, records, write_records
from finescale.errors import UserError
from finescale.tokens import Mixture, encode_documents, open_stream, parts
from tests.tokens.conftest import sentences

WHOLE = Mixture(seed=3, validation_share=0.1)


def write_texts(path, texts):
    write_records(path, ({"id": str(i), "text": text} for i, text in enumerate(texts)))
    return path


def documents_of(stream, tokenizer):
    ends = np.flatnonzero(stream == tokenizer.eos) + 1
    assert ends[-1] == len(stream)
    return [tokenizer.decode(part[:-1]) for part in np.split(stream, ends)[:-1]]


@pytest.fixture
def encode(tmp_path, tokenizer):
    """Encode texts into a new folder and return it."""
    made = []

    def run(texts, mixture=WHOLE, workers=1):
        out = tmp_path / f"out-{len(made)}"
        out.mkdir()
        made.append(out)
        kept = tmp_path / f"kept-{len(made)}"
        encode_documents(texts, tokenizer, mixture, out, kept, workers)
        return out

    return run


@pytest.fixture
def texts(tmp_path):
    english = ["en " + text for text in sentences(240, seed=1)]
    german = ["de " + text + "\nzweite Zeile" for text in sentences(60, seed=2)]
    return {
        "en": [write_texts(tmp_path / "en.jsonl", english)],
        "de": [write_texts(tmp_path / "de.jsonl", german)],
    }, english + german


@pytest.fixture
def sharded(tmp_path):
    """Two languages in five and three files, of which two are empty; documents of many lengths."""
    rng = np.random.default_rng(0)

    def files(language, sizes, seed):
        words = sentences(sum(sizes), seed)
        ends = [0, *accumulate(sizes)]
        return [
            write_texts(
                tmp_path / f"{language}-{k}.jsonl",
                [f"{language} " + " ".join(words[i : i + rng.integers(1, 5)]) for i in range(a, b)],
            )
            for k, (a, b) in enumerate(pairwise(ends))
        ]

    return {"en": files("en", [50, 0, 40, 70, 30], 1), "de": files("de", [20, 35, 0], 2)}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def whole_stream(folder):
    return np.concatenate([open_stream(folder, "validation"), open_stream(folder, "train")])


def stats_of(folder):
    return json.loads((folder / "stats.json").read_text())


def test_one_file_a_language_is_one_permutation_of_all_documents(encode, tokenizer, texts):
    paths, documents = texts
    out = encode(paths)
    rows = [[*row.tolist(), tokenizer.eos] for row in tokenizer.encode(documents)]
    order = generator(3, "pretraining").permutation(300)
    for split, places in (("validation", order[:30]), ("train", order[30:])):
        expected = np.concatenate([rows[i] for i in places])
        assert np.array_equal(open_stream(out, split), expected)
        assert open_stream(out, split).dtype == np.uint16
    assert {path.name for path in out.iterdir()} == {"train.npy", "validation.npy", "stats.json"}


def test_every_document_is_in_one_stream_once(encode, tokenizer, texts, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 3000)
    monkeypatch.setattr(records, "BLOCK", 200)
    paths, documents = texts
    out = encode(paths)
    train, validation = (
        documents_of(open_stream(out, split), tokenizer) for split in ("train", "validation")
    )
    assert len(validation) == 30
    assert sorted(train + validation) == sorted(documents)


def test_languages_are_mixed_throughout(encode, tokenizer, texts):
    stream = documents_of(open_stream(encode(texts[0]), "train"), tokenizer)
    german = [text.startswith("de") for text in stream]
    for quarter in np.array_split(german, 4):
        assert 0.05 < np.mean(quarter) < 0.4  # 0.2 on the whole


def test_the_seed_decides_the_order(encode, texts):
    first, again, other = (
        (encode(texts[0], Mixture(seed, 0.1)) / "train.npy").read_bytes() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_counts_of_documents(encode, texts):
    out = encode(texts[0])
    stats = stats_of(out)
    assert stats["train"] == {"documents": 270, "tokens": len(open_stream(out, "train"))}
    assert stats["validation"]["tokens"] == len(open_stream(out, "validation"))
    languages = stats["languages"]
    assert [languages[code]["documents"] for code in ("en", "de")] == [240, 60]
    assert sum(counts["tokens"] for counts in languages.values()) == len(whole_stream(out))
    assert set(languages["de"]) == {"documents", "tokens", "unknown_tokens"}
    assert languages["de"]["unknown_tokens"] == 0


@pytest.mark.parametrize("share", [0.0, 0.001, 1.0])
def test_both_streams_need_a_document(encode, texts, share):
    with pytest.raises(UserError, match="validation_share"):
        encode(texts[0], Mixture(0, share))


def test_a_block_holds_each_languages_share_of_its_files(encode, tokenizer, sharded):
    out = encode(sharded)
    stream = documents_of(whole_stream(out), tokenizer)
    languages = [text[:2] for text in stream]
    # five blocks: files 0 1 2 3 4 of en; of de none, 0, none, 1, 2
    sizes = [(50, 0), (0, 20), (40, 0), (70, 35), (30, 0)]
    place = 0
    for en, de in sizes:
        block = languages[place : place + en + de]
        assert (block.count("en"), block.count("de")) == (en, de)
        place += en + de
    assert place == len(stream)
    mixed = languages[110:215]
    assert mixed != sorted(mixed) and mixed != sorted(mixed, reverse=True)


@pytest.mark.parametrize(
    "mixture", [WHOLE, Mixture(0, 0.1, (0.3, 0.7)), Mixture(0, 0.1, (2, 1), 900)]
)
def test_neither_parts_nor_workers_change_a_byte(encode, sharded, mixture, monkeypatch):
    expected = contents(encode(sharded, mixture))
    monkeypatch.setattr(parts, "PART_BYTES", 1500)
    for workers in (1, 2, 3):
        assert contents(encode(sharded, mixture, workers)) == expected


def test_a_language_that_runs_out_ends_the_stream(encode, tokenizer, sharded):
    out = encode(sharded, Mixture(0, 0.1, (0.5, 0.5)))
    languages = stats_of(out)["languages"]
    assert languages["de"]["left_documents"] == languages["de"]["unread_files"] == 0
    assert languages["de"]["documents"] == 55
    assert languages["en"]["left_tokens"] > 0
    longest = max(map(len, documents_of(whole_stream(out), tokenizer)))
    assert abs(languages["en"]["tokens"] - languages["de"]["tokens"]) <= longest
    used = sum(counts["tokens"] for counts in languages.values())
    assert used == len(whole_stream(out))


def test_files_that_the_stream_does_not_reach_are_not_encoded(tmp_path, encode, sharded):
    encode(sharded, Mixture(0, 0.1, (0.5, 0.5), tokens=500))
    names = {folder.name for folder in (tmp_path / "kept-1").iterdir()}
    assert names == {"en-00000-00000", "de-00000-00000"}


def test_a_smaller_stream_is_a_prefix_of_a_larger_one(encode, sharded):
    sizes = [400, 777, 1200, 2500, None]
    streams = [
        whole_stream(encode(sharded, Mixture(0, 0.1, (0.6, 0.4), tokens))) for tokens in sizes
    ]
    for shorter, longer in pairwise(streams):
        assert len(shorter) < len(longer)
        assert np.array_equal(shorter, longer[: len(shorter)])
    for tokens, stream in zip(sizes[:-1], streams, strict=False):
        ends = np.flatnonzero(stream == 1) + 1  # eos
        assert len(stream) >= tokens > ends[-2]


def test_a_stream_without_shares_can_be_cut_too(encode, sharded):
    cut = whole_stream(encode(sharded, Mixture(3, 0.1, None, 1000)))
    whole = whole_stream(encode(sharded))
    assert 1000 <= len(cut) < len(whole)
    assert np.array_equal(cut, whole[: len(cut)])
