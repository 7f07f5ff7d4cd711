"""Pearson's correlation of two measured quantities, with two intervals that fail differently.

Fisher's interval takes the pairs for independent draws of a bivariate normal distribution; the
bootstrap draws pairs anew and asks nothing of their distribution, but needs more of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtr

from finescale.laws import interval
from finescale.laws.intervals.ensemble import LEVEL
from finescale.laws.intervals.resampling import case_weights, generator

RESAMPLES = 2000
FEWEST = 3  # pairs: two lie on a line whatever they are
NO_VARIANCE = 1e-18  # of the variance of all pairs: what rounding leaves of none

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Correlation:
    """r of some pairs; the bounds hold 95%, the p-value is two-sided, for r = 0."""

    pairs: int
    r: float
    p_value: float
    fisher: Bounds
    bootstrap: Bounds


def correlate(x: ArrayLike, y: ArrayLike, *labels: str) -> Correlation | None:
    """Pearson's r of pairs; None for fewer than three, and where either does not vary.

    `labels` name what is correlated: the same pairs under the same labels have the same bootstrap.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    pairs = len(x)
    if pairs < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    r = float(pearson(np.full((1, pairs), 1 / pairs), x, y)[0])
    drawn = pearson(case_weights(pairs, RESAMPLES, generator(*labels)) / pairs, x, y)
    low, high = interval(drawn[np.isfinite(drawn)])
    return Correlation(pairs, r, p_value(r, pairs), fisher(r, pairs), (float(low), float(high)))


def pearson(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r under each row of weights, which sum to 1, (R,); nan without variance."""
    floor = NO_VARIANCE * np.var(x) * np.var(y)
    x, y = x - (weights @ x)[:, None], y - (weights @ y)[:, None]
    covariance = (weights * x * y).sum(1)
    variances = (weights * x * x).sum(1) * (weights * y * y).sum(1)
    varied = variances > floor
    root = np.sqrt(np.where(varied, variances, 1.0))
    return np.where(varied, np.clip(covariance / root, -1, 1), np.nan)


def p_value(r: float, pairs: int) -> float:
    """How often |r| is as large where there is no correlation.

    t = r sqrt((n - 2) / (1 - r^2)) follows Student's t with n - 2 degrees of freedom.
    """
    freedom = pairs - 2
    if abs(r) == 1:
        return 0.0
    t = abs(r) * np.sqrt(freedom / (1 - r**2))
    return float(2 * stdtr(freedom, -t))


def fisher(r: float, pairs: int) -> Bounds:
    """Fisher 1921: artanh r is nearly normal, with standard deviation 1 / sqrt(n - 3)."""
    if abs(r) == 1:
        return r, r
    if pairs == FEWEST:
        return -1.0, 1.0
    reach = ndtri((1 + LEVEL) / 2) / np.sqrt(pairs - 3)
    z = np.arctanh(r)
    return float(np.tanh(z - reach)), float(np.tanh(z + reach))
