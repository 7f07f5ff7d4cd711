"""What repeated seeds say about the noise of a measurement."""

from collections.abc import Iterable, Sequence
from itertools import compress

import numpy as np

from finescale.laws.points import Cell

PRIOR_FREEDOM = 4  # of the variance over all cells, when it stands in for that of a data size


def seed_weights(cells: Sequence[Cell], log: bool) -> np.ndarray:
    """Weights that say how well each mean is known, (n,), 1 on average.

    The number of runs over the variance between seeds, of losses or of their logarithms: that of
    the cells of the same finetuning data size, drawn towards that of all cells, since few runs tell
    little of a variance (a moderated variance, Smyth 2004). Without repeated runs only the number
    of runs counts.
    """
    weights = np.array([float(len(cell.losses)) for cell in cells])
    everywhere, freedom = seed_variance(cells, log)
    if freedom and everywhere > 0:
        for examples in {cell.finetuning_examples for cell in cells}:
            here = np.array([cell.finetuning_examples == examples for cell in cells])
            own, freedom = seed_variance(compress(cells, here), log)
            total = freedom * own + PRIOR_FREEDOM * everywhere
            weights[here] *= (freedom + PRIOR_FREEDOM) / total
    return weights / weights.mean()


def noise_floor(cells: Iterable[Cell]) -> float | None:
    """Mean absolute deviation that a perfect law would show, nats per token; None without seeds.

    That of a normal variable whose variance is that of the mean over a cell's seeds.
    """
    cells = list(cells)
    variance, freedom = seed_variance(cells, log=False)
    if not freedom:
        return None
    of_means = np.mean([variance / len(cell.losses) for cell in cells])
    return float(np.sqrt(2 / np.pi * of_means))


def seed_variance(cells: Iterable[Cell], log: bool) -> tuple[float, int]:
    """Variance between the seeds of a cell, over all cells, and its degrees of freedom."""
    squares, freedom = 0.0, 0
    for cell in cells:
        values = np.log(cell.losses) if log else np.array(cell.losses)
        squares += float(np.sum((values - values.mean()) ** 2))
        freedom += len(values) - 1
    return (squares / freedom if freedom else 0.0), freedom
