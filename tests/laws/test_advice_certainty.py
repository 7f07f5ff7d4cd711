"""When methods are told apart, and what is said when they are not."""

import math

import numpy as np
import pytest

from finescale.laws import Point
from finescale.laws.advice import advise


@pytest.mark.parametrize("seed", range(3))
def test_equal_laws_are_not_told_apart(known, seed):
    laws = {"a": known.adapt, "b": known.adapt, "c": lambda x, d: known.adapt(x, d) + 1}
    points = known.runs(laws, noise=0.01, seed=seed)
    advice = advise(points, data=400, resamples=400, **known.ONE_FORM)
    probabilities = {m.method: m.probability for m in advice.methods}
    assert probabilities["c"] == 0
    assert probabilities["a"] + probabilities["b"] == pytest.approx(1)
    assert 0.05 < probabilities["a"] < 0.95
    assert advice.methods[-1].method == "c"


def test_the_probability_of_equal_laws_is_spread_over_all_values(known):
    found = []
    for seed in range(40):
        points = known.data_only(
            dict.fromkeys("ab", lambda d: 3 * d**-0.5 + 1), noise=0.01, seed=seed, repeats=2
        )
        found.append(
            known.of(advise(points, data=200, resamples=200, **known.ONE_FORM), "a").probability
        )
    assert 0.4 < np.mean(found) < 0.6
    assert np.mean(np.array(found) < 0.2) < 0.4
    assert np.mean(np.array(found) > 0.8) < 0.4


def test_a_probability_below_0_8_is_said_plainly(known):
    points = known.runs(dict.fromkeys("ab", known.adapt), noise=0.01)
    best = advise(points, data=400, resamples=400, **known.ONE_FORM).recommendation
    assert best.probability < 0.8
    assert not best.told_apart
    assert best.verdict == (
        f"{best.method} and {best.runner_up} cannot be told apart: the probability that"
        f" {best.method} is best is {best.probability:.2f}"
    )


def test_a_difference_below_the_noise_floor_is_said_plainly(known):
    def nearly(x, d):
        return known.adapt(x, d) - 1e-4

    # all data sizes have the same spread of seeds and no other error
    points = [
        Point(**vars(point) | {"seed": seed, "test_log_perplexity": loss + 0.01 * seed})
        for point in known.runs({"a": known.adapt, "b": nearly})
        for loss in [point.test_log_perplexity]
        for seed in (-1, 0, 1)
    ]
    advice = advise(points, data=400, resamples=50, **known.ONE_FORM)
    assert advice.noise_floor == pytest.approx(math.sqrt(2 / math.pi * 1e-4 / 3))
    best = advice.recommendation
    assert (best.method, best.probability, best.told_apart) == ("b", 1.0, False)
    assert best.verdict == (
        "b and a cannot be told apart: the losses differ by 0.0001, less than the noise (0.0046)"
    )
    assert not [kind for kind, _ in known.kinds(advice) if kind == "one seed"]


def test_without_resamples_nothing_is_told_apart(known):
    advice = advise(known.runs({"fmt": known.tune, "lora": known.adapt}), data=1000, resamples=0)
    best = advice.recommendation
    assert (best.method, best.probability, best.told_apart) == ("fmt", None, False)
    assert best.verdict == "fmt and lora cannot be told apart: there are no intervals"
    assert known.of(advice, "fmt").interval is None
    assert all(doubled.interval is None for doubled in known.of(advice, "fmt").doubled)
