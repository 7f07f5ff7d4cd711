"""Pearson's r, its p-value and both intervals, against scipy and by hand."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from finescale.laws.correlation import correlate, fisher, p_value, pearson

numbers = st.floats(-100, 100).map(lambda value: round(value, 3))


def test_four_pairs_by_hand():
    # deviations of x: -3, -1, 1, 3, of y: 2, 1, -1, -2; products -6 -1 -1 -6; squares 20 and 10
    found = correlate([0, 2, 4, 6], [5, 4, 2, 1])
    r = -14 / math.sqrt(200)
    assert found.pairs == 4
    assert found.r == pytest.approx(r)
    # Student's t with two degrees of freedom: P(|T| > t) = 1 - t / sqrt(2 + t^2)
    t = -r * math.sqrt(2 / (1 - r**2))
    assert found.p_value == pytest.approx(1 - t / math.sqrt(2 + t**2))
    z = 0.5 * math.log((1 + r) / (1 - r))
    ends = [math.tanh(z - 1.959963984540054), math.tanh(z + 1.959963984540054)]
    assert found.fisher == pytest.approx(ends)


@given(st.lists(st.tuples(numbers, numbers), min_size=4, max_size=30))
def test_the_same_as_scipy(pairs):
    x, y = np.array(pairs).T
    assume(np.ptp(x) > 0.1 and np.ptp(y) > 0.1)
    found, expected = correlate(x, y), stats.pearsonr(x, y)
    assert found.r == pytest.approx(expected.statistic, abs=1e-9)
    assume(abs(found.r) < 1 - 1e-6)  # beyond, the last digits of r decide
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4, abs=1e-12)
    assert found.fisher == pytest.approx(tuple(expected.confidence_interval()), abs=1e-6)
    assert -1 <= found.bootstrap[0] <= found.bootstrap[1] <= 1


def test_the_bootstrap_is_that_of_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    method = stats.BootstrapMethod(n_resamples=9999, method="percentile", rng=rng)
    expected = stats.pearsonr(x, y).confidence_interval(method=method)
    assert correlate(x, y).bootstrap == pytest.approx(tuple(expected), abs=0.02)


def test_the_same_labels_draw_the_same_pairs():
    x, y = [1, 2, 3, 4, 5], [2, 1, 4, 3, 5]
    assert correlate(x, y, "a") == correlate(x, y, "a")
    assert correlate(x, y, "a").bootstrap != correlate(x, y, "b").bootstrap


@pytest.mark.parametrize(("slope", "r"), [(2.0, 1.0), (-0.5, -1.0)])
def test_pairs_on_a_line(slope, r):
    x = np.array([1.0, 2.0, 4.0, 8.0])
    found = correlate(x, slope * x)
    assert found.r == pytest.approx(r)
    assert found.p_value == pytest.approx(0, abs=1e-6)
    assert (*found.fisher, *found.bootstrap) == pytest.approx((r,) * 4)
    assert p_value(r, 4) == 0
    assert fisher(r, 4) == (r, r)


def test_three_pairs_say_nothing_about_the_width():
    assert fisher(0.9, 3) == (-1.0, 1.0)
    found = correlate([1, 2, 3], [1, 3, 2])
    assert found.p_value == pytest.approx(stats.pearsonr([1, 2, 3], [1, 3, 2]).pvalue)


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([1, 2], [3, 4]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0.1] * 3)]
)
def test_no_correlation_of_few_pairs_or_of_equal_ones(x, y):
    assert correlate(x, y) is None


def test_a_resample_of_equal_pairs_has_no_correlation():
    x, y = np.array([0.1, 0.3, 0.7]), np.array([5.1, 5.2, 5.4])
    weights = np.array([[0, 1, 0], [1 / 3, 2 / 3, 0]])
    found = pearson(weights, x, y)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1)
