"""A design: what is known of an interest, and the runs that would tell more."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from finescale.laws.design.precision import Noise
from finescale.laws.design.runs import Kind, Run


@dataclass(frozen=True)
class Estimate:
    """A quantity of interest with its 95% interval by the linearised law."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """A run with what it would bring.

    `width` is the interval's after the run
    over that before; `cost` in the design's unit, `relative_cost` in that of the cheapest
    candidate; `gain` the logarithm of the shrinkage (-ln width) per relative cost.
    """

    run: Run
    kind: Kind
    width: float
    cost: float
    relative_cost: float
    gain: float


@dataclass(frozen=True)
class Step:
    """One run of a plan, given those before it; `width` and `cost` are of the plan so far."""

    candidate: Candidate
    width: float
    cost: float


@dataclass(frozen=True)
class Design:
    """What is known of the interest, and which runs would tell more.

    `best_per_cost` and `best` are single runs, ranked by gain and by width, one for each method,
    base model and PET size; `plan_per_cost` and `plan` choose one run after the other, by the same
    two measures. Per cost, only runs count that take at least 1% off the width. All are empty, and
    `warnings` says what to run first, where the points do not identify the laws.
    """

    interest: str
    forms: Mapping[str, str]  # the law of each method
    estimates: tuple[Estimate, ...] = ()
    noise: Mapping[str, Noise] = field(default_factory=dict)  # by method
    best_per_cost: tuple[Candidate, ...] = ()
    best: tuple[Candidate, ...] = ()
    plan_per_cost: tuple[Step, ...] = ()
    plan: tuple[Step, ...] = ()
    cost_unit: str = ""
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def identified(self) -> bool:
        """Whether the points say anything about the interest."""
        return bool(self.estimates)

    def to_json(self) -> dict:
        """The design as JSON values."""
        return asdict(self)
