"""The tokenizer reserves its ids, loses no text, and is the same bytes each time."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finescale.errors import UserError
from finescale.tokens import Tokenizer, train_tokenizer
from tests.tokens.conftest import SENTINELS, sentences

TRAIN = """
import sys
from finescale.tokens import train_tokenizer
texts = sys.stdin.read().split("\\n")
sys.stdout.buffer.write(train_tokenizer(texts, 500, 0.9995, 8))
"""


def test_the_same_bytes_in_other_processes_and_folders(tmp_path):
    texts = sentences(400)
    models = [
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            input="\n".join(texts).encode(),
            cwd=folder,
            capture_output=True,
            check=True,
        ).stdout
        for folder in (tmp_path, "/")
    ]
    assert models[0] == models[1] == train_tokenizer(texts, 500, 0.9995, 8)


def test_nothing_of_the_machine_is_in_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = train_tokenizer(sentences(400), 500, 0.9995, SENTINELS)
    assert not re.search(rb"/\w\w", model)  # SentencePiece would store the paths of files
    assert list(tmp_path.iterdir()) == []


def test_reserved_ids(tokenizer):
    assert (tokenizer.pad, tokenizer.eos, tokenizer.bos, tokenizer.unk) == (0, 1, 2, 3)
    model = tokenizer._processor
    assert (model.pad_id(), model.eos_id(), model.bos_id(), model.unk_id()) == (0, 1, 2, 3)
    assert tokenizer.sep == 4
    assert tokenizer.mode_tokens == {"[NLU]": 5, "[NLG]": 6, "[S2S]": 7}
    assert tokenizer.sentinels == tuple(range(8, 8 + SENTINELS))
    assert [tokenizer.sentinel(k) for k in range(SENTINELS)] == list(tokenizer.sentinels)
    assert tokenizer.vocab_size == 500


def test_content_ids_are_the_pieces_alone(tokenizer):
    ids = tokenizer.content_ids()
    assert len(ids) == 500 - 8 - SENTINELS - 256
    pieces = [tokenizer._processor.id_to_piece(int(i)) for i in ids]
    assert not any(piece.startswith("<") for piece in pieces)
    assert all(tokenizer.decode([i]) or piece == "▁" for i, piece in zip(ids, pieces, strict=True))


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"))


@given(ANY_TEXT)
@settings(max_examples=300)
def test_any_text_comes_back(tokenizer, text):
    (ids,) = tokenizer.encode([text])
    assert tokenizer.decode(ids) == text
    assert not np.isin(ids, range(8 + SENTINELS)).any()  # no unknown, no control symbol


@pytest.mark.parametrize(
    "text",
    ["  two  spaces ", "\n\tab\0", "ＡＢ，日本語 🎉", "</s> <sep> [NLU] <extra_id_0> <0x41>"],
)
def test_hard_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text


def test_digits_are_split(tokenizer):
    lone, many = tokenizer.encode(["1", "1234"])
    assert len(many) == len(lone) + 3


def test_seen_words_are_shorter_than_bytes(tokenizer):
    texts = sentences(20)
    encoded = sum(map(len, tokenizer.encode(texts)))
    assert encoded < 0.5 * sum(map(len, texts))


def test_control_symbols_do_not_show_in_text(tokenizer):
    (ids,) = tokenizer.encode(["abc"])
    around = [tokenizer.bos, *ids, tokenizer.sep, tokenizer.sentinel(0), tokenizer.eos]
    assert tokenizer.decode(around).strip() == "abc"


def test_documents_are_learned_line_by_line_however_long(tmp_path):
    word = "zyxwv"  # only in a line beyond SentencePiece's own limit of 4192 bytes
    texts = [*sentences(300), " ".join([word] * 3000)]
    path = tmp_path / "m"
    path.write_bytes(train_tokenizer(texts, 500, 0.9995, SENTINELS))
    assert len(Tokenizer(path).encode([word])[0]) <= 2


@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [
        (sentences(3), 500, r"vocab_size is 500, but the text has pieces for \d+ at most"),
        (sentences(300), 272, "vocab_size is 272, but 272 ids are reserved"),
        ([chr(0x4E00 + i) * 3 for i in range(500)], 400, "raise vocab_size or lower"),
        ([], 500, "no text"),
        (["\n \n"], 500, "no text"),
    ],
)
def test_an_impossible_vocabulary_is_explained(texts, size, message):
    with pytest.raises(UserError, match=message):
        train_tokenizer(texts, size, 0.9995, SENTINELS)


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "bad.model").write_bytes(b"not a model")
    for name in ("bad.model", "missing.model"):
        with pytest.raises(UserError, match=name):
            Tokenizer(tmp_path / name)
