"""One law for each method over all factors that its cells vary: what advice and design rest on.

The paper fits each factor with an A and alpha of its own. To answer a question about any model
size, pretraining size and PET size at once, all factors enter one law, and all cells fit it, held
out or not: what is asked for lies outside the measured cells anyway.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finescale.laws.ensemble import Ensemble
from finescale.laws.fit import NOT_IDENTIFIED, Fit, Objective, Unfittable, fit_law, refit_rows
from finescale.laws.forms import Form, Power, Term
from finescale.laws.layout import Data
from finescale.laws.noise import seed_weights
from finescale.laws.points import FACTORS, Cell, coordinate
from finescale.laws.resampling import (
    BASE_MODEL,
    CELL,
    base_model_losses,
    cell_losses,
    generator,
)

EXPONENTS = dict(zip(FACTORS, ("alpha_m", "alpha_p", "alpha_t"), strict=True))  # the paper's names


@dataclass(frozen=True)
class CombinedLaw:
    """A method's law over its factors and D, with the resamples of `scheme`.

    `base` is the most common value of each factor, `ranges` the fitted range of each variable.
    """

    method: str
    shape: str
    fit: Fit
    ensemble: Ensemble
    scheme: str
    cells: tuple[Cell, ...]
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
) -> CombinedLaw:
    """The law of one method's cells, weighted by their seeds, with its resamples.

    A law that the cells cannot fix has a fit that is not `ok`, and no resamples.
    """
    factors = varied_factors(cells)
    form = over_factors(shape, factors)
    data = combined_data(cells, factors, model_size_as, objective)
    try:
        fit = fit_law(form, {"": data}, objective=objective)
    except Unfittable as error:
        fit = Fit(form.name, NOT_IDENTIFIED, error.shortage, points=len(cells))
    scheme, losses = CELL, None
    if fit.ok and resamples:
        scheme, losses = _simulate(cells, form, fit, data, resamples)
    found = (
        refit_rows(form, {"": data}, fit, objective=objective, losses={"": losses}).parameters
        if losses is not None
        else {}
    )
    return CombinedLaw(
        method=cells[0].method,
        shape=shape.name,
        fit=fit,
        ensemble=Ensemble(form, fit.parameters, found),
        scheme=scheme,
        cells=tuple(cells),
        base={name: _most_common(data.variables[name]) for name in factors},
        ranges={
            name: (float(values.min()), float(values.max()))
            for name, values in data.variables.items()
        },
    )


def combined_data(
    cells: Sequence[Cell], factors: Sequence[str], model_size_as: str, objective: Objective
) -> Data:
    """What the law is fitted to."""
    variables = {
        name: np.array([cell.x(name, model_size_as) for cell in cells]) for name in factors
    }
    variables["D"] = np.array([float(cell.finetuning_examples) for cell in cells])
    losses = np.array([cell.loss for cell in cells])
    return Data(losses, variables, seed_weights(cells, objective.log))


def _most_common(values: np.ndarray) -> float:
    """The most common value, the largest of several."""
    counts = Counter(values.tolist())
    return max(counts, key=lambda value: (counts[value], value))


def _simulate(
    cells: Sequence[Cell], form: Form, fit: Fit, data: Data, resamples: int
) -> tuple[str, np.ndarray | None]:
    """The scheme that the cells allow, and its losses (R, cells); None where they allow none."""
    rng = generator(cells[0].method, "combined", form.name)
    law = form.predict(fit.parameters, **data.variables)
    of_base_models = sum(power.variable in FACTORS[:2] for power in form.powers)
    losses = base_model_losses(
        data.loss,
        law,
        [(coordinate(cell, FACTORS[0]), cell.pretraining_tokens) for cell in cells],
        spent_between=of_base_models + 1,
        spent_within=len(form.parameters) - of_base_models - 1,
        resamples=resamples,
        rng=rng,
    )
    if losses is not None:
        return BASE_MODEL, losses
    freedom = len(cells) - len(form.parameters)
    if freedom < 1:
        return CELL, None
    variance = float(np.sum(np.log(data.loss / law) ** 2)) / freedom
    return CELL, cell_losses(law, variance, freedom, resamples, rng)
