"""What an experimenter may want to know better, as a function of the laws' parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from finescale.errors import UserError
from finescale.laws.advice.combined import CombinedLaw
from finescale.laws.advice.question import NAMES
from finescale.laws.critical.crossing import Crossing, compare
from finescale.laws.intervals.ensemble import Ensemble

Laws = Mapping[str, CombinedLaw]  # by method
Rows = Mapping[str, np.ndarray]  # by method, derivatives of the logarithm of its loss
SLOPE_STEP = 1e-5  # of log D, either way


@dataclass(frozen=True)
class Question:
    """An interest put to fitted laws: `names` and `values` of its quantities, (m,).

    Errors are of the logarithms of `values` if `logarithmic`. `gradient` gives the quantities'
    derivatives by the parameters of all methods side by side, (m, parameters), from those of each
    law at its place in `places`.
    """

    names: tuple[str, ...]
    values: np.ndarray
    logarithmic: bool
    places: Mapping[str, Mapping[str, float]]
    gradient: Callable[[Rows], np.ndarray]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loss:
    """The loss of a method, nats per token; factors that `at` leaves out are at their base."""

    method: str
    finetuning_examples: float
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Whose laws it takes."""
        return (self.method,)

    def ask(self, laws: Laws) -> Question:
        """The loss, its error that of a logarithm."""
        law = laws[self.method]
        place = law.place(self.finetuning_examples, **self.at)
        return Question(
            names=("loss",),
            values=law.ensemble.predict(**place)[None],
            logarithmic=True,
            places={self.method: place},
            gradient=lambda rows: rows[self.method][None],
            warnings=_outside({self.method: place}, laws),
        )


@dataclass(frozen=True)
class Difference:
    """The loss of the first method minus that of the second, nats per token."""

    first: str
    second: str
    finetuning_examples: float
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Whose laws it takes."""
        return self.first, self.second

    def ask(self, laws: Laws) -> Question:
        """The difference, by the errors of both losses."""
        places = {
            method: laws[method].place(self.finetuning_examples, **self.at)
            for method in self.methods
        }
        first, second = (laws[method].ensemble.predict(**places[method]) for method in self.methods)
        return Question(
            names=("difference",),
            values=(first - second)[None],
            logarithmic=False,
            places=places,
            gradient=lambda rows: np.concatenate(
                [first * rows[self.first], -second * rows[self.second]]
            )[None],
            warnings=_outside(places, laws),
        )


@dataclass(frozen=True)
class CriticalSize:
    """The number of finetuning examples at which the better of two methods changes."""

    first: str
    second: str
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Whose laws it takes."""
        return self.first, self.second

    def ask(self, laws: Laws) -> Question:
        """The crossing inside the fitted range, or next to it, by the delta method on log D.

        At the crossing the difference h of the logarithms is 0 whatever the parameters, so that
        d log D = -(dh/d parameters) / (dh/d log D).
        """
        curves = [
            laws[method].over_examples(laws[method].place(1.0, **self.at))
            for method in self.methods
        ]
        crossing, others = self._crossing(laws, curves)
        places = {method: laws[method].place(crossing.size, **self.at) for method in self.methods}
        sizes = crossing.size * np.exp([-SLOPE_STEP, SLOPE_STEP])
        heights = np.log(curves[0].predict(D=sizes) / curves[1].predict(D=sizes))
        slope = (heights[1] - heights[0]) / (2 * SLOPE_STEP)
        return Question(
            names=("critical size",),
            values=np.array([crossing.size]),
            logarithmic=True,
            places=places,
            gradient=lambda rows: (
                np.concatenate([-rows[self.first], rows[self.second]])[None] / slope
            ),
            warnings=(*others, *_outside(places, laws)),
        )

    def _crossing(self, laws: Laws, curves: list[Ensemble]) -> tuple[Crossing, list[str]]:
        ranges = [laws[method].ranges["D"] for method in self.methods]
        fitted = max(low for low, _ in ranges), min(high for _, high in ranges)
        (found,) = compare(*curves, at={}, fitted=fitted)
        if not found.crossings:
            better = {"first": self.first, "second": self.second}.get(found.better or "")
            raise UserError(
                f"{self.first} and {self.second} have no critical size there:"
                f" {f'{better} is better' if better else 'they are equal'} at any data size."
                " Ask for their difference at the data size of interest"
            )
        middle = np.mean(np.log(fitted))
        nearest = min(found.crossings, key=lambda c: (c.extrapolated, abs(np.log(c.size) - middle)))
        others = [f"{c.size:.3g}" for c in found.crossings if c is not nearest]
        return nearest, [f"the laws also meet at {', '.join(others)} examples"] if others else []


@dataclass(frozen=True)
class Exponents:
    """All alphas and beta of a method."""

    method: str

    @property
    def methods(self) -> tuple[str, ...]:
        """Whose law it takes."""
        return (self.method,)

    def ask(self, laws: Laws) -> Question:
        """The exponents, each with an error of its own."""
        law = laws[self.method]
        form = law.ensemble.form
        names = tuple(form.exponents)
        unit = np.eye(len(form.parameters))[[form.parameters.index(name) for name in names]]
        return Question(
            names=names,
            values=np.array([law.fit.parameters[name] for name in names]),
            logarithmic=False,
            places={self.method: law.place(law.ranges["D"][1])},
            gradient=lambda rows: unit,
        )


Interest = Loss | Difference | CriticalSize | Exponents


def _outside(places: Mapping[str, Mapping[str, float]], laws: Laws) -> tuple[str, ...]:
    """A warning where a place is outside what a law was fitted to."""
    beyond = {name for method, place in places.items() for name in laws[method].extrapolated(place)}
    names = sorted(NAMES[name] for name in beyond)
    return (f"outside the measured range of {', '.join(names)}",) if names else ()
