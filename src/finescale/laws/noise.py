"""What repeated seeds say about the noise of a measurement."""

from collections.abc import Iterable, Sequence

import numpy as np

from finescale.laws.points import Cell

LEAST_FREEDOM = (
    2  # degrees of freedom (three runs) from which a data size has a variance of its own
)


def seed_weights(cells: Sequence[Cell], log: bool) -> np.ndarray:
    """Weights that say how well each mean is known, (n,), 1 on average.

    The number of runs over the variance between seeds, of losses or of their logarithms. The
    variance is pooled over all cells of the same finetuning data size, where these have three runs
    more than cells, else over all cells; without repeated runs only the number of runs counts.
    """
    everywhere, freedom = seed_variance(cells, log)
    weights = np.array([float(len(cell.losses)) for cell in cells])
    if freedom and everywhere > 0:
        for examples in {cell.finetuning_examples for cell in cells}:
            here = np.array([cell.finetuning_examples == examples for cell in cells])
            variance, freedom = seed_variance(
                [cell for cell, at in zip(cells, here, strict=True) if at], log
            )
            enough = freedom >= LEAST_FREEDOM and variance > 0
            weights[here] /= variance if enough else everywhere
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
