"""Fit a law form to groups of points, with parameters shared between groups or held."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import compress, product

import numpy as np
from scipy.optimize import nnls

from finescale.laws.engine import Problem, minimise
from finescale.laws.forms import Form, Term

EXPONENT_STARTS = (-0.1, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
EXPONENT_BOUND = 10.0
SMALLEST_COEFFICIENT = 1e-6  # of the smallest loss: a term below it is as good as absent
LARGEST_COEFFICIENT = 1e6  # of the largest loss, at the centre of the data
SMALLEST_SINGULAR_VALUE = 1e-7  # of the largest: below it some parameters cannot be told apart

OK = "ok"
NOT_IDENTIFIED = "not identified"


@dataclass(frozen=True)
class Data:
    """Points of one group: `X` (unless the form has none), `D` (ditto) and the loss, shape (n,)."""

    loss: np.ndarray
    variables: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for name, values in {"loss": self.loss, **self.variables}.items():
            if not np.all(np.isfinite(values) & (np.asarray(values) > 0)):
                raise ValueError(f"cannot fit a law: {name} must be finite and positive: {values}")


@dataclass(frozen=True)
class Fit:
    """A fitted law, or why there is none.

    `parameters` maps names to values; a parameter that belongs to one of several groups is called
    `group.name`. `held` names those that were given; `at_bound` is ("E",) where the fit drove E to
    0, which is an answer, while any other parameter at an edge makes the law not identified.
    `objective` is the sum of Huber losses; `agreeing` of the `starts` ended at it.
    """

    form: str
    status: str
    reason: str = ""
    parameters: dict[str, float] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    at_bound: tuple[str, ...] = ()
    points: int = 0
    objective: float | None = None
    starts: int = 0
    agreeing: int = 0

    @property
    def ok(self) -> bool:
        """Whether there are parameters to use."""
        return self.status == OK

    def to_json(self) -> dict:
        """The fit as JSON values."""
        return asdict(self) | {"held": list(self.held), "at_bound": list(self.at_bound)}

    @classmethod
    def from_json(cls, values: Mapping) -> "Fit":
        """The inverse of `to_json`."""
        lists = {name: tuple(values[name]) for name in ("held", "at_bound")}
        return cls(**{**values, **lists})


def fit_law(
    form: Form,
    groups: Mapping[str, Data],
    *,
    delta: float,
    shared: tuple[str, ...] = (),
    held: Mapping[str, float] | None = None,
) -> Fit:
    """Fit `form` to all groups at once.

    Each group has its own parameters, except those named in `shared` and those in `held`, which
    keep the given values. A group called "" gives its parameters their plain names.
    Returns status "not identified", never an exception, where the points cannot fix the law.
    """
    layout = _Layout(form, groups, shared, dict(held or {}))
    reason = layout.shortage()
    if not reason:
        problem = layout.problem()
        optimum = minimise(problem, layout.starts(problem), delta)
        at_bound = (optimum.theta <= problem.lower) | (optimum.theta >= problem.upper)
        escaped = [name for name in compress(layout.free, at_bound) if name != "E"]
        if escaped:
            reason = f"{', '.join(escaped)} ran to the edge of the search"
        else:
            reason = _entangled(problem, optimum.theta, at_bound, layout.free)
    if reason:
        return Fit(form.name, NOT_IDENTIFIED, reason, points=layout.size)
    return Fit(
        form=form.name,
        status=OK,
        parameters=layout.parameters(optimum.theta),
        held=tuple(layout.held),
        at_bound=tuple(compress(layout.free, at_bound)),
        points=layout.size,
        objective=optimum.objective,
        starts=optimum.starts,
        agreeing=optimum.agreeing,
    )


def _entangled(problem: Problem, theta: np.ndarray, at_bound: np.ndarray, names: list[str]) -> str:
    """A reason if some direction of the free parameters leaves every prediction unchanged."""
    jacobian = problem.jacobian(theta)[:, ~at_bound]
    scale = np.linalg.norm(jacobian, axis=0)
    if not np.all(scale > 0):
        return "the points leave a parameter without effect"
    _, singular, directions = np.linalg.svd(jacobian / scale)
    if singular[-1] > SMALLEST_SINGULAR_VALUE * singular[0]:
        return ""
    kept = np.array(names)[~at_bound]
    mixed = kept[np.abs(directions[-1]) > 0.1]
    return f"the points cannot tell {', '.join(mixed)} apart"


class _Layout:
    """Where each parameter sits in the engine's theta, and how the data are centred.

    Coefficients enter as logarithms; log X and log D are centred on each group's mean, since
    log A and alpha are otherwise almost perfectly correlated.
    """

    def __init__(
        self,
        form: Form,
        groups: Mapping[str, Data],
        shared: tuple[str, ...],
        held: dict[str, float],
    ) -> None:
        self.form, self.groups, self.shared, self.held = form, groups, shared, held
        names = [self.name(group, name) for group in groups for name in form.parameters]
        self.free = [name for name in dict.fromkeys(names) if name not in held]
        self.loss = np.concatenate([data.loss for data in groups.values()] or [np.empty(0)])
        self.size = len(self.loss)

    def name(self, group: str, parameter: str) -> str:
        common = parameter in self.shared or parameter in self.held or not group
        return parameter if common else f"{group}.{parameter}"

    def shortage(self) -> str:
        """A reason if the points are too few by a plain count, else an empty string."""
        if not self.size:
            return "no points"
        if self.size < len(self.free):
            return f"{self.size} points for {len(self.free)} parameters"
        for exponent, variable in self.form.exponents.items():
            for group, data in self.groups.items():
                distinct = len(np.unique(data.variables[variable]))
                needed = self._needed(group, exponent)
                if distinct < needed:
                    return f"{distinct} distinct values of {variable}, {needed} needed"
        return ""

    def _needed(self, group: str, exponent: str) -> int:
        """Distinct values for an exponent: curvature, hence three, if it must also tell E."""
        if self.name(group, exponent) in self.held:
            return 1
        only_one = len(self.form.exponents) == 1
        return 3 if "E" not in self.held and (exponent == "beta" or only_one) else 2

    def problem(self) -> Problem:
        """The engine's arrays."""
        index = {name: column for column, name in enumerate(self.free)}
        shape = (len(self.form.terms), self.size)
        features, offsets = np.zeros((*shape, len(self.free))), np.zeros(shape)
        first = 0
        for group, data in self.groups.items():
            rows = slice(first, first + len(data.loss))
            first = rows.stop
            for k, term in enumerate(self.form.terms):
                for name, values in self._columns(group, data, term):
                    if name in index:
                        features[k, rows, index[name]] += values
                    else:
                        offsets[k, rows] += values * self._held_value(name)
        lower, upper = self._bounds()
        return Problem(features, offsets, self.loss, lower, upper)

    def _columns(self, group: str, data: Data, term: Term) -> Iterator[tuple[str, np.ndarray]]:
        """(parameter, its factor in the term's logarithm) for one term of one group."""
        yield self.name(group, term.coefficient), np.ones(len(data.loss))
        for variable, exponent in term.exponents:
            centre = self._centre(group, term, variable)
            yield self.name(group, exponent), centre - np.log(data.variables[variable])

    def _centre(self, group: str, term: Term, variable: str) -> float:
        coefficient = self.name(group, term.coefficient)
        if coefficient in self.held or coefficient in self.shared:
            return 0.0  # such a coefficient is not this group's to shift
        return float(np.mean(np.log(self.groups[group].variables[variable])))

    def _is_coefficient(self, name: str) -> bool:
        return name.rpartition(".")[2] in self.form.coefficients

    def _held_value(self, name: str) -> float:
        value = self.held[name]
        return float(np.log(value)) if self._is_coefficient(name) else value

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        coefficient = np.array([self._is_coefficient(name) for name in self.free])
        low = np.log(SMALLEST_COEFFICIENT * self.loss.min())
        high = np.log(LARGEST_COEFFICIENT * self.loss.max())
        return (
            np.where(coefficient, low, -EXPONENT_BOUND),
            np.where(coefficient, high, EXPONENT_BOUND),
        )

    def starts(self, problem: Problem) -> np.ndarray:
        """A grid over the exponents; given them the law is linear in its coefficients, so these
        come from non-negative least squares. Shape (starts, parameters)."""
        coefficient = np.array([self._is_coefficient(name) for name in self.free])
        starts = []
        for exponents in product(EXPONENT_STARTS, repeat=int((~coefficient).sum())):
            theta = np.zeros(len(self.free))
            theta[~coefficient] = exponents
            columns = problem.jacobian(theta)[:, coefficient]
            fixed = problem.terms(theta).sum(0) - columns.sum(1)
            values, _ = nnls(columns, np.maximum(self.loss - fixed, 0))
            theta[coefficient] = np.log(np.maximum(values, np.exp(problem.lower[coefficient])))
            starts.append(theta)
        return np.array(starts)

    def parameters(self, theta: np.ndarray) -> dict[str, float]:
        """Values by name, centring undone, held ones included."""
        free = dict(zip(self.free, theta.tolist(), strict=True))
        values = free | self.held
        for group in self.groups:
            for term in self.form.terms:
                name = self.name(group, term.coefficient)
                if name not in free:
                    continue
                values[name] = float(np.exp(free[name] + self._shift(group, term, values)))
        return {name: float(value) for name, value in values.items()}

    def _shift(self, group: str, term: Term, values: Mapping[str, float]) -> float:
        return sum(
            values[self.name(group, exponent)] * self._centre(group, term, variable)
            for variable, exponent in term.exponents
        )
