"""The Huber objective, its gradient, and the optimum against independent computations."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, differential_evolution
from scipy.special import huber

from finescale.laws.engine import Problem, minimise

DELTA = 1e-3


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Two terms, three parameters, noise far beyond delta."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(-2, 2, 20)
    features = np.zeros((2, 20, 3))
    features[0, :, 0], features[0, :, 1], features[1, :, 2] = 1, -depth, 1
    loss = 0.8 * np.exp(-0.3 * depth) + 1.5 + rng.normal(0, 0.02, 20)
    return Problem(features, np.zeros((2, 20)), loss, np.full(3, -5.0), np.full(3, 5.0))


def independent_objective(theta, problem):
    """The sum of scipy's Huber losses of a law written out."""
    depth = -problem.features[0, :, 1]
    predicted = np.exp(theta[0]) * np.exp(-theta[1] * depth) + np.exp(theta[2])
    return huber(DELTA, predicted - problem.loss).sum()


def test_objective_is_the_sum_of_huber_losses_over_delta_squared(problem):
    for theta in np.random.default_rng(1).uniform(-1, 1, (10, 3)):
        expected = independent_objective(theta, problem) / DELTA**2
        assert problem.objective(theta, DELTA)[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("delta", [1e-3, 0.1, 10.0])
def test_gradient_is_that_of_finite_differences(problem, delta):
    for theta in np.random.default_rng(2).uniform(-1, 1, (10, 3)):
        numeric = approx_fprime(theta, lambda t: problem.objective(t, delta)[0], 1e-7)
        gradient = problem.objective(theta, delta)[1]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-3 / delta)


def test_jacobian_is_that_of_finite_differences(problem):
    theta = np.array([0.1, 0.4, 0.3])
    numeric = approx_fprime(theta, lambda t: problem.terms(t).sum(0), 1e-7)
    np.testing.assert_allclose(problem.jacobian(theta), numeric, atol=1e-5)


def test_optimum_is_the_global_one(problem):
    found = minimise(problem, np.array([[0.0, e, 0.0] for e in (0.1, 0.5, 1.0)]), DELTA)
    bounds = list(zip(problem.lower, problem.upper, strict=True))
    search = differential_evolution(
        independent_objective, bounds, args=(problem,), seed=0, tol=1e-12, maxiter=400
    )
    assert found.objective == pytest.approx(independent_objective(found.theta, problem), rel=1e-9)
    assert found.objective <= search.fun * (1 + 1e-6)


def test_starts_outside_the_bounds_are_moved_inside(problem):
    found = minimise(problem, np.array([[50.0, 50.0, 50.0], [0.0, 0.3, 0.0]]), DELTA)
    assert np.all(found.theta <= problem.upper)
    assert found.starts == 2
    assert 1 <= found.agreeing <= 2
