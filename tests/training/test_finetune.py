"""Finetuning by each method: the best dev weights, their test loss, and when training stops."""

import json
from dataclasses import replace

import pytest
import torch

from finescale.models import load_tuned

METHODS = ["fmt", "lora", "prompt"]


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


def weights_folder(out, method):
    return out / ("model" if method == "fmt" else "adapter")


def log_perplexity(model, examples, indices):
    """Sum of negative log-likelihoods and tokens, one example at a time."""
    total, tokens = 0.0, 0
    for i in indices:
        source, target = examples.sources[i].tolist(), examples.targets[i].tolist()
        ids = torch.tensor([[2, *source, 4, *target]])
        log_probabilities = model.logits(model(ids))[0].log_softmax(-1)
        for k, token in enumerate(target):
            total -= log_probabilities[len(source) + 1 + k, token].item()
        tokens += len(target)
    return total, tokens


@pytest.mark.parametrize("method", METHODS)
def test_result_is_that_of_the_saved_weights(tiny, base, tmp_path, method):
    out = tmp_path / "out"
    result = tiny.finetune_tiny(base, out, tmp_path / "r", **tiny.METHODS[method])
    assert result == json.loads((out / "result.json").read_text())
    assert result["status"] == "ok"
    assert [point["step"] for point in result["dev_curve"]] == [3, 6, 9, 12]
    best = min(result["dev_curve"], key=lambda point: point["log_perplexity"])
    assert result["best_step"] == best["step"]
    assert result["dev_log_perplexity"] == best["log_perplexity"]

    model, data = load_tuned(method, weights_folder(out, method), base / "model"), tiny.data()
    total, tokens = log_perplexity(model, data.dev, range(9))
    assert result["dev_log_perplexity"] == pytest.approx(total / tokens, rel=1e-5)
    ten = [k * 15 // 10 for k in range(10)]  # test.max_examples, evenly spaced
    sums = [
        log_perplexity(model, data.tests[0], ten),
        log_perplexity(model, data.tests[1], range(7)),
    ]
    for test_set, (total, tokens) in zip(result["test_sets"], sums, strict=True):
        assert test_set["target_tokens"] == tokens
        assert test_set["log_perplexity"] == pytest.approx(total / tokens, rel=1e-5)
    total, tokens = (sum(pair) for pair in zip(*sums, strict=True))
    assert result["target_tokens"] == tokens
    assert result["test_log_perplexity"] == pytest.approx(total / tokens, rel=1e-5)
    assert result["tuned_parameters"] == sum(
        p.numel()
        for p in {
            "fmt": lambda: model.parameters(),
            "lora": lambda: [p for n, p in model.model.named_parameters() if "lora_" in n],
            "prompt": lambda: [model.prompt] if method == "prompt" else [],
        }[method]()
    )


@pytest.mark.parametrize("method", METHODS)
def test_finetuning_lowers_the_dev_loss(tiny, base, tmp_path, method):
    changes = {**tiny.METHODS[method], "max_steps": 60, "schedule": "constant"}
    result = tiny.finetune_tiny(base, tmp_path / "out", tmp_path / "r", **changes)
    assert result["dev_log_perplexity"] < result["dev_curve"][0]["log_perplexity"] - 0.01


def overfitting(tiny, **dev):
    """Settings under which the dev loss soon gets worse: five examples, a high rate."""
    data = tiny.data()
    return {
        **tiny.METHODS["fmt"],
        "learning_rate": 0.03,
        "schedule": "constant",
        "max_steps": 60,
        "data": replace(data, subset=data.subset[:5]),
        "dev": {**tiny.FINETUNING["dev"], "interval": 2, "patience": 3} | dev,
    }


def test_the_best_weights_are_kept_and_not_the_last(tiny, base, tmp_path):
    result = tiny.finetune_tiny(base, tmp_path / "a", tmp_path / "ra", **overfitting(tiny))
    assert result["best_step"] < result["steps"]
    short = {**overfitting(tiny), "max_steps": result["best_step"]}
    tiny.finetune_tiny(base, tmp_path / "b", tmp_path / "rb", **short)
    name = "model/model.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_patience_training_runs_on_and_the_best_weights_are_still_kept(
    tiny, base, tmp_path
):
    changes = overfitting(tiny, patience=None)
    result = tiny.finetune_tiny(base, tmp_path / "a", tmp_path / "ra", **changes)
    curve = {point["step"]: point["log_perplexity"] for point in result["dev_curve"]}
    assert result["steps"] == 60
    assert result["dev_log_perplexity"] == curve[result["best_step"]] == min(curve.values())
    assert result["test_log_perplexity"] > 0


def test_patience_counts_evaluations_without_gain(tiny, base, tmp_path):
    result = tiny.finetune_tiny(base, tmp_path / "a", tmp_path / "ra", **overfitting(tiny))
    curve = [point["log_perplexity"] for point in result["dev_curve"]]
    assert result["steps"] < 60
    assert curve.index(min(curve)) == len(curve) - 1 - 3
    assert result["steps"] == 2 * len(curve)
    patient = overfitting(tiny, patience=6)
    longer = tiny.finetune_tiny(base, tmp_path / "b", tmp_path / "rb", **patient)
    assert longer["steps"] > result["steps"]


def test_no_stop_before_the_least_number_of_epochs(tiny, base, tmp_path):
    changes = overfitting(tiny, min_epochs=41)  # five examples are one step
    result = tiny.finetune_tiny(base, tmp_path / "a", tmp_path / "ra", **changes)
    assert result["steps"] == 42  # the first evaluation from step 41 on


def test_epochs_bound_the_steps_and_the_last_is_evaluated(tiny, base, tmp_path):
    dev = {**tiny.FINETUNING["dev"], "growth": 2.0}
    changes = {**tiny.METHODS["fmt"], "max_epochs": 2, "dev": dev, "max_steps": 100}
    result = tiny.finetune_tiny(base, tmp_path / "a", tmp_path / "ra", **changes)
    assert result["steps"] == 2 * 3  # 20 examples in batches of 8
    assert [point["step"] for point in result["dev_curve"]] == [2, 4, 6]


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bytes_and_another_seed_another_result(tiny, base, tmp_path, method):
    results = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        changes = {**tiny.METHODS[method], "seed": seed}
        results.append(tiny.finetune_tiny(base, tmp_path / name, tmp_path / f"r{name}", **changes))
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert results[0]["test_log_perplexity"] != results[2]["test_log_perplexity"]


def test_divergence_is_a_result_without_weights(tiny, base, tmp_path):
    out = tmp_path / "out"
    changes = {**tiny.METHODS["fmt"], "learning_rate": 1e30}
    result = tiny.finetune_tiny(base, out, tmp_path / "r", **changes)
    assert [path.name for path in out.iterdir()] == ["result.json"]
    assert result == json.loads((out / "result.json").read_text())
    assert result["status"] == "diverged"
    assert "loss is" in result["reason"]
    assert result["loss_curve"]
    assert result["test_log_perplexity"] is result["dev_log_perplexity"] is None


def test_a_diverged_base_model_is_not_trained(tiny, tmp_path):
    base, out = tmp_path / "base", tmp_path / "out"
    tiny.pretrain_tiny(base, tmp_path / "rb", learning_rate=1e30)
    result = tiny.finetune_tiny(base, out, tmp_path / "r")
    assert [path.name for path in out.iterdir()] == ["result.json"]
    assert result["status"] == "base diverged"
    assert result["reason"].startswith("training loss is")
    assert result["steps"] == 0
    assert result["model_parameters"] > 0
    assert (
        result.keys()
        == tiny.finetune_tiny(_ok_base(tiny, tmp_path), tmp_path / "ok", tmp_path / "r2").keys()
    )


def _ok_base(tiny, tmp_path):
    tiny.pretrain_tiny(tmp_path / "okbase", tmp_path / "rok")
    return tmp_path / "okbase"
