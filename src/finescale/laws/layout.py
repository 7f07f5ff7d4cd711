"""Where each parameter of a fit sits in the engine's theta, and how the data are centred.

Coefficients of powers enter as logarithms, all else as it is. The logarithms of the variables are
centred on each group's mean, since log A and alpha are otherwise almost perfectly correlated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from finescale.errors import UserError
from finescale.laws.forms import Form, Power, Term
from finescale.laws.problem import Constant, Linear, Problem, Product

Bounds = Mapping[str, tuple[float, float]]

EXPONENT_STARTS = (-0.1, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FEWER_EXPONENT_STARTS = (0.003, 0.03, 0.3)  # where there are many exponents
MANY_EXPONENTS = 4
ONSET_STARTS = (0.01, 0.5, 5.0)  # as a multiple of the power at the data's centre
EXPONENT_BOUND = 10.0
SMALLEST_COEFFICIENT = 1e-6  # of the smallest loss: a term below it is as good as absent
LARGEST_COEFFICIENT = 1e6  # of the largest loss, at the centre of the data
ONSET_BOUND = 1e6  # times the power at the data's centre


@dataclass(frozen=True)
class Data:
    """Points of one group: the loss (n,), each variable of the form (n,), and their weights."""

    loss: np.ndarray
    variables: Mapping[str, np.ndarray]
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        checked = {"loss": self.loss, **self.variables}
        for name, values in (checked | {"weights": self.weight}).items():
            if not np.all(np.isfinite(values) & (np.asarray(values) > 0)):
                raise UserError(f"cannot fit a law: {name} must be finite and positive: {values}")

    @property
    def weight(self) -> np.ndarray:
        """The weights; 1 for each point where none are given."""
        return np.ones(len(self.loss)) if self.weights is None else self.weights


class Layout:
    """The columns of theta: all parameters of all groups, held ones included."""

    def __init__(
        self,
        form: Form,
        groups: Mapping[str, Data],
        shared: Sequence[str],
        held: Mapping[str, float | np.ndarray],
        bounds: Bounds,
    ) -> None:
        self.form, self.groups = form, groups
        self.shared, self.held, self.bounds = tuple(shared), dict(held), dict(bounds)
        names = [self.name(group, name) for group in groups for name in form.parameters]
        self.names = list(dict.fromkeys(names))
        self.index = {name: column for column, name in enumerate(self.names)}
        self.free = [name for name in self.names if name not in self.held]
        self.logarithmic = {term.coefficient for term in form.terms if term.powers}

    def name(self, group: str, parameter: str) -> str:
        """What a group's parameter is called."""
        common = parameter in self.shared or parameter in self.held or not group
        return parameter if common else f"{group}.{parameter}"

    def _own(self, name: str) -> str:
        """The form's name of a parameter."""
        return name.rpartition(".")[2]

    @cached_property
    def loss(self) -> np.ndarray:
        """The losses of all groups, (n,)."""
        return np.concatenate([data.loss for data in self.groups.values()] or [np.empty(0)])

    @property
    def size(self) -> int:
        """The number of points."""
        return len(self.loss)

    def shortage(self) -> str:
        """A reason if the points are too few by a plain count, else an empty string."""
        if not self.size:
            return "no points"
        if self.size < len(self.free):
            return f"{self.size} points for {len(self.free)} parameters"
        for power in self.form.powers:
            for group, data in self.groups.items():
                distinct = len(np.unique(data.variables[power.variable]))
                needed = self._needed(group, power)
                if distinct < needed:
                    found = f"{distinct} distinct value{'s' * (distinct != 1)}"
                    return f"{found} of {power.variable}, {needed} needed"
        return ""

    def _needed(self, group: str, power: Power) -> int:
        """Distinct values for an exponent: curvature, hence three, if it must also tell E."""
        if self.name(group, power.exponent) in self.held:
            return 1
        last = power == self.form.powers[-1]
        tells_level = last and "E" in self.form.coefficients and "E" not in self.held
        return 2 + tells_level + (power.onset is not None)

    def problem(
        self,
        log: bool,
        delta: float,
        weights: Mapping[str, np.ndarray] | None = None,
        losses: Mapping[str, np.ndarray] | None = None,
    ) -> Problem:
        """The engine's arrays; `weights` (times the data's) and `losses` by group, (R, n)."""
        own = np.concatenate([data.weight for data in self.groups.values()])
        lower, upper = np.transpose([self._edges(name) for name in self.names])
        return Problem(
            terms=tuple(self._term(term) for term in self.form.terms),
            loss=self._joined(losses) if losses else self.loss,
            weights=own * self._joined(weights) if weights else own,
            lower=lower,
            upper=upper,
            free=np.array([self.index[name] for name in self.free], int),
            log=log,
            delta=delta,
        )

    def _joined(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([rows[group] for group in self.groups], axis=1)

    def _term(self, term: Term) -> Constant | Product:
        plain = [power for power in term.powers if not power.onset]
        linear = self._linear(term, (term.coefficient, *(power.exponent for power in plain)))
        if not term.powers:
            return Constant(linear)
        pairs = [
            (self._linear(term, (power.onset,)), self._linear(term, (power.exponent,), 1.0))
            for power in term.powers
            if power.onset
        ]
        return Product(linear, tuple(pairs))

    def _linear(self, term: Term, parameters: Sequence[str], sign: float = -1.0) -> Linear:
        """Over all groups; exponents multiply the centred logarithm of their variable, `sign`ed."""
        power_of = {power.exponent: power for power in term.powers}
        features = np.zeros((self.size, len(self.names)))
        first = 0
        for group, data in self.groups.items():
            rows = slice(first, first + len(data.loss))
            first = rows.stop
            for name in parameters:
                column = self.index[self.name(group, name)]
                if name in power_of:
                    values = np.log(data.variables[power_of[name].variable])
                    features[rows, column] = sign * (
                        values - self._centre(group, term, power_of[name])
                    )
                else:
                    features[rows, column] = 1.0
        columns = np.flatnonzero(features.any(axis=0))
        features = features[:, columns]
        return Linear(columns, features[:1] if np.all(features == features[0]) else features)

    def _centre(self, group: str, term: Term, power: Power) -> float:
        """Where the logarithm of a power's variable is 0 in theta."""
        for name in filter(None, (term.coefficient, power.onset)):
            fixed = name in self.held or self._given_bounds(self.name(group, name))
            if fixed or name in self.shared:
                return 0.0  # such a parameter is not this group's to shift
        return float(np.mean(np.log(self.groups[group].variables[power.variable])))

    def _edges(self, name: str) -> tuple[float, float]:
        """The bounds of a parameter in theta."""
        own, given = self._own(name), self._given_bounds(name)
        if own in self.logarithmic:
            low = np.log(SMALLEST_COEFFICIENT * self.loss.min())
            high = np.log(LARGEST_COEFFICIENT * self.loss.max())
            return tuple(np.log(np.maximum(given, np.exp(low)))) if given else (low, high)
        if own in self.form.exponents:
            return given or (-EXPONENT_BOUND, EXPONENT_BOUND)
        return given or (0.0, ONSET_BOUND if own in self.form.onsets else float(self.loss.max()))

    def _given_bounds(self, name: str) -> tuple[float, float] | None:
        return self.bounds.get(name) or self.bounds.get(self._own(name))

    def may_end_at(self, name: str, low: bool) -> bool:
        """Whether a bound is an answer: one that was given, an E of 0, a power without onset."""
        vanishing = self._own(name) not in self.logarithmic | set(self.form.exponents)
        return self._given_bounds(name) is not None or (low and vanishing)

    def starts(self, problem: Problem) -> np.ndarray:
        """Starts of theta, (starts, parameters): a grid over exponents and onsets.

        Given these the law is linear in its coefficients, which come from non-negative least
        squares of relative residuals.
        """
        scanned = [name for name in self.free if self._own(name) not in self.form.coefficients]
        solved = np.array([self.index[name] for name in self.free if name not in scanned], int)
        few = sum(self._own(name) in self.form.exponents for name in scanned) >= MANY_EXPONENTS
        grids = [self._start_values(name, few) for name in scanned]
        count = math.prod(len(grid) for grid in grids)
        starts = self.theta(dict.fromkeys(self.names, 1.0) | self.held, count)
        for name, values in zip(scanned, np.transpose(list(product(*grids))), strict=True):
            starts[:, self.index[name]] = values
        if len(solved):
            starts[:, solved] = self._coefficients(problem, starts, solved)
        return starts

    def _start_values(self, name: str, few: bool) -> Sequence[float]:
        if self._own(name) in self.form.onsets:
            return ONSET_STARTS
        return FEWER_EXPONENT_STARTS if few else EXPONENT_STARTS

    def _coefficients(self, problem: Problem, starts: np.ndarray, solved: np.ndarray) -> np.ndarray:
        """The coefficients that fit best beside each start's other values, as theta has them.

        Those of the starts are 1.
        """
        from scipy.optimize import nnls  # a third of importing this package, and only for fits

        columns = np.zeros((len(starts), self.size, len(solved)))
        rest = np.zeros((len(starts), self.size))
        for term in problem.terms:
            found = term.evaluate(starts)
            rest += found.value
            for place, column in enumerate(solved):
                of_its_group = term.linear.features[:, term.linear.columns == column]
                columns[:, :, place] += found.first[0] * of_its_group.sum(axis=1)
        rest -= columns.sum(axis=2)
        goals = np.maximum(1 - rest / self.loss, 0)
        values = np.array(
            [
                nnls(row, goal)[0]
                for row, goal in zip(columns / self.loss[:, None], goals, strict=True)
            ]
        )
        for place, column in enumerate(solved):
            if self._own(self.names[column]) in self.logarithmic:
                values[:, place] = np.log(
                    np.maximum(values[:, place], np.exp(problem.lower[column]))
                )
        return values

    def theta(self, parameters: Mapping[str, float | np.ndarray], rows: int) -> np.ndarray:
        """The inverse of `parameters`, (rows, parameters)."""
        theta = np.empty((rows, len(self.names)))
        for name in self.names:
            value = np.asarray(parameters[name], float)
            theta[:, self.index[name]] = (
                np.log(value) if self._own(name) in self.logarithmic else value
            )
        for name, exponents in self._shifts.items():
            shift = sum(theta[:, self.index[exponent]] * centre for exponent, centre in exponents)
            if self._own(name) in self.logarithmic:
                theta[:, self.index[name]] -= shift
            else:
                theta[:, self.index[name]] *= np.exp(-shift)
        return theta

    def parameters(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Values by name, (rows,), centring undone, held ones included."""
        values = {name: theta[:, column].copy() for name, column in self.index.items()}
        for name in self.names:
            exponents = self._shifts.get(name, [])
            shift = sum(theta[:, self.index[exponent]] * centre for exponent, centre in exponents)
            if self._own(name) in self.logarithmic:
                values[name] = np.exp(values[name] + shift)
            elif exponents:
                values[name] = values[name] * np.exp(shift)
        return values

    @cached_property
    def _shifts(self) -> dict[str, list[tuple[str, float]]]:
        """What centring adds to each coefficient and onset: (exponent, centre of its variable)."""
        shifts: dict[str, list[tuple[str, float]]] = {}
        for group in self.groups:
            for term in self.form.terms:
                for power in term.powers:
                    shift = self.name(group, power.exponent), self._centre(group, term, power)
                    for shifted in filter(None, (term.coefficient, power.onset)):
                        shifts.setdefault(self.name(group, shifted), []).append(shift)
        return shifts
