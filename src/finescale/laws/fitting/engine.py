"""The batched minimiser at the heart of every fit: all rows of a problem descend at once.

Every row takes Levenberg-Marquardt steps: far from its optimum with the Hessian of the majoriser
that iteratively reweighted least squares minimises, near it with the exact one, which is what ends
at the optimum of an objective that is nearly L1.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import ThreadpoolController

from finescale.laws.fitting.problem import Derivatives, Problem, derivatives, gradient_from

SCREENING = ((4, 1000), (11, 50))  # (steps that all take, how many of the best go on)
MOST_STEPS = 100  # rows that go on are in a valley without end
CHUNK = 32_000  # elements (rows x points) of an array that stays in the cache
LARGEST_STEP = 10.0
CORRECTIONS = 2  # of each step, for residuals that bend along it
AFRESH = 20  # steps after which a row that is still going takes one with the majoriser again
TINY = 1e-100  # keeps a Hessian of zeros from being singular
SLOW = 1e-2  # relative progress below which the exact Hessian takes over
STALLED = 1e-14  # relative progress that counts as none
DAMPING, LEAST_DAMPING = 1e-3, 1e-12  # of the Hessian's diagonal
MOST_DAMPING = 1e12
LEAST_DIAGONAL = 1e-8  # of its largest element, where damping is added
STILL_GOING = 0.8  # share of a chunk's rows below which those that are done leave
EASIER, HARDER = 0.1, 8.0  # factors of the damping after a step that helped, or did not
EXACT = 1e4  # times the floor: as good as an exact fit
AGREEMENT = 1e-8  # relative distance of objectives that count as the same optimum

_BLAS = ThreadpoolController()  # the matrices are small: threads would only wait for each other


@dataclass(frozen=True)
class Optima:
    """Where each row ended: theta (rows, parameters) and objective (rows,)."""

    theta: np.ndarray
    value: np.ndarray


def descend(problem: Problem, theta: np.ndarray, steps: int = MOST_STEPS) -> Optima:
    """Minimise every row from its own start, at most `steps` steps each."""
    theta = np.clip(theta, problem.lower, problem.upper)
    value = np.empty(len(theta))
    with _BLAS.limit(limits=1, user_api="blas"), np.errstate(all="ignore"):
        for rows in _chunks(len(theta), problem.loss.shape[-1]):
            theta[rows], value[rows] = _descend(problem.chosen(rows), theta[rows], steps)
    return Optima(theta, value)


def _chunks(count: int, points: int) -> Iterator[np.ndarray]:
    size = max(1, CHUNK // points)
    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count))


def _descend(problem: Problem, theta: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for rows that fit the cache; rows that are done leave."""
    final_theta, final_value = theta.copy(), np.empty(len(theta))
    exact, rows = np.zeros(len(theta), bool), np.arange(len(theta))
    damping, stalls = np.full(len(theta), DAMPING), np.zeros(len(theta), int)
    here = derivatives(problem, theta, exact)
    for step in range(1, steps + 1):
        trial = _step(problem, theta, here, damping)
        there = derivatives(problem, trial, exact)
        progress = (here.value - there.value) / here.value
        better = progress > 0
        here.accept(better, there)
        theta = np.where(better[:, None], trial, theta)
        damping = np.where(better, np.maximum(damping * EASIER, LEAST_DAMPING), damping * HARDER)
        stalls = np.where(np.abs(progress) <= STALLED, stalls + 1, np.where(better, 0, stalls))
        exact = (exact | (better & (progress < SLOW))) & (step % AFRESH != 0)
        final_theta[rows], final_value[rows] = theta, here.value
        going = (stalls < 2) & (here.value > problem.floor) & (damping < MOST_DAMPING)
        if not going.any():
            break
        if np.count_nonzero(going) / len(going) < STILL_GOING:
            problem, here = problem.chosen(going), here.chosen(going)
            rows, theta, exact = rows[going], theta[going], exact[going]
            damping, stalls = damping[going], stalls[going]
    return final_theta, final_value


def _step(
    problem: Problem, theta: np.ndarray, here: Derivatives, damping: np.ndarray
) -> np.ndarray:
    """Theta after a damped Newton step of the free parameters that no bound holds.

    Where points lie on the law to within delta, the objective is a narrow valley, and a straight
    step along it leaves it soon. So the step is corrected for how the residuals bend along it, as
    in second-order corrections of sequential programming (Fletcher 1982): these points stay on it.
    """
    free = problem.free
    outward = np.where(
        here.gradient > 0,
        theta[:, free] <= problem.lower[free],
        theta[:, free] >= problem.upper[free],
    )
    inverse = _damped_inverse(here.hessian, outward, damping)
    newton = _times(inverse, np.where(outward, 0.0, -here.gradient))
    newton = np.where(np.isfinite(newton), newton.clip(-LARGEST_STEP, LARGEST_STEP), 0.0)
    length = np.einsum("ri,ri->r", newton, newton)
    trial = _moved(problem, theta, newton)
    for _ in range(CORRECTIONS):
        step = (trial - theta)[:, free]
        missed = problem.residual(problem.predict(trial)) - here.residual
        for slot, column in zip(problem.slots, here.jacobian, strict=True):
            missed -= column * slot.part.values(step)
        slope = gradient_from(problem, here.curvature * missed, here.jacobian)
        change = _times(inverse, np.where(outward, 0.0, -slope))
        small = np.einsum("ri,ri->r", change, change) <= length
        trial = _moved(problem, theta, newton + np.where(small[:, None], change, 0.0))
    return trial


def _damped_inverse(hessian: np.ndarray, outward: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Of the Hessian without the parameters that a bound holds."""
    hessian = hessian.copy()
    if outward.any():
        hessian[outward] = 0.0
        hessian.swapaxes(1, 2)[outward] = 0.0
    index = np.arange(hessian.shape[1])
    diagonal = np.abs(hessian[:, index, index])
    least = LEAST_DIAGONAL * diagonal.max(axis=1, keepdims=True) + TINY
    hessian[:, index, index] += damping[:, None] * np.maximum(diagonal, least) + outward
    return np.linalg.inv(hessian)


def _times(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Row by row."""
    return (matrix @ vector[:, :, None])[:, :, 0]


def _moved(problem: Problem, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Theta after a step of its free parameters, within the bounds."""
    moved = theta.copy()
    moved[:, problem.free] += step
    return moved.clip(problem.lower, problem.upper)


@dataclass(frozen=True)
class Optimum:
    """The best of all starts; `agreeing` of the `finalists` ended at it."""

    theta: np.ndarray
    value: float
    starts: int
    finalists: int
    agreeing: int


def minimise(problem: Problem, starts: np.ndarray) -> Optimum:
    """The best optimum from many starts (rows): all take some steps, the best go to the end."""
    theta = starts
    for steps, kept in SCREENING:
        if len(theta) > kept:
            screened = descend(problem, theta, steps)
            theta = screened.theta[np.argsort(screened.value, kind="stable")[:kept]]
    ends = descend(problem, theta)
    best = int(np.nanargmin(ends.value))
    least = ends.value[best]
    agreeing = ends.value <= least * (1 + AGREEMENT) + EXACT * problem.floor
    return Optimum(ends.theta[best], float(least), len(starts), len(theta), int(agreeing.sum()))
