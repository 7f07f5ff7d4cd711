"""Huber regression of sums of exponentials: the numerical heart of every fit.

The objective is the SUM over points of Huber(predicted - measured), with raw residuals. It is
minimised divided by delta squared: scipy's `ftol` is absolute for objectives below one, so a mean,
or a sum in units of delta squared, would stop long before the optimum and still report success.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

POLISHED_STARTS = 16  # L-BFGS-B runs, from the best points of the grid
AGREEMENT = 1e-4  # relative distance of objectives that count as the same optimum
RESTARTS = 20  # the objective is nearly L1: at a kink a line search fails and a fresh one goes on


@dataclass(frozen=True)
class Problem:
    """`loss[i] ~ sum_k exp(offsets[k, i] + features[k, i] @ theta)`, theta within its bounds.

    Shapes: features (terms, points, parameters), offsets (terms, points), loss (points,),
    lower and upper (parameters,).
    """

    features: np.ndarray
    offsets: np.ndarray
    loss: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def terms(self, theta: np.ndarray) -> np.ndarray:
        """Each term at each point, shape (terms, points)."""
        return np.exp(self.offsets + self.features @ theta)

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of the predictions by theta, shape (points, parameters)."""
        return np.einsum("kn,knq->nq", self.terms(theta), self.features)

    def objective(self, theta: np.ndarray, delta: float) -> tuple[float, np.ndarray]:
        """Sum of Huber losses divided by delta squared, and its gradient."""
        terms = self.terms(theta)
        residual = (terms.sum(0) - self.loss) / delta
        slope = np.clip(residual, -1.0, 1.0)
        value = np.sum(slope * (residual - 0.5 * slope))
        gradient = np.einsum("kn,knq->q", terms * slope, self.features) / delta
        return float(value), gradient


@dataclass(frozen=True)
class Optimum:
    """The best of all starts; `objective` in squared nats, not scaled."""

    theta: np.ndarray
    objective: float
    starts: int
    agreeing: int


def minimise(problem: Problem, starts: np.ndarray, delta: float) -> Optimum:
    """Polish the most promising of `starts` (rows) by L-BFGS-B and return the best optimum."""
    starts = np.clip(starts, problem.lower, problem.upper)
    values = np.array([problem.objective(start, delta)[0] for start in starts])
    best_first = np.argsort(values, kind="stable")[:POLISHED_STARTS]
    polished = [_polish(problem, starts[index], delta) for index in best_first]
    objectives = np.array([value for value, _ in polished])
    best = int(np.argmin(objectives))
    agreeing = objectives <= objectives[best] * (1 + AGREEMENT) + 1e-9
    return Optimum(
        theta=polished[best][1],
        objective=float(objectives[best]) * delta**2,
        starts=len(polished),
        agreeing=int(agreeing.sum()),
    )


def _polish(problem: Problem, theta: np.ndarray, delta: float) -> tuple[float, np.ndarray]:
    """L-BFGS-B, started again where it stopped until that gains nothing more."""
    value = np.inf
    for _ in range(RESTARTS):
        result = minimize(  # type: ignore[call-overload]  # the stubs want 1-D shapes
            problem.objective,
            theta,
            args=(delta,),
            jac=True,
            method="L-BFGS-B",
            bounds=np.column_stack([problem.lower, problem.upper]),
            options={"maxiter": 2000, "maxfun": 4000, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-9},
        )
        if not result.fun < value * (1 - 1e-9):
            break
        value, theta = result.fun, result.x
    return float(value), theta
