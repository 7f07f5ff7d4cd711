"""The batched fitter against scipy, finite differences and rows fitted one by one."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime, differential_evolution

from finescale.laws.engine import descend, minimise
from finescale.laws.problem import Constant, Linear, Problem, Product, derivatives
from finescale.laws.reference import descend_by_scipy, gradient, objective

POINTS = 24
COLUMNS = np.arange(5)


def problem(log=False, delta=1e-3, seed=0) -> Problem:
    """A rectified power and a constant: all kinds of terms; noise far beyond delta 1e-3."""
    rng = np.random.default_rng(seed)
    x, d = rng.uniform(-2, 2, POINTS), rng.uniform(-3, 3, POINTS)
    loss = np.exp(-0.3 * x) / (0.5 + np.exp(0.4 * d)) + 1.5
    ones = np.ones((1, 1))
    power = Linear(np.array([0, 1]), np.column_stack([np.ones(POINTS), -x]))
    onset, depth = Linear(np.array([2]), ones), Linear(np.array([3]), d[:, None])
    return Problem(
        terms=(Product(power, ((onset, depth),)), Constant(Linear(np.array([4]), ones))),
        loss=loss * np.exp(rng.normal(0, 0.02, POINTS)),
        weights=rng.uniform(0.5, 2, POINTS),
        lower=np.array([-6, -6, 0, -6, 0.0]),
        upper=np.full(5, 6.0),
        free=COLUMNS,
        log=log,
        delta=delta,
    )


def some(rows, seed, most=1.0) -> np.ndarray:
    """Theta at random, onset and constant positive."""
    theta = np.random.default_rng(seed).uniform(-most, most, (rows, 5))
    theta[:, [2, 4]] = np.abs(theta[:, [2, 4]])
    return theta


KINDS = [(log, delta) for log in (False, True) for delta in (1e-3, 0.05, math.inf)]


@pytest.mark.parametrize(("log", "delta"), KINDS)
def test_derivatives_are_those_of_finite_differences(log, delta):
    task = problem(log, delta)
    for theta in some(5, seed=1):
        found = derivatives(task, theta[None], np.ones(1, bool))
        assert found.value[0] == pytest.approx(objective(task, theta), rel=1e-12)
        slope = approx_fprime(theta, lambda t: objective(task, t), 1e-7)
        np.testing.assert_allclose(found.gradient[0], slope, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.gradient[0], gradient(task, theta), rtol=1e-10)
        bend = approx_fprime(theta, lambda t: gradient(task, t), 1e-7)
        np.testing.assert_allclose(found.hessian[0], bend, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("log", [False, True])
def test_the_majoriser_is_positive_definite_where_the_hessian_is_not(log):
    task, theta = problem(log), np.array([[0.2, 0.1, 0.3, 0.2, 0.1]])
    exact = derivatives(task, theta, np.ones(1, bool)).hessian[0]
    majoriser = derivatives(task, theta, np.zeros(1, bool)).hessian[0]
    assert np.linalg.eigvalsh(exact).min() < 0 < np.linalg.eigvalsh(majoriser).min()


def test_held_columns_stay_and_do_not_enter_the_gradient():
    task = replace(problem(), free=np.array([0, 3]))
    theta = some(7, seed=2)
    found = derivatives(task, theta, np.ones(7, bool))
    assert found.gradient.shape == (7, 2)
    np.testing.assert_allclose(found.gradient[0], gradient(task, theta[0]), rtol=1e-10)
    ends = descend(task, theta).theta
    np.testing.assert_array_equal(ends[:, [1, 2, 4]], theta[:, [1, 2, 4]])


@pytest.mark.parametrize(("log", "delta"), KINDS)
def test_never_worse_than_scipy_from_the_same_starts(log, delta):
    task = problem(log, delta)
    starts = some(12, seed=3)
    ours = descend(task, starts)
    theirs = descend_by_scipy(task, starts)
    # which valley a start falls into is luck; the best of all starts is not
    assert ours.value.min() <= theirs.value.min() + 1e-12
    assert ours.value.min() == pytest.approx(objective(task, ours.theta[ours.value.argmin()]))


def test_scipy_reference_needs_no_gradient():
    task = problem(delta=math.inf)
    starts = some(3, seed=4)
    by_differences = descend_by_scipy(task, starts, analytic=False).value.min()
    assert descend_by_scipy(task, starts).value.min() == pytest.approx(by_differences, rel=1e-4)


@pytest.mark.parametrize("delta", [1e-3, math.inf])
def test_optimum_is_the_global_one(delta):
    task = problem(delta=delta)
    starts = some(40, seed=5)
    found = minimise(task, starts)
    search = differential_evolution(
        lambda theta: objective(task, theta),
        [(-2, 2), (-2, 2), (0, 2), (-2, 2), (0, 2)],
        seed=0,
        tol=1e-12,
        maxiter=300,
    )
    assert found.value <= search.fun * (1 + 1e-6)
    assert (found.starts, found.finalists) == (40, 40)
    assert 1 <= found.agreeing <= 40


def test_many_starts_are_screened_and_the_optimum_stays():
    task = problem(log=True)
    starts = some(1500, seed=6, most=2)
    found = minimise(task, starts)
    assert found.starts == 1500
    assert found.finalists < 200
    assert found.value <= descend(task, starts[::10]).value.min() * (1 + 1e-9)


def test_rows_are_independent_whatever_the_batch():
    """Own weights and losses for each row: fitted together as one by one."""
    task = problem(delta=0.05)
    rng = np.random.default_rng(7)
    weights = rng.uniform(0, 2, (9, POINTS))
    losses = task.loss * np.exp(rng.normal(0, 0.01, (9, POINTS)))
    starts = np.tile(minimise(task, some(10, seed=17)).theta, (9, 1))
    together = descend(replace(task, loss=losses, weights=weights), starts)
    for row in range(9):
        alone = descend(replace(task, loss=losses[row], weights=weights[row]), starts[:1])
        assert together.value[row] == pytest.approx(alone.value[0], rel=1e-10)
        np.testing.assert_allclose(together.theta[row], alone.theta[0], rtol=1e-5, atol=1e-7)


def test_bounds_are_kept_and_the_constrained_optimum_found():
    task = replace(problem(delta=math.inf), upper=np.array([6, 0.1, 6, 6, 6.0]))
    found = minimise(task, some(20, seed=8))
    assert found.theta[1] == 0.1
    held = replace(task, free=np.array([0, 2, 3, 4]))
    best = minimise(held, np.tile(found.theta, (3, 1)))
    assert found.value == pytest.approx(best.value, rel=1e-9)
    assert np.all(minimise(task, np.full((2, 5), 50.0)).theta <= task.upper)


def test_wild_starts_do_no_harm():
    starts = np.vstack([np.full((1, 5), 6.0), np.array([[-6, -6, 0, -6, 0.0]]), some(1, seed=9)])
    found = minimise(problem(delta=math.inf), starts)
    assert found.value <= descend(problem(delta=math.inf), some(1, seed=9)).value[0] * (1 + 1e-9)
