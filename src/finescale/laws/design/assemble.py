"""The measured cells and the candidates of several methods, side by side in one linear model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from finescale.laws.advice.combined import CombinedLaw
from finescale.laws.design.interests import Question
from finescale.laws.design.precision import (
    ErrorModel,
    Knowledge,
    derivatives,
    knowledge,
)
from finescale.laws.design.runs import Run, candidates, run_of


@dataclass(frozen=True)
class Rows:
    """One method's cells with their number of seeds, its candidates, and the place asked about.

    `derivatives` are of the logarithm of the loss at all of these, in that order, by the law's
    parameters; its last row is of the place.
    """

    model: ErrorModel
    cells: tuple[Run, ...]
    seeds: tuple[int, ...]
    candidates: tuple[Run, ...]
    derivatives: np.ndarray

    @classmethod
    def of(
        cls, law: CombinedLaw, model: ErrorModel, place: Mapping[str, float], model_size_as: str
    ) -> "Rows":
        """The rows of a fitted law."""
        cells = tuple(run_of(cell, model_size_as) for cell in law.cells)
        offered = tuple(candidates(cells, law.base))
        variables = {
            name: np.array([getattr(run, name) for run in cells + offered] + [place[name]])
            for name in law.factors
        }
        examples = [run.finetuning_examples for run in cells + offered]
        variables["D"] = np.array([*examples, place["D"]])
        seeds = tuple(len(cell.losses) for cell in law.cells)
        return cls(model, cells, seeds, offered, derivatives(law, variables))

    @property
    def at_place(self) -> np.ndarray:
        """The derivatives at the place asked about, (parameters,)."""
        return self.derivatives[-1]

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives at the cells and at the candidates."""
        return self.derivatives[: len(self.cells)], self.derivatives[len(self.cells) : -1]


def assemble(methods: Mapping[str, Rows], question: Question) -> tuple[Knowledge, np.ndarray]:
    """What is known of the question's quantities, and the degrees of freedom of their errors.

    Methods have no errors in common: the resamples of their laws have none either.
    """
    rows = list(methods.values())
    cells = [run for each in rows for run in each.cells]
    runs = cells + [run for each in rows for run in each.candidates]
    noise = {name: each.model.noise for name, each in methods.items()}
    per_run = np.array([noise[run.method].run ** 2 for run in runs])
    seeds = np.concatenate([each.seeds for each in rows])
    by_base_model = _alike([(run.method, run.base_model) for run in runs])
    effects = by_base_model * [noise[run.method].base_model ** 2 for run in runs]
    effects += _alike(runs) * [noise[run.method].cell ** 2 for run in runs]
    at_cells, at_candidates = zip(*(each.split() for each in rows), strict=True)
    known = knowledge(
        derivatives=np.vstack([block_diag(*at_cells), block_diag(*at_candidates)]),
        effects=effects,
        run_part=per_run[: len(cells)] / seeds,
        run_variance=per_run[len(cells) :],
        gradient=question.gradient({name: each.at_place for name, each in methods.items()}),
    )
    return known, _freedom(known.weights, rows)


def _alike(labels: Sequence) -> np.ndarray:
    """1 where two labels are the same, (n, n)."""
    numbers: dict = {}
    index = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    return (index[:, None] == index).astype(float)


def _freedom(weights: np.ndarray, rows: Sequence[Rows]) -> np.ndarray:
    """Of the variance of each quantity, by Satterthwaite's approximation."""
    total, uncertainty, first = np.zeros(len(weights)), np.zeros(len(weights)), 0
    for each in rows:
        here = weights[:, first : first + len(each.cells)]
        first += len(each.cells)
        noise = each.model.noise
        of_one = _alike([run.base_model for run in each.cells])
        shared = np.einsum("mi,ij,mj->m", here, of_one, here)
        own = here**2 @ (noise.cell**2 + noise.run**2 / np.array(each.seeds))
        total += shared * noise.base_model**2 + own
        uncertainty += each.model.uncertainty(shared, own)
    with np.errstate(divide="ignore"):
        return total**2 / uncertainty
