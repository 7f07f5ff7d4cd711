"""The engine's objective minimised by scipy: slow, well known, what the engine is held against."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import huber

from finescale.laws.engine import Optima
from finescale.laws.problem import Problem


def objective(problem: Problem, theta: np.ndarray) -> float:
    """The sum of scipy's own Huber losses at one theta (parameters,)."""
    predicted = problem.predict(theta[None])[0]
    residual = (np.log(predicted) if problem.log else predicted) - problem.target
    return float(np.sum(problem.weights * huber(problem.delta, residual)))


def gradient(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Its slope along the free parameters, (free,)."""
    predicted = problem.predict(theta[None])[0]
    residual = (np.log(predicted) if problem.log else predicted) - problem.target
    slope = problem.weights * np.clip(residual, -problem.delta, problem.delta)
    slope = slope / predicted if problem.log else slope
    return slope @ problem.derivative(theta)[:, problem.free]


def descend_by_scipy(
    problem: Problem, starts: np.ndarray, *, method: str = "L-BFGS-B", analytic: bool = True
) -> Optima:
    """scipy.optimize.minimize from each start (rows), with its default tolerances.

    `analytic` gradients, or scipy's finite differences. L-BFGS-B keeps the bounds, BFGS has none.
    """
    free = problem.free
    bounds = list(zip(problem.lower[free], problem.upper[free], strict=True))

    def whole(start: np.ndarray, values: np.ndarray) -> np.ndarray:
        theta = start.copy()
        theta[free] = values
        return theta

    ends, values = np.array(starts, float), np.empty(len(starts))
    for row, start in enumerate(ends):

        def value(values: np.ndarray, start: np.ndarray = start) -> float:
            return objective(problem, whole(start, values))

        def slope(values: np.ndarray, start: np.ndarray = start) -> np.ndarray:
            return gradient(problem, whole(start, values))

        result = minimize(  # type: ignore[call-overload]  # the stubs want 1-D shapes
            value,
            start[free],
            jac=slope if analytic else None,
            method=method,
            bounds=bounds if method == "L-BFGS-B" else None,
        )
        ends[row], values[row] = whole(start, result.x), result.fun
    return Optima(ends, values)
