"""One law for each method over all factors that its cells vary: what advice and design rest on.

The paper fits each factor with an A and alpha of its own. To answer a question about any model
size, pretraining size and PET size at once, all factors enter one law, and all cells fit it, held
out or not: what is asked for lies outside the measured cells anyway.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from finescale.laws import noise
from finescale.laws.fitting.fit import (
    NOT_IDENTIFIED,
    Fit,
    Objective,
    Unfittable,
    fit_law,
    refit_rows,
)
from finescale.laws.fitting.layout import Data
from finescale.laws.forms import Form, Power, Term
from finescale.laws.intervals.ensemble import Ensemble
from finescale.laws.intervals.resampling import (
    BASE_MODEL,
    CELL,
    base_model_losses,
    cell_losses,
    generator,
)
from finescale.laws.points import FACTORS, Cell, coordinate

EXPONENTS = dict(zip(FACTORS, ("alpha_m", "alpha_p", "alpha_t"), strict=True))  # the paper's names


@dataclass(frozen=True)
class CombinedLaw:
    """A method's law over its factors and D, with the resamples of `scheme` (None: no resamples).

    `base` is the most common value of each factor, `ranges` the fitted range of each variable.
    """

    method: str
    shape: str
    objective: Objective
    fit: Fit
    ensemble: Ensemble
    scheme: str | None
    cells: tuple[Cell, ...]
    data: Data
    base: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that the law knows."""
        return tuple(name for name in self.ensemble.form.variables if name != "D")

    def place(self, finetuning_examples: float, **factors: float | None) -> dict[str, float]:
        """The law's variables; a factor that is not given, or None, is at its base value."""
        given = {name: value for name, value in factors.items() if value is not None}
        chosen = {name: given.get(name, self.base[name]) for name in self.factors}
        return chosen | {"D": finetuning_examples}

    def extrapolated(self, place: Mapping[str, float]) -> list[str]:
        """The variables that lie outside the range the law was fitted in."""
        tolerance = 1e-9  # of a range's end
        return [
            name
            for name, value in place.items()
            if not self.ranges[name][0] * (1 - tolerance)
            <= value
            <= self.ranges[name][1] * (1 + tolerance)
        ]

    def over_examples(self, place: Mapping[str, float]) -> Ensemble:
        """The law over D alone, its factors being fixed at `place`."""
        return sliced(self.ensemble, {name: place[name] for name in self.factors})

    def resampled(self, resamples: int) -> "CombinedLaw":
        """The law with so many resamples; without, if it is not `ok` or leaves no freedom."""
        simulated = _simulate(self, resamples) if self.fit.ok and resamples else None
        if simulated is None:
            return self
        scheme, losses = simulated
        form = self.ensemble.form
        refits = refit_rows(
            form, {"": self.data}, self.fit, objective=self.objective, losses={"": losses}
        )
        ensemble = Ensemble(form, self.fit.parameters, refits.parameters)
        return replace(self, scheme=scheme, ensemble=ensemble)


def over_factors(shape: Form, factors: Sequence[str]) -> Form:
    """The form with its X replaced by the factors: as powers of one term, or a term for each."""
    names = {factor: "alpha" if len(factors) == 1 else EXPONENTS[factor] for factor in factors}
    terms: list[Term] = []
    for term in shape.terms:
        others = tuple(power for power in term.powers if power.variable != "X")
        powers = [Power(factor, names[factor]) for factor in factors]
        if len(others) == len(term.powers):
            terms.append(term)
        elif others:
            terms.append(Term(term.coefficient, (*powers, *others)))
        else:
            suffix = "" if len(factors) == 1 else "_{}"
            terms += [
                Term(term.coefficient + suffix.format(power.exponent[-1]), (power,))
                for power in powers
            ]
    return Form(shape.name, tuple(terms))


def varied_factors(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The factors that vary while all before them stay: others have no effect to be told.

    Where each model size saw its own number of tokens, say, model size speaks for both.
    """
    varied = []
    for index, factor in enumerate(FACTORS):
        seen: dict[tuple, set] = {}
        for cell in cells:
            fixed = tuple(coordinate(cell, other) for other in FACTORS[:index])
            seen.setdefault(fixed, set()).add(coordinate(cell, factor))
        if None not in set().union(*seen.values()) and any(len(x) > 1 for x in seen.values()):
            varied.append(factor)
    return tuple(varied)


def fit_combined(
    cells: Sequence[Cell],
    shape: Form,
    *,
    model_size_as: str,
    objective: Objective,
    resamples: int,
    seed_weights: bool = True,
) -> CombinedLaw:
    """The law of one method's cells, weighted by their seeds if asked, with its resamples.

    A law that the cells cannot fix has a fit that is not `ok`, and no resamples.
    """
    factors = varied_factors(cells)
    form = over_factors(shape, factors)
    data = combined_data(cells, factors, model_size_as, objective, seed_weights)
    try:
        fit = fit_law(form, {"": data}, objective=objective)
    except Unfittable as error:
        fit = Fit(form.name, NOT_IDENTIFIED, error.shortage, points=len(cells))
    law = CombinedLaw(
        method=cells[0].method,
        shape=shape.name,
        objective=objective,
        fit=fit,
        ensemble=Ensemble(form, fit.parameters),
        scheme=None,
        cells=tuple(cells),
        data=data,
        base={name: most_common(data.variables[name]) for name in factors},
        ranges={
            name: (float(values.min()), float(values.max()))
            for name, values in data.variables.items()
        },
    )
    return law.resampled(resamples)


def combined_data(
    cells: Sequence[Cell],
    factors: Sequence[str],
    model_size_as: str,
    objective: Objective,
    seed_weights: bool = True,
) -> Data:
    """What the law is fitted to."""
    variables = {
        name: np.array([cell.x(name, model_size_as) for cell in cells]) for name in factors
    }
    variables["D"] = np.array([float(cell.finetuning_examples) for cell in cells])
    weights = noise.seed_weights(cells, objective.log) if seed_weights else None
    return Data(np.array([cell.loss for cell in cells]), variables, weights)


def base_model(cell: Cell) -> tuple[int | None, int | None]:
    """What tells the base models of one family apart: size and pretraining tokens."""
    return coordinate(cell, FACTORS[0]), cell.pretraining_tokens


def freedom_spent(form: Form) -> tuple[int, int]:
    """How many parameters are fitted to differences between base models, and within them."""
    between = 1 + sum(power.variable in FACTORS[:2] for power in form.powers)
    return between, len(form.parameters) - between


def most_common(values: Iterable[float]) -> float:
    """The most common value, the largest of several."""
    counts = Counter(map(float, values))
    return max(counts, key=lambda value: (counts[value], value))


def sliced(law: Ensemble, fixed: Mapping[str, float]) -> Ensemble:
    """The law over its other variables: the powers of those that are fixed join coefficients."""
    split = {
        term.coefficient: [
            tuple(power for power in term.powers if (power.variable in fixed) == is_fixed)
            for is_fixed in (False, True)
        ]
        for term in law.form.terms
    }
    form = Form(law.form.name, tuple(Term(name, kept) for name, (kept, _) in split.items()))

    def parameters(values: Mapping[str, Any]) -> dict[str, Any]:
        joined = {
            name: Form(name, (Term(name, gone),)).predict(values, **fixed)
            for name, (_, gone) in split.items()
        }
        return {name: joined.get(name, values[name]) for name in form.parameters}

    resamples = parameters(law.resamples) if law.resamples else {}
    return Ensemble(form, parameters(law.parameters), resamples)


def _simulate(law: CombinedLaw, resamples: int) -> tuple[str, np.ndarray] | None:
    """The scheme that the cells allow, and its losses (R, cells); None where they allow none."""
    form, measured = law.ensemble.form, law.data.loss
    predicted = law.ensemble.predict(**law.data.variables)
    # by what was measured: the name of a method says nothing about it
    rng = generator("combined", form.name, measured.tobytes().hex())
    spent_between, spent_within = freedom_spent(form)
    losses = base_model_losses(
        measured,
        predicted,
        [base_model(cell) for cell in law.cells],
        spent_between=spent_between,
        spent_within=spent_within,
        resamples=resamples,
        rng=rng,
    )
    if losses is not None:
        return BASE_MODEL, losses
    freedom = len(law.cells) - len(form.parameters)
    if freedom < 1:
        return None
    variance = float(np.sum(np.log(measured / predicted) ** 2)) / freedom
    return CELL, cell_losses(predicted, variance, freedom, resamples, rng)
