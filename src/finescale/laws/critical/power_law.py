"""The critical size as a power law of X, as the paper's Table 5 has it.

Two multiplicative laws with the same E meet at D = H X**gamma, where
H = (A1/A2)**(1/(beta1-beta2)) and gamma = (alpha2-alpha1)/(beta1-beta2) (arXiv 2402.17193, Eq. 3).
Fitted laws differ in E: `finescale.laws.critical.crossing` finds where they really meet.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from finescale.laws.intervals.ensemble import Ensemble, interval


@dataclass(frozen=True)
class PowerLaw:
    """The critical size as `10**log10_h * X**gamma`, in finetuning examples.

    An interval is infinite if the resamples' two beta cannot be told apart: the ratio of which
    they are the denominator is then unbounded (Fieller 1954).
    """

    log10_h: float
    gamma: float
    log10_h_interval: tuple[float, float] | None  # 95%; None without resamples
    gamma_interval: tuple[float, float] | None

    @property
    def bounded(self) -> bool:
        """Whether the resamples tell the two beta apart."""
        return self.gamma_interval is None or bool(np.isfinite(self.gamma_interval[0]))


def power_law(first: Ensemble, second: Ensemble) -> PowerLaw | None:
    """H and gamma of two multiplicative laws; None if their beta are equal."""
    if first.parameters["beta"] == second.parameters["beta"]:
        return None
    log10_h, gamma = map(float, h_and_gamma(first.parameters, second.parameters))
    if not first.resamples:
        return PowerLaw(log10_h, gamma, None, None)
    low, high = interval(first.resamples["beta"] - second.resamples["beta"])
    if low <= 0 <= high:
        return PowerLaw(log10_h, gamma, (-np.inf, np.inf), (-np.inf, np.inf))
    low, high = interval(np.stack(h_and_gamma(first.resamples, second.resamples), axis=1))
    return PowerLaw(
        log10_h, gamma, (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
    )


def h_and_gamma(
    first: Mapping[str, ArrayLike], second: Mapping[str, ArrayLike]
) -> tuple[np.ndarray, np.ndarray]:
    """log10 H and gamma from A, alpha and beta, numbers or arrays."""
    one, two = (
        {name: np.asarray(law[name], float) for name in ("A", "alpha", "beta")}
        for law in (first, second)
    )
    slope = one["beta"] - two["beta"]
    return np.log10(one["A"] / two["A"]) / slope, (two["alpha"] - one["alpha"]) / slope
