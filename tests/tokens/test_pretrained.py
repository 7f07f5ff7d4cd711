"""Tokenizers made elsewhere: special ids, newlines, spaces, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from finescale.errors import UserError
from finescale.tokens import PretrainedTokenizer

END, BEGIN = "</s>", "<s>"


def byte_level(more=()):
    """A byte-level vocabulary: all bytes, `more` pieces, and two special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {piece: i for i, piece in enumerate([*alphabet, *(a + b for a, b in more)])}
    model = Tokenizer(models.BPE(pieces, list(more)))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.decoder = decoders.ByteLevel()
    model.add_special_tokens([END, BEGIN])
    return model


def like_llama():
    """Pieces with a sign for the space before them, and single bytes for all else."""
    names = ["<unk>", BEGIN, END, *(f"<0x{i:02X}>" for i in range(256)), "▁", "a", "b", "▁a", "▁b"]
    merges = [("▁", "a"), ("▁", "b")]
    pieces = {name: i for i, name in enumerate(names)}
    model = Tokenizer(models.BPE(pieces, merges, unk_token="<unk>", byte_fallback=True))
    model.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    model.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    model.add_special_tokens([AddedToken(END, special=True), AddedToken(BEGIN, special=True)])
    return model


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """`opened(model, settings, config)`: the tokenizer as it lies in an artifact."""

    def make(model, settings=None, config=None):
        folder = tmp_path_factory.mktemp("pretrained")
        model.save(str(folder / "tokenizer.json"))
        settings = {"eos_token": END} if settings is None else settings
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config))
        return PretrainedTokenizer(folder)

    return make


@pytest.fixture(scope="session")
def plain(opened):
    return opened(byte_level())


@given(strategies.text())
def test_any_text_comes_back(plain, text):
    (ids,) = plain.encode([text])
    assert ids.dtype == np.int32
    assert plain.decode(ids) == text


def test_eos_stands_for_what_is_not_there(plain):
    assert plain.eos == plain.bos == plain.pad == plain.vocab_size - 2
    assert plain.decode([plain.eos, *plain.encode(["a"])[0], plain.eos]) == "a"
    assert plain.sentinels == () and not plain.mode_tokens


@pytest.mark.parametrize(
    ("settings", "config", "eos"),
    [
        ({"eos_token": {"content": BEGIN}}, {}, 257),
        ({}, {"eos_token_id": 256}, 256),
        ({"eos_token": None}, {"eos_token_id": [257, 256]}, 257),
        ({"eos_token": "<not there>"}, {"eos_token_id": 256}, 256),
        ({"eos_token": END}, {"eos_token_id": 3}, 256),
    ],
)
def test_special_tokens_are_named_by_the_tokenizer_or_else_the_model(opened, settings, config, eos):
    assert opened(byte_level(), settings, config).eos == eos


def test_the_separator_is_a_newline_and_other_pieces_end_a_line_too(opened):
    own = opened(byte_level([("Ċ", "Ċ"), (".", "Ċ")]))
    alone, with_text = own.line_ends()
    assert own.decode([own.sep]) == "\n" and own.newline().tolist() == [own.sep]
    assert sorted(map(own.decode, ([i] for i in alone))) == ["\n", "\n\n"]
    assert [own.decode([i]) for i in with_text] == [".\n"]


def test_texts_after_others_begin_with_a_space(opened, plain):
    assert plain.decode(plain.encode_after(["b"])[0]) == " b"
    assert plain.encode_after([""])[0].tolist() == []
    own = opened(like_llama())
    assert own.encode_after(["b"])[0].tolist() == own.encode(["b"])[0].tolist()
    joined = np.concatenate([own.encode(["a"])[0], own.encode_after(["b"])[0]])
    assert joined.tolist() == own.encode(["a b"])[0].tolist()


def test_bytes_and_special_tokens_are_no_content(opened):
    own = opened(like_llama(), {"eos_token": END, "bos_token": BEGIN, "unk_token": "<unk>"})
    assert [own.unk, own.bos, own.eos, own.sep] == [0, 1, 2, 3 + 10]
    assert own.content_ids().tolist() == [259, 260, 261, 262, 263]


def test_cutting_and_padding_of_the_file_are_not_done(opened):
    model = byte_level()
    model.enable_truncation(2)
    model.enable_padding(length=9)
    assert [len(ids) for ids in opened(model).encode(["abc", "a"])] == [3, 1]


def test_a_tokenizer_without_an_end_is_refused(opened):
    with pytest.raises(UserError, match=r"no eos token: name it in tokenizer_config.json"):
        opened(byte_level(), {})
    with pytest.raises(UserError, match="no eos token"):
        opened(byte_level(), {}, {"eos_token_id": 9999})


def test_a_tokenizer_without_a_newline_is_refused(opened):
    model = byte_level()
    model.normalizer = normalizers.Replace("\n", " ")
    with pytest.raises(UserError, match="has no id for a newline"):
        _ = opened(model).sep


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_files_that_are_something_else_are_named(tmp_path, name):
    byte_level().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / name).write_text("{no")
    with pytest.raises(UserError, match=f"^{name} is not"):
        PretrainedTokenizer(tmp_path)
