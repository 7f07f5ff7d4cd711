"""H and gamma against the equation that they solve, and their intervals."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from finescale.laws.critical.power_law import power_law
from finescale.laws.forms import MULTIPLICATIVE
from finescale.laws.intervals.ensemble import Ensemble

COUNT = 400


def law(A, alpha, beta, /, **rows):
    """A multiplicative law, with resamples of the named parameters."""
    parameters = {"A": A, "alpha": alpha, "beta": beta, "E": 0.7}
    held = {name: np.full(COUNT, value) for name, value in parameters.items()}
    return Ensemble(MULTIPLICATIVE, parameters, held | rows)


positive = st.floats(0.1, 10)
exponents = st.floats(0.02, 0.6)


@given(positive, positive, exponents, exponents, exponents, exponents, st.floats(1, 1e6))
def test_laws_of_one_limit_are_equal_there(a1, a2, alpha1, alpha2, beta1, beta2, x):
    assume(abs(beta1 - beta2) > 0.02)
    laws = law(a1, alpha1, beta1), law(a2, alpha2, beta2)
    found = power_law(*(Ensemble(one.form, one.parameters) for one in laws))
    assert found.log10_h_interval is found.gamma_interval is None
    assert found.bounded
    log10_size = found.log10_h + found.gamma * math.log10(x)
    losses = [
        math.log10(a) - alpha * math.log10(x) - beta * log10_size
        for a, alpha, beta in ((a1, alpha1, beta1), (a2, alpha2, beta2))
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)


def test_intervals_are_those_of_the_resamples():
    rng = np.random.default_rng(5)
    amounts, alphas = rng.uniform(1.9, 2.1, COUNT), rng.uniform(0.1, 0.2, COUNT)
    found = power_law(law(2.0, 0.15, 0.2, A=amounts, alpha=alphas), law(1.0, 0.0, 0.1))
    assert (found.log10_h, found.gamma) == pytest.approx((10 * math.log10(2), -1.5))
    h, gamma = 10 * np.log10(amounts), -10 * alphas
    assert found.log10_h_interval == pytest.approx(tuple(np.quantile(h, [0.025, 0.975])))
    assert found.gamma_interval == pytest.approx(tuple(np.quantile(gamma, [0.025, 0.975])))


def test_slopes_that_resamples_cannot_tell_apart_leave_no_bounds():
    betas = np.linspace(0.05, 0.3, COUNT)  # 0.1 among them
    found = power_law(law(2.0, 0.0, 0.2, beta=betas), law(1.0, 0.0, 0.1))
    assert found.log10_h_interval == found.gamma_interval == (-math.inf, math.inf)
    assert not found.bounded


def test_equal_slopes_have_none():
    assert power_law(law(2.0, 0.1, 0.2), law(1.0, 0.2, 0.2)) is None
