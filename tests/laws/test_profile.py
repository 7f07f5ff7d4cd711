"""The profile interval of E against brute force and known truths."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import f as f_distribution

from finescale.laws import ADDITIVE, FINETUNING_DATA, MULTIPLICATIVE, POWER, Data
from finescale.laws.profile import profile_level

EXAMPLES = np.geomspace(1e3, 1e6, 10)
X, D = (axis.ravel() for axis in np.meshgrid([1e9, 2e9, 4e9, 8e9], EXAMPLES))
TRUTH = {"A": 1.2e5, "alpha": 0.52, "beta": 0.15, "E": 0.75}


def points(form=MULTIPLICATIVE, truth=TRUTH, noise=0.005, seed=0, x=X, d=D) -> Data:
    variables = {"X": x, "D": d}
    loss = form.predict(truth, **{name: variables[name] for name in form.variables})
    error = np.random.default_rng(seed).normal(0, noise, loss.shape)
    return Data(loss * np.exp(error), {name: variables[name] for name in form.variables})


def test_agrees_with_brute_force():
    """The ends are where scipy's least squares, E held, reaches the F distribution's bound."""
    data = points(FINETUNING_DATA, {"A": 6.0, "beta": 0.2, "E": 0.75}, x=None, d=EXAMPLES)

    def sum_of_squares(level):
        def residuals(theta):
            return np.log((np.exp(theta[0]) * EXAMPLES ** -theta[1] + level) / data.loss)

        return 2 * least_squares(residuals, [1.0, 0.2], x_scale="jac", xtol=1e-14, ftol=1e-14).cost

    levels = np.linspace(0, data.loss.min(), 402)[1:-1]
    squares = np.array([sum_of_squares(level) for level in levels])
    freedom = len(EXAMPLES) - 3
    most = squares.min() * (1 + f_distribution.ppf(0.95, 1, freedom) / freedom)
    inside = levels[squares <= most]
    found = profile_level(FINETUNING_DATA, {"": data})
    step = data.loss.min() / 200
    assert found.low == pytest.approx(inside.min(), abs=1.5 * step)
    assert found.high == pytest.approx(inside.max(), abs=1.5 * step)
    assert found.identified


@pytest.mark.parametrize("form", [MULTIPLICATIVE, ADDITIVE], ids=lambda form: form.name)
def test_holds_the_truth_and_little_else_on_clean_data(form):
    truth = (
        TRUTH
        if form is MULTIPLICATIVE
        else {"A": 3e3, "alpha": 0.4, "B": 4.0, "beta": 0.2, "E": 0.75}
    )
    found = profile_level(form, {"": points(form, truth, noise=1e-4)})
    assert found.identified
    assert found.low <= 0.76
    assert found.high >= 0.74
    assert found.high - found.low < 0.05


def test_holds_the_truth_as_often_as_it_says():
    profiles = [profile_level(MULTIPLICATIVE, {"": points(seed=seed)}) for seed in range(30)]
    held = np.mean([found.low <= TRUTH["E"] <= found.high for found in profiles])
    assert held >= 0.83


def test_a_pure_power_law_does_not_identify_e():
    data = points(POWER, {"A": 30.0, "alpha": 0.1, "beta": 0.05})
    found = profile_level(MULTIPLICATIVE, {"": data})
    assert not found.identified
    assert found.low < 0.01 * data.loss.min()
    assert found.high < data.loss.min()


def test_more_noise_allows_more():
    narrow, wide = (profile_level(MULTIPLICATIVE, {"": points(noise=n)}) for n in (0.002, 0.01))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_groups_that_share_e_say_more_together():
    other = points(truth=TRUTH | {"A": 500.0, "alpha": 0.21}, seed=1)
    alone = profile_level(MULTIPLICATIVE, {"size": points()})
    both = profile_level(MULTIPLICATIVE, {"size": points(), "tokens": other}, ("beta", "E"))
    assert both.high - both.low < alone.high - alone.low


def test_no_profile_where_there_is_no_e_or_no_law():
    assert profile_level(POWER, {"": points()}) is None
    assert profile_level(MULTIPLICATIVE, {"": points(x=np.full_like(X, 1e9))}) is None
    four = slice(None, None, 13)  # as many points as parameters
    assert profile_level(MULTIPLICATIVE, {"": points(x=X[four], d=D[four])}) is None


def test_points_in_two_groups_can_weigh_as_one():
    data = points()
    half = Data(data.loss, data.variables, np.full(len(X), 0.5))
    everything = ("A", "alpha", "beta", "E")
    once = profile_level(MULTIPLICATIVE, {"": data})
    twice = profile_level(MULTIPLICATIVE, {"one": half, "two": half}, everything, distinct=len(X))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
