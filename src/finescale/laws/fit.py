"""Fit a law form to groups of points, with parameters shared between groups or held."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import compress
from typing import Literal

import numpy as np

from finescale.errors import UserError
from finescale.laws.engine import Optimum, descend, minimise
from finescale.laws.forms import Form
from finescale.laws.layout import Bounds, Data, Layout
from finescale.laws.problem import Problem, derivatives

REFIT_STEPS = 50  # rows that go on are in a valley without end, and far out, wherever they stop
MOST_CONDITION = 1e7  # of the Jacobian: above it some parameters cannot be told apart

CONVERGED = "converged"
BOUND_HIT = "bound hit"
NOT_IDENTIFIED = "not identified"
DEGENERATE = "degenerate"


class Unfittable(UserError):
    """Points to which no such law can be fitted, whatever their values; `shortage` says why."""

    def __init__(self, form: Form, shortage: str) -> None:
        super().__init__(f"cannot fit the {form.name} law: {shortage}")
        self.shortage = shortage


@dataclass(frozen=True)
class Objective:
    """What a fit minimises: the sum over points of Huber(residual).

    `residuals` are raw (predicted - measured loss) or of the logarithms; without a `huber_delta`
    the fit is least squares.
    """

    residuals: Literal["raw", "log"]
    huber_delta: float | None = None

    @property
    def log(self) -> bool:
        """Whether residuals are of logarithms."""
        return self.residuals == "log"

    @property
    def delta(self) -> float:
        """Where Huber's loss turns linear."""
        return math.inf if self.huber_delta is None else self.huber_delta


PAPER = Objective("raw", 1e-3)  # arXiv 2402.17193, section 4
LOG_LEAST_SQUARES = Objective("log")


@dataclass(frozen=True)
class Fit:
    """A fitted law, and how far it can be trusted.

    `parameters` maps names to values; one that belongs to a single one of several groups is called
    `group.name`. `held` names those that were given. `status` is

    - converged;
    - bound hit: the parameters in `at_bound` ended at a bound, like an E of 0: an answer;
    - not identified: the points cannot tell the parameters apart;
    - degenerate: the best law has lost a term, or an exponent ran away.

    The last two have a `reason` and no parameters. `objective` is the weighted sum of Huber losses;
    `gradient_norm` its slope there, in logarithms of coefficients and in exponents;
    `condition_number` that of the Jacobian with columns of length 1. Of `starts`, those that looked
    best were followed to the end (`finalists`); `agreeing` of them ended at this optimum.
    """

    form: str
    status: str
    reason: str = ""
    parameters: dict[str, float] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    at_bound: tuple[str, ...] = ()
    points: int = 0
    objective: float | None = None
    gradient_norm: float | None = None
    condition_number: float | None = None
    starts: int = 0
    finalists: int = 0
    agreeing: int = 0

    @property
    def ok(self) -> bool:
        """Whether there are parameters to use."""
        return self.status in (CONVERGED, BOUND_HIT)

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
    objective: Objective,
    shared: Sequence[str] = (),
    held: Mapping[str, float] | None = None,
    bounds: Bounds | None = None,
) -> Fit:
    """Fit `form` to all groups at once, from many starts.

    Each group has its own parameters, except those named in `shared` and those in `held`, which
    keep the given values. A group called "" gives its parameters their plain names. `bounds` maps
    names to (low, high). Raises Unfittable where there are too few points, or too few distinct
    values of a variable, for the law's parameters.
    """
    layout = Layout(form, groups, tuple(shared), dict(held or {}), dict(bounds or {}))
    shortage = layout.shortage()
    if shortage:
        raise Unfittable(form, shortage)
    problem = layout.problem(objective.log, objective.delta)
    return _judged(layout, problem, minimise(problem, layout.starts(problem)))


def _judged(layout: Layout, problem: Problem, optimum: Optimum) -> Fit:
    """The optimum as a fit, with its status."""
    theta = optimum.theta[None]
    low, high = theta[0] <= problem.lower, theta[0] >= problem.upper
    at_bound = (low | high)[problem.free]
    names = list(compress(layout.free, at_bound))
    lost = [name for name in names if not layout.may_end_at(name, bool(low[layout.index[name]]))]
    condition, entangled = _condition(layout, problem, theta[0])
    if lost:
        return _failed(layout, DEGENERATE, f"{', '.join(lost)} ran to the edge of the search")
    if entangled:
        return _failed(layout, NOT_IDENTIFIED, entangled)
    slope = derivatives(problem, theta, np.ones(1, bool)).gradient[0]
    return Fit(
        form=layout.form.name,
        status=BOUND_HIT if names else CONVERGED,
        parameters={name: float(value[0]) for name, value in layout.parameters(theta).items()},
        held=tuple(layout.held),
        at_bound=tuple(names),
        points=layout.size,
        objective=optimum.value,
        gradient_norm=float(np.linalg.norm(slope[~at_bound])),
        condition_number=condition,
        starts=optimum.starts,
        finalists=optimum.finalists,
        agreeing=optimum.agreeing,
    )


def _failed(layout: Layout, status: str, reason: str) -> Fit:
    return Fit(layout.form.name, status, reason, points=layout.size)


def _condition(layout: Layout, problem: Problem, theta: np.ndarray) -> tuple[float, str]:
    """Condition number of the Jacobian, and a reason if it leaves a direction undetermined.

    Parameters at a bound count: where E may be 0 or anything, the fit does not tell.
    """
    weight = np.sqrt(problem.weights) / (problem.predict(theta[None])[0] if problem.log else 1.0)
    jacobian = problem.derivative(theta)[:, problem.free] * weight[:, None]
    scale = np.linalg.norm(jacobian, axis=0)
    if not np.all(scale > 0):
        return math.inf, "the points leave a parameter without effect"
    if not jacobian.size:
        return 1.0, ""
    _, singular, directions = np.linalg.svd(jacobian / scale, full_matrices=False)
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else math.inf
    if condition <= MOST_CONDITION:
        return condition, ""
    mixed = np.array(layout.free)[np.abs(directions[-1]) > 0.1]
    return condition, f"the points cannot tell {', '.join(mixed)} apart"


@dataclass(frozen=True)
class Refits:
    """R fits of the same law: parameters by name, (R,), and objectives, (R,)."""

    parameters: dict[str, np.ndarray]
    objective: np.ndarray


def refit_rows(
    form: Form,
    groups: Mapping[str, Data],
    fit: Fit,
    *,
    objective: Objective,
    shared: Sequence[str] = (),
    held: Mapping[str, float | np.ndarray] | None = None,
    weights: Mapping[str, np.ndarray] | None = None,
    losses: Mapping[str, np.ndarray] | None = None,
) -> Refits:
    """R fits that start at `fit`, all at once.

    Each row may have its own `weights`, which multiply the data's, or `losses`, by group (R, n),
    and its own `held` values (R,). One at least must say how many rows there are.
    """
    given = dict(held or {})
    layout = Layout(form, groups, tuple(shared), given, {})
    sizes = [len(rows) for part in (weights, losses) if part for rows in part.values()]
    sizes += [len(value) for value in given.values() if isinstance(value, np.ndarray)]
    problem = layout.problem(objective.log, objective.delta, weights, losses)
    start = layout.theta(fit.parameters | given, max(sizes))
    ends = descend(problem, start, REFIT_STEPS)
    return Refits(layout.parameters(ends.theta), ends.value)
