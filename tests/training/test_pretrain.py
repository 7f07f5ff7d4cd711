"""Pretraining: results, exactness, continuation, divergence."""

import json

import numpy as np
import pytest
import torch

from finescale.models import load_decoder, parameter_counts
from finescale.training.state import STATE_FILE

STEP = 4 * 32  # tokens


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


def test_result(tiny, base):
    result = json.loads((base / "result.json").read_text())
    counts = parameter_counts(tiny.SIZE, 80)
    assert result["status"] == "ok"
    assert result["model_parameters"] == counts.total
    assert result["non_embedding_parameters"] == counts.non_embedding
    assert result["steps"] == 20
    assert [point["step"] for point in result["curve"]] == [4, 8, 12, 16, 20]
    assert [point["tokens"] for point in result["curve"]] == [STEP * k for k in (4, 8, 12, 16, 20)]
    assert result["curve"][-1]["log_perplexity"] == result["log_perplexity"]
    assert result["log_perplexity"] < result["curve"][0]["log_perplexity"] < np.log(80) + 0.5
    assert [point["step"] for point in result["loss_curve"]] == list(range(1, 21))
    assert not (base / STATE_FILE).exists()  # nothing goes on from the end of a schedule


def test_log_perplexity_is_that_of_the_saved_model_with_the_causal_loss(tiny, base):
    model = load_decoder(base / "model")
    stream = tiny.streams().validation.astype(np.int64)
    chunks = [31 * (k * 12 // 6) for k in range(6)]  # 400 tokens are 12 rows, 6 are used
    rows = torch.tensor([[2, *stream[start : start + 31]] for start in chunks])
    expected = model(input_ids=rows, labels=rows).loss.item()
    result = json.loads((base / "result.json").read_text())
    assert result["log_perplexity"] == pytest.approx(expected, rel=1e-5)


def test_same_seed_same_bytes_and_another_seed_another_model(tiny, base, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    tiny.pretrain_tiny(again, tmp_path / "r1")
    tiny.pretrain_tiny(other, tmp_path / "r2", seed=4)
    assert files(again) == files(base)
    name = "model/model.safetensors"
    assert (other / name).read_bytes() != (base / name).read_bytes()


@pytest.mark.parametrize("steps", [8, 10])  # where the schedule looks, and where it does not
def test_going_on_from_a_shorter_run_is_exact(tiny, base, tmp_path, steps):
    short, long = tmp_path / "short", tmp_path / "long"
    first = tiny.pretrain_tiny(short, tmp_path / "r1", tokens=steps * STEP)
    assert first["curve"][-1]["step"] == first["steps"] == steps
    result = tiny.pretrain_tiny(long, tmp_path / "r2", predecessor=short / STATE_FILE)
    assert [point["step"] for point in result["curve"]] == [4, 8, 12, 16, 20]
    assert files(long) == files(base)


def test_a_run_that_goes_on_takes_only_the_missing_steps(tiny, tmp_path, capsys):
    tiny.pretrain_tiny(tmp_path / "short", tmp_path / "r1", tokens=12 * STEP)
    capsys.readouterr()
    predecessor = tmp_path / "short" / STATE_FILE
    tiny.pretrain_tiny(tmp_path / "long", tmp_path / "r2", predecessor=predecessor)
    repeats, *steps = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in steps] == ["16/20", "20/20"]
    assert repeats.startswith("the text fills") and repeats.endswith("times")


def test_divergence_is_a_result_without_weights(tiny, tmp_path):
    out = tmp_path / "out"
    result = tiny.pretrain_tiny(out, tmp_path / "r", learning_rate=1e30, tokens=10 * STEP)
    assert [path.name for path in out.iterdir()] == ["result.json"]
    assert json.loads((out / "result.json").read_text()) == result
    assert result["status"] == "diverged"
    assert result["reason"].startswith("training loss is")
    assert result["log_perplexity"] is None
    assert len(result["loss_curve"]) == result["steps"] < 10
    assert result["model_parameters"] > 0


def test_bfloat16_is_close_to_float32(tiny, base, tmp_path):
    result = tiny.pretrain_tiny(tmp_path / "out", tmp_path / "r", precision="bf16")
    exact = json.loads((base / "result.json").read_text())
    assert result["log_perplexity"] == pytest.approx(exact["log_perplexity"], rel=0.02)
    assert result["log_perplexity"] != exact["log_perplexity"]
    weights = load_decoder(tmp_path / "out" / "model").state_dict()
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
