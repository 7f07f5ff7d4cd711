"""BLEURT: its folder, its inputs, its outputs, on a tiny random model in the real layout."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import RemBertForSequenceClassification

from finescale.errors import UserError
from finescale.metrics import learned
from finescale.metrics.learned import Bleurt, renamed

PORT = json.loads(Path(__file__).with_name("bleurt_port.json").read_text())


@pytest.fixture(scope="module")
def bleurt(bleurt_folder):
    return Bleurt(bleurt_folder)


@pytest.fixture
def own_folder(bleurt_folder, tmp_path):
    """A copy of the tiny folder that a test may damage."""
    return Path(shutil.copytree(bleurt_folder, tmp_path / "bleurt"))


def test_token_ids_and_types_are_those_of_the_original_port(bleurt):
    for pair, row in zip(PORT["pairs"], PORT["outputs"], strict=True):
        assert bleurt.encode(*pair) == (row["input_ids"], row["token_type_ids"])


def test_outputs_are_those_of_the_original_port(bleurt):
    theirs = [row["logit"] for row in PORT["outputs"]]
    assert bleurt(*zip(*PORT["pairs"], strict=True)) == pytest.approx(theirs, abs=5e-6)
    assert np.ptp(theirs) > 0.01


def test_the_reference_comes_first(bleurt):
    reference, candidate = "two windows", "a red door by the river"
    ids, types = bleurt.encode(reference, candidate)
    first, second = bleurt.tokenizer.encode([reference, candidate])
    assert ids == [bleurt.cls, *first, bleurt.sep, *second, bleurt.sep]
    assert types == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    there, back = bleurt([reference, candidate], [candidate, reference])
    assert abs(there - back) > 1e-3


def test_token_types_count(bleurt):
    ids, types = (torch.tensor([part]) for part in bleurt.encode(*PORT["pairs"][1]))
    typed, plain = (
        bleurt.model(input_ids=ids, token_type_ids=one).logits.item()
        for one in (types, torch.zeros_like(types))
    )
    assert abs(typed - plain) > 1e-3


def test_names_of_weights_are_exactly_those_of_rembert(tiny_bleurt, bleurt):
    given = tiny_bleurt.weights()
    names = renamed(given)
    expected = bleurt.model.state_dict()
    assert {name: tuple(value.shape) for name, value in names.items()} == {
        name: tuple(value.shape) for name, value in expected.items()
    }
    assert len(names) == len(given) - 1  # without the position ids
    for name, value in names.items():
        assert torch.equal(expected[name], value)
    projection = given["bleurt.encoder.embedding_projection.weight"]
    assert names["rembert.encoder.embedding_hidden_mapping_in.weight"] is projection
    assert isinstance(bleurt.model, RemBertForSequenceClassification)


@pytest.mark.parametrize("batch_tokens", [1, 70, 10_000])
def test_the_batch_does_not_matter(bleurt, monkeypatch, batch_tokens):
    pairs = PORT["pairs"] * 2
    monkeypatch.setattr(learned, "BATCH_TOKENS", batch_tokens)
    together = bleurt(*zip(*pairs, strict=True))
    alone = [bleurt([reference], [candidate])[0] for reference, candidate in pairs]
    assert together == pytest.approx(alone, abs=5e-6)


@given(st.lists(st.integers(1, 512), max_size=40))
def test_batches_hold_every_pair_once_and_no_more_than_they_may(lengths):
    batches = list(learned._batches(lengths))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[index] for index in batch) * len(batch)
        assert padded <= learned.BATCH_TOKENS


@given(st.integers(0, 90), st.integers(0, 90))
def test_the_longer_text_is_cut(bleurt, first, second):
    reference, candidate = " ".join(["door"] * first), " ".join(["window"] * second)
    ids, types = bleurt.encode(reference, candidate)
    whole = [len(tokens) for tokens in bleurt.tokenizer.encode([reference, candidate])]
    kept = [types.count(0) - 2, types.count(1) - 1]
    assert len(ids) == len(types) == min(sum(whole) + 3, 64)
    if sum(whole) + 3 > 64:
        assert sum(kept) == 61
        longest = 30 if min(whole) > 30 else 61 - min(whole)
        assert kept[0] in (whole[0], longest, longest + 1)
        assert kept[1] in (whole[1], longest, longest + 1)


def test_weights_as_safetensors(tiny_bleurt, own_folder, bleurt):
    (own_folder / "pytorch_model.bin").unlink()
    save_file(tiny_bleurt.weights(), own_folder / "model.safetensors")
    pairs = list(zip(*PORT["pairs"], strict=True))
    assert (Bleurt(own_folder)(*pairs) == bleurt(*pairs)).all()


@pytest.mark.parametrize("name", ["config.json", "spm.model", "pytorch_model.bin"])
def test_a_folder_that_lacks_a_file_is_named_with_it(own_folder, name):
    (own_folder / name).unlink()
    with pytest.raises(UserError, match=f"{own_folder} is not .* it has no .*{name}"):
        Bleurt(own_folder)


def test_no_folder_at_all(tmp_path):
    missing = "it has no config.json, no spm.model, no model.safetensors or pytorch_model.bin"
    with pytest.raises(UserError, match=missing):
        Bleurt(tmp_path / "nowhere")


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: without(state, "classifier.bias"), r"1 missing \(classifier.bias\)"),
        (lambda state: state | {"more": torch.ones(1)}, r"1 not known \(more\)"),
        (
            lambda state: state | {"classifier.bias": torch.ones(2)},
            r"1 of another shape \(classifier.bias \(2,\), not \(1,\)\)",
        ),
        (lambda state: {"bert.weight": torch.ones(1)}, r"missing .*; 1 not known \(bert.weight\)"),
    ],
)
def test_other_weights_are_refused(tiny_bleurt, own_folder, change, said):
    torch.save(change(tiny_bleurt.weights()), own_folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=f"does not hold the weights of BLEURT.*{said}"):
        Bleurt(own_folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", b"{", "is not the configuration of a BLEURT model"),
        ("config.json", b'{"vocab_size": 3}', "BLEURT model: KeyError.'hidden_size'"),
        ("pytorch_model.bin", b"no weights", "pytorch_model.bin cannot be read"),
        ("spm.model", b"no model", "spm.model cannot be read"),
    ],
)
def test_damaged_files_are_named(own_folder, name, content, said):
    (own_folder / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        Bleurt(own_folder)


def test_weights_that_run_code_are_refused(own_folder):
    torch.save({"classifier.bias": Path("/")}, own_folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read"):
        Bleurt(own_folder)


def test_a_tokenizer_of_another_model_is_refused(own_folder, tiny_bleurt):
    trained = tiny_bleurt.tokenizer_model().replace(b"[SEP]", b"[XXX]")
    (own_folder / "spm.model").write_bytes(trained)
    with pytest.raises(UserError, match=r"spm.model has no token \[SEP\]"):
        Bleurt(own_folder)
