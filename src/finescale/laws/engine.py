"""Huber regression of sums of power terms, many problems at once: the heart of every fit.

Coefficients of powers enter as logarithms; a constant term and onsets as they are, since they may
well be 0. The objective is the weighted SUM over points of Huber(r), where r is predicted -
measured or the difference of their logarithms. Rows are independent problems: starts of one fit, or
resamples.

Every row takes Levenberg-Marquardt steps: far from its optimum with the Hessian of the majoriser
that iteratively reweighted least squares minimises, near it with the exact one, which is what ends
at the optimum of an objective that is nearly L1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
from threadpoolctl import ThreadpoolController

SCREENING = ((4, 1000), (11, 50))  # (steps that all take, how many of the best go on)
MOST_STEPS = 200
CHUNK = 32_000  # elements (rows x points) of an array that stays in the cache
LARGEST_STEP = 10.0
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
ROUNDING = 1e-15  # relative error of a prediction

_BLAS = ThreadpoolController()  # the matrices are small: threads would only wait for each other


@dataclass(frozen=True)
class Linear:
    """`theta[columns] @ features`: features (n, q), or (1, q) where all points have the same."""

    columns: np.ndarray
    features: np.ndarray

    def values(self, theta: np.ndarray) -> np.ndarray:
        """Shape (rows, n or 1)."""
        return theta[:, self.columns] @ self.features.T

    def among(self, free: np.ndarray) -> "Linear":
        """The part that may move; columns then count the free parameters."""
        kept = np.isin(self.columns, free)
        return Linear(np.searchsorted(free, self.columns[kept]), self.features[:, kept])


@dataclass
class Evaluated:
    """A term at rows of theta: its value and its first and second derivatives by its parts.

    All arrays are (rows, n or 1); `second` has a key (i, j), i <= j, where it is not 0.
    """

    value: np.ndarray
    first: list[np.ndarray]
    second: dict[tuple[int, int], np.ndarray]


@dataclass(frozen=True)
class Constant:
    """A term that is the same everywhere, like E: theta itself, so that 0 is within reach."""

    linear: Linear

    @property
    def parts(self) -> tuple[Linear, ...]:
        """The linear functions in it."""
        return (self.linear,)

    def evaluate(self, theta: np.ndarray) -> Evaluated:
        """At rows of theta."""
        value = self.linear.values(theta)
        return Evaluated(value, [np.ones_like(value)], {})


@dataclass(frozen=True)
class Product:
    """A term `exp(linear) / product(onset + exp(power))` over its `rectified` pairs."""

    linear: Linear
    rectified: tuple[tuple[Linear, Linear], ...] = ()

    @property
    def parts(self) -> tuple[Linear, ...]:
        """The linear functions in it: the first, then each onset and power."""
        return (self.linear, *(part for pair in self.rectified for part in pair))

    def evaluate(self, theta: np.ndarray) -> Evaluated:
        """At rows of theta."""
        value = np.exp(self.linear.values(theta))
        slopes: list[np.ndarray] = [np.ones((1, 1))]  # of the term's logarithm
        bends: dict[tuple[int, int], np.ndarray] = {}  # its second derivatives
        for onset, power in self.rectified:
            raised = np.exp(power.values(theta))
            inverse = 1.0 / (onset.values(theta) + raised)
            share = raised * inverse
            value = value * inverse
            place = len(slopes)
            slopes += [-inverse, -share]
            bends[place, place] = inverse**2
            bends[place, place + 1] = inverse * share
            bends[place + 1, place + 1] = share * (share - 1.0)
        second = {
            (i, j): value * (slopes[i] * slopes[j] + bends.get((i, j), 0.0))
            for i in range(len(slopes))
            for j in range(i, len(slopes))
        }
        return Evaluated(value, [value * slope for slope in slopes], second)


@dataclass(frozen=True)
class Slot:
    """One of the linear functions in the terms, of the free parameters."""

    term: int
    place: int  # among the term's parts
    part: Linear


@dataclass(frozen=True)
class Problem:
    """`loss ~ sum of terms`, to be solved for the `free` columns of theta, within bounds.

    Shapes: loss and weights (n,) or, if each row has its own, (rows, n); lower and upper
    (parameters,). `delta` is where Huber's loss turns linear; infinite for least squares.
    """

    terms: tuple[Constant | Product, ...]
    loss: np.ndarray
    weights: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    free: np.ndarray
    log: bool
    delta: float

    @cached_property
    def target(self) -> np.ndarray:
        """What the law's values, or their logarithms, are compared with."""
        return np.log(self.loss) if self.log else self.loss

    @cached_property
    def floor(self) -> np.ndarray:
        """An objective that is all rounding error, shape () or (rows,)."""
        size = np.ones_like(self.loss) if self.log else self.loss
        return np.sum(self.weights * (ROUNDING * size) ** 2, axis=-1)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The linear functions that depend on a free parameter."""
        slots = (
            Slot(k, place, part.among(self.free))
            for k, term in enumerate(self.terms)
            for place, part in enumerate(term.parts)
        )
        return tuple(slot for slot in slots if slot.part.columns.size)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int, np.ndarray], ...]:
        """Each pair of slots with the products of their features, (n or 1, q * q')."""
        return tuple(
            (i, j, _products(self.slots[i].part.features, self.slots[j].part.features))
            for i in range(len(self.slots))
            for j in range(i, len(self.slots))
        )

    def predict(self, theta: np.ndarray) -> np.ndarray:
        """The law's values, shape (rows, n)."""
        total = reduce(np.add, [term.evaluate(theta).value for term in self.terms])
        return np.broadcast_to(total, (len(theta), self.loss.shape[-1]))

    def residual(self, predicted: np.ndarray) -> np.ndarray:
        """Predicted minus measured, or the difference of their logarithms."""
        return (np.log(predicted) if self.log else predicted) - self.target

    def derivative(self, theta: np.ndarray) -> np.ndarray:
        """Of the law's values by every parameter at one theta (parameters,): (n, parameters)."""
        jacobian = np.zeros((self.loss.shape[-1], len(theta)))
        for term in self.terms:
            for part, first in zip(term.parts, term.evaluate(theta[None]).first, strict=True):
                jacobian[:, part.columns] += first.T * part.features
        return jacobian

    def chosen(self, rows: np.ndarray) -> "Problem":
        """The problem of some rows; what does not depend on rows is shared."""
        if self.loss.ndim == self.weights.ndim == 1:
            return self
        loss = self.loss if self.loss.ndim == 1 else self.loss[rows]
        weights = self.weights if self.weights.ndim == 1 else self.weights[rows]
        part = replace(self, loss=loss, weights=weights)
        part.__dict__.update(slots=self.slots, pairs=self.pairs)
        return part


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    product = first[:, :, None] * second[:, None, :]
    return product.reshape(len(product), -1)


@dataclass
class Derivatives:
    """Objective (rows,), gradient (rows, free) and Hessian (rows, free, free)."""

    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray

    def chosen(self, rows: np.ndarray) -> "Derivatives":
        """Those of some rows."""
        return Derivatives(self.value[rows], self.gradient[rows], self.hessian[rows])

    def accept(self, rows: np.ndarray, new: "Derivatives") -> None:
        """Take over the rows whose step helped."""
        self.value[rows] = new.value[rows]
        self.gradient[rows] = new.gradient[rows]
        self.hessian[rows] = new.hessian[rows]


def derivatives(problem: Problem, theta: np.ndarray, exact: np.ndarray) -> Derivatives:
    """At each row of theta; the Hessian is the majoriser's where `exact` is false."""
    terms = [term.evaluate(theta) for term in problem.terms]
    predicted = reduce(np.add, [term.value for term in terms])
    residual = problem.residual(predicted)
    clipped = np.clip(residual, -problem.delta, problem.delta)
    slope = problem.weights * clipped
    value = np.sum(slope * (residual - 0.5 * clipped), axis=1)

    size = 1.0 / predicted if problem.log else 1.0
    jacobian = [terms[slot.term].first[slot.place] * size for slot in problem.slots]
    gradient = np.zeros((len(theta), len(problem.free)))
    for slot, column in zip(problem.slots, jacobian, strict=True):
        gradient[:, slot.part.columns] = _sum_over_points(slope * column, slot.part.features)

    first = problem.weights * _majoriser(residual, clipped, exact)
    second = slope * exact[:, None]
    if problem.log:
        first = first - second
    hessian = np.zeros((len(theta), len(problem.free), len(problem.free)))
    for i, j, products in problem.pairs:
        one, other = problem.slots[i], problem.slots[j]
        weight = first * jacobian[i] * jacobian[j]
        bend = terms[one.term].second.get((one.place, other.place))
        if one.term == other.term and bend is not None:
            weight = weight + second * bend * size
        rows, columns = one.part.columns, other.part.columns
        block = _sum_over_points(weight, products).reshape(-1, len(rows), len(columns))
        hessian[:, rows[:, None], columns] = block
        hessian[:, columns[:, None], rows] = block.transpose(0, 2, 1)
    return Derivatives(value, gradient, hessian)


def _majoriser(residual: np.ndarray, clipped: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Second derivative of Huber's loss, or the weight of the parabola that touches it above."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(residual == 0, 1.0, clipped / residual)
    return np.where(exact[:, None], ratio == 1.0, ratio)


def _sum_over_points(values: np.ndarray, features: np.ndarray) -> np.ndarray:
    """`values @ features`, also where all points have the same features."""
    if len(features) == 1 and values.shape[1] > 1:
        return values.sum(axis=1, keepdims=True) * features
    return values @ features


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
    for _ in range(steps):
        trial = theta + _step(problem, theta, here, damping)
        trial = np.clip(trial, problem.lower, problem.upper)
        there = derivatives(problem, trial, exact)
        progress = (here.value - there.value) / here.value
        better = progress > 0
        here.accept(better, there)
        theta = np.where(better[:, None], trial, theta)
        damping = np.where(better, np.maximum(damping * EASIER, LEAST_DAMPING), damping * HARDER)
        stalls = np.where(np.abs(progress) <= STALLED, stalls + 1, np.where(better, 0, stalls))
        exact |= better & (progress < SLOW)
        final_theta[rows], final_value[rows] = theta, here.value
        going = (stalls < 2) & (here.value > problem.floor) & (damping < MOST_DAMPING)
        if not going.any():
            break
        if going.mean() < STILL_GOING:
            problem, here = problem.chosen(going), here.chosen(going)
            rows, theta, exact = rows[going], theta[going], exact[going]
            damping, stalls = damping[going], stalls[going]
    return final_theta, final_value


def _step(
    problem: Problem, theta: np.ndarray, here: Derivatives, damping: np.ndarray
) -> np.ndarray:
    """A damped Newton step of the free parameters that no bound holds; shape of theta."""
    free = problem.free
    at_lower, at_upper = (
        theta[:, free] <= problem.lower[free],
        theta[:, free] >= problem.upper[free],
    )
    outward = np.where(here.gradient > 0, at_lower, at_upper)
    hessian, gradient = here.hessian.copy(), here.gradient
    if outward.any():
        gradient = np.where(outward, 0.0, gradient)
        hessian[outward] = 0.0
        hessian.swapaxes(1, 2)[outward] = 0.0
    index = np.arange(len(free))
    diagonal = np.abs(hessian[:, index, index])
    least = LEAST_DIAGONAL * diagonal.max(axis=1, keepdims=True) + TINY
    hessian[:, index, index] += damping[:, None] * np.maximum(diagonal, least) + outward
    solved = np.linalg.solve(hessian, -gradient[:, :, None])[:, :, 0]
    solved[~np.isfinite(solved)] = 0.0
    step = np.zeros_like(theta)
    step[:, free] = np.clip(solved, -LARGEST_STEP, LARGEST_STEP)
    return step


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
