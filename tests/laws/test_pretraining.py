"""Pretraining laws: which models and checkpoints they use, and what they recover."""

from dataclasses import replace

import numpy as np
import pytest

from finescale.laws import BaseModel, fit_pretraining, interval, load_pretraining_laws
from finescale.laws.procedure.pretraining import save_pretraining_laws

SIZES = {"XS": 1000, "S": 2000, "M": 4000, "L": 8000, "XL": 16_000}
PARAMETERS = {
    "family": "en-de",
    "base_size": "S",
    "model_size_as": "total",
    "huber_delta": 1e-3,
    "resamples": 50,
    "held_out": {"llm_model_size": 16_000, "pretraining_tokens": 650},
}


def size_law(x):
    return 30 * x**-0.35 + 1.8


def token_law(tokens):
    return 20 * tokens**-0.25 + 2.1


def model(name, tokens=800, status="ok", offset=0.0):
    curve = [
        {"step": k, "tokens": 100 * k, "log_perplexity": token_law(100 * k) + offset}
        for k in range(1, tokens // 100 + 1)
    ]
    parameters = SIZES[name] * 3
    result = {
        "status": status,
        "model_parameters": parameters,
        "non_embedding_parameters": SIZES[name],
        "log_perplexity": size_law(parameters),
        "curve": curve,
    }
    return BaseModel(name, SIZES[name], tokens, result)


@pytest.fixture(scope="module")
def laws():
    """All sizes at full length, and a shorter run of the base size with another curve."""
    return fit_pretraining([model("S", 400, offset=1.0), *map(model, SIZES)], PARAMETERS)


def test_law_over_model_size(laws):
    law = laws[0]
    assert law.factor == "llm_model_size"
    assert [point.x for point in law.points] == [3000, 6000, 12_000, 24_000, 48_000]
    assert [point.split for point in law.points] == ["fit"] * 4 + ["held-out"]
    assert law.fit.parameters == pytest.approx({"A": 30, "alpha": 0.35, "E": 1.8}, rel=1e-4)
    assert law.deviation_held_out < 1e-5


def test_law_over_tokens_uses_the_longest_run_and_holds_out_the_nearest_checkpoint(laws):
    law = laws[1]
    assert law.factor == "pretraining_tokens"
    assert [point.x for point in law.points] == [100 * k for k in range(1, 9)]
    assert [point.x for point in law.points if point.split == "held-out"] == [700]
    assert law.fit.parameters == pytest.approx({"A": 20, "alpha": 0.25, "E": 2.1}, rel=1e-4)


def test_diverged_models_are_counted_and_left_out():
    models = [*(model(name) for name in ("XS", "M", "L")), model("S", status="diverged")]
    size, tokens = fit_pretraining(models, PARAMETERS)
    assert size.diverged == 1
    assert [point.x for point in size.points] == [3000, 12_000, 24_000]
    assert tokens.diverged == 1
    assert tokens.points == ()
    assert tokens.fit.status == "not identified"


def test_two_sizes_are_not_identified():
    size, tokens = fit_pretraining([model("XS"), model("S")], PARAMETERS | {"held_out": {}})
    assert size.fit.status == "not identified"
    assert size.deviation_fitted is None
    assert tokens.fit.ok
    assert tokens.deviation_held_out is None


@pytest.mark.parametrize(("model_size_as", "x"), [("nominal", 1000), ("non_embedding", 1000)])
def test_model_size_as_the_study_says(model_size_as, x):
    size, _ = fit_pretraining(
        [model("XS"), model("S")], PARAMETERS | {"model_size_as": model_size_as}
    )
    assert size.points[0].x == x


def test_noise_gives_intervals_and_exact_points_none_to_speak_of(laws):
    rng = np.random.default_rng(0)
    noisy = []
    for name in SIZES:
        exact = model(name)
        loss = exact.result["log_perplexity"] * np.exp(rng.normal(0, 0.002))
        noisy.append(replace(exact, result={**exact.result, "log_perplexity": loss}))
    law = fit_pretraining(noisy, PARAMETERS | {"held_out": {}, "resamples": 200})[0]
    low, high = interval(law.ensemble.predict_resamples(X=48_000.0))
    assert low < size_law(48_000) < high
    assert 1e-4 < high - low < 0.5
    low, high = interval(laws[0].ensemble.predict_resamples(X=48_000.0))
    assert high - low < 1e-6


def test_save_and_load(laws, tmp_path):
    save_pretraining_laws(tmp_path, laws)
    files = tmp_path / "pretraining_law.json", tmp_path / "resamples.npz"
    for law, other in zip(laws, load_pretraining_laws(*files), strict=True):
        assert other.to_json() == law.to_json()
        for name, values in law.ensemble.resamples.items():
            np.testing.assert_array_equal(other.ensemble.resamples[name], values)
