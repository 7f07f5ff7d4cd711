"""Data that could as well have been measured: the resamples behind every interval.

Three schemes, each for one method's cells:

- case: draw the cells anew, with replacement. It covers errors that are each cell's own, whatever
  their distribution, a little less often than it says where cells are few. It does not cover what
  is peculiar to a pretraining: that moves all points finetuned from it, repeated seeds do not show
  it, and where it is as large as the cells' own errors, intervals of "95%" hold the truth in 60 to
  75% of studies (benchmarks/coverage.py).
- base model: the law plus two levels of error, one that all cells of a base model share, one of
  each cell. It covers both, as far as base models err independently and normally; with an effect
  that all of them share, or a law of the wrong form, nothing computed from the same points can
  help. Where base models have no errors of their own its intervals are a little too wide.
- cell: the law plus an error of each cell, for laws of a single base model.

Errors are relative (of the logarithm of the loss). The variances of the last two are themselves
uncertain with so few base models, so each resample draws its own from their scaled inverse
chi-squared distribution, which widens normal intervals to those of Student's t.
"""

import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Parameters = Mapping[str, np.ndarray]  # of R refits: name -> (R,)
Resamples = Mapping[str, Parameters]  # by scheme

CASE, BASE_MODEL, CELL = "case", "base model", "cell"
SEED = 0


def generator(*labels: str) -> np.random.Generator:
    """Random numbers that depend on what is resampled, not on what was resampled before."""
    return np.random.default_rng([SEED, zlib.crc32("/".join(labels).encode())])


def case_weights(cells: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each cell is drawn, (resamples, cells)."""
    return rng.multinomial(cells, np.full(cells, 1 / cells), resamples).astype(float)


@dataclass(frozen=True)
class MeanSquares:
    """One-way analysis of variance of relative errors, between and within base models."""

    between: float
    within: float
    freedom_between: int
    freedom_within: int
    each: float  # cells of a base model, on average

    @property
    def base_model_variance(self) -> float:
        """Of the effect of each base model, on top of the error of each cell."""
        return max(self.between - self.within, 0.0) / self.each


def mean_squares(
    losses: np.ndarray,
    predicted: np.ndarray,
    base_models: Sequence[Hashable],
    *,
    spent_between: int,
    spent_within: int,
) -> tuple[MeanSquares | None, np.ndarray]:
    """The analysis, and the number of each cell's base model.

    `losses` and `predicted`, (cells,), are the measured ones and the law's; of its parameters,
    `spent_between` were fitted to differences between base models and `spent_within` to those
    within. None where there are no more base models than parameters to tell them apart, or no more
    cells.
    """
    _, index = np.unique([str(model) for model in base_models], return_inverse=True)
    counts = np.bincount(index)
    between, within = len(counts) - spent_between, len(losses) - len(counts) - spent_within
    if between < 1 or within < 1:
        return None, index
    errors = np.log(losses / predicted)
    means = np.bincount(index, errors) / counts
    squares = MeanSquares(
        between=float(np.sum(counts * means**2) / between),
        within=float(np.sum((errors - means[index]) ** 2) / within),
        freedom_between=between,
        freedom_within=within,
        each=float(counts.mean()),
    )
    return squares, index


def base_model_losses(
    losses: np.ndarray,
    predicted: np.ndarray,
    base_models: Sequence[Hashable],
    *,
    spent_between: int,
    spent_within: int,
    resamples: int,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Losses by the two-level scheme, (resamples, cells); None where `mean_squares` has none."""
    squares, index = mean_squares(
        losses, predicted, base_models, spent_between=spent_between, spent_within=spent_within
    )
    if squares is None:
        return None
    between, within = squares.freedom_between, squares.freedom_within
    drawn_between = squares.between * between / rng.chisquare(between, resamples)
    drawn_within = squares.within * within / rng.chisquare(within, resamples)
    shared_variance = np.maximum(drawn_between - drawn_within, 0) / squares.each
    shared = rng.standard_normal((resamples, index.max() + 1)) * np.sqrt(shared_variance)[:, None]
    own = rng.standard_normal((resamples, len(losses))) * np.sqrt(drawn_within)[:, None]
    return predicted * np.exp(shared[:, index] + own)


def cell_losses(
    predicted: np.ndarray,
    variance: float,
    freedom: int,
    resamples: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Losses by the cell scheme, (resamples, cells); `freedom` is that of `variance`."""
    drawn = variance * freedom / rng.chisquare(freedom, resamples)
    errors = rng.standard_normal((resamples, len(predicted))) * np.sqrt(drawn)[:, None]
    return predicted * np.exp(errors)


def save_resamples(path: Path, resamples: Sequence[Resamples]) -> None:
    """Write the resamples of a list of laws: an array for each law, scheme and parameter."""
    arrays = {
        f"{index}/{scheme}/{name}": values
        for index, law in enumerate(resamples)
        for scheme, parameters in law.items()
        for name, values in parameters.items()
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]  # the stubs do not know ** of a dict


def load_resamples(path: Path) -> dict[int, dict[str, dict[str, np.ndarray]]]:
    """The inverse of `save_resamples`, by the law's place in the list."""
    resamples: dict[int, dict[str, dict[str, np.ndarray]]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            index, scheme, name = key.split("/")
            resamples.setdefault(int(index), {}).setdefault(scheme, {})[name] = arrays[key]
    return resamples
