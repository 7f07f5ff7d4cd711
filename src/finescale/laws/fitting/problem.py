"""Huber regression of sums of power terms, many problems at once: the objective.

Coefficients of powers enter as logarithms; a constant term and onsets as they are, since they may
well be 0. The objective is the weighted SUM over points of Huber(r), where r is predicted minus
measured or the difference of their logarithms. Rows are independent problems: starts of one fit, or
resamples.
"""

from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np

ROUNDING = 1e-15  # relative error of a prediction


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

    def values(self, theta: np.ndarray) -> np.ndarray:
        """At rows of theta, (rows, 1)."""
        return self.linear.values(theta)

    def evaluate(self, theta: np.ndarray) -> Evaluated:
        """With derivatives."""
        value = self.values(theta)
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

    def values(self, theta: np.ndarray) -> np.ndarray:
        """At rows of theta, (rows, n or 1)."""
        value = np.exp(self.linear.values(theta))
        for onset, power in self.rectified:
            value = value / (onset.values(theta) + np.exp(power.values(theta)))
        return value

    def evaluate(self, theta: np.ndarray) -> Evaluated:
        """With derivatives."""
        value = np.exp(self.linear.values(theta))
        if not self.rectified:  # then it is its own derivative
            return Evaluated(value, [value], {(0, 0): value})
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
        total = reduce(np.add, [term.values(theta) for term in self.terms])
        shape = len(theta), self.loss.shape[-1]
        return total if total.shape == shape else np.broadcast_to(total, shape)

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
    """Objective (rows,), gradient (rows, free), Hessian (rows, free, free), and of each point:

    residual and curvature of its Huber loss, (rows, n), and the derivative of the residual by each
    slot, (rows, n or 1).
    """

    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    residual: np.ndarray
    curvature: np.ndarray
    jacobian: list[np.ndarray]

    @property
    def _arrays(self) -> list[np.ndarray]:
        plain = [self.value, self.gradient, self.hessian, self.residual, self.curvature]
        return plain + self.jacobian

    def chosen(self, rows: np.ndarray) -> "Derivatives":
        """Those of some rows."""
        value, gradient, hessian, residual, curvature, *jacobian = (a[rows] for a in self._arrays)
        return Derivatives(value, gradient, hessian, residual, curvature, jacobian)

    def accept(self, rows: np.ndarray, new: "Derivatives") -> None:
        """Take over the rows whose step helped."""
        for mine, other in zip(self._arrays, new._arrays, strict=True):
            np.copyto(mine, other, where=rows.reshape(-1, *[1] * (mine.ndim - 1)))


def derivatives(problem: Problem, theta: np.ndarray, exact: np.ndarray) -> Derivatives:
    """At each row of theta; the Hessian is the majoriser's where `exact` is false."""
    terms = [term.evaluate(theta) for term in problem.terms]
    predicted = reduce(np.add, [term.value for term in terms])
    residual = problem.residual(predicted)
    clipped = residual.clip(-problem.delta, problem.delta)
    slope = problem.weights * clipped
    value = np.sum(slope * (residual - 0.5 * clipped), axis=1)

    inverse = 1.0 / predicted if problem.log else None

    def scaled(values: np.ndarray) -> np.ndarray:
        """From a derivative of the law to one of the residual."""
        return values if inverse is None else values * inverse

    jacobian = [scaled(terms[slot.term].first[slot.place]) for slot in problem.slots]
    gradient = gradient_from(problem, slope, jacobian)

    curvature = problem.weights * _majoriser(residual, clipped, exact)
    second = slope * exact[:, None]
    first = curvature - second if problem.log else curvature
    hessian = np.zeros((len(theta), len(problem.free), len(problem.free)))
    for i, j, products in problem.pairs:
        one, other = problem.slots[i], problem.slots[j]
        weight = first * jacobian[i] * jacobian[j]
        bend = terms[one.term].second.get((one.place, other.place))
        if one.term == other.term and bend is not None:
            weight = weight + scaled(second * bend)
        rows, columns = one.part.columns, other.part.columns
        block = _sum_over_points(weight, products).reshape(-1, len(rows), len(columns))
        hessian[:, rows[:, None], columns] = block
        hessian[:, columns[:, None], rows] = block.transpose(0, 2, 1)
    return Derivatives(value, gradient, hessian, residual, curvature, jacobian)


def gradient_from(problem: Problem, slope: np.ndarray, jacobian: list[np.ndarray]) -> np.ndarray:
    """By the free parameters, (rows, free), from the slope at each point's residual, (rows, n)."""
    gradient = np.zeros((len(slope), len(problem.free)))
    for slot, column in zip(problem.slots, jacobian, strict=True):
        gradient[:, slot.part.columns] = _sum_over_points(slope * column, slot.part.features)
    return gradient


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
