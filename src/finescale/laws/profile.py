"""The profile interval of E, the loss that no amount of data or model removes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtri  # scipy.stats would take half the time of importing finescale

from finescale.laws.ensemble import LEVEL
from finescale.laws.fit import LOG_LEAST_SQUARES, Unfittable, fit_law, refit_rows
from finescale.laws.forms import Form
from finescale.laws.layout import Data

STEPS = 200  # values of E that are tried
NEXT_TO_NOTHING = 0.01  # of the smallest loss: an E below it cannot be told from none


@dataclass(frozen=True)
class LevelProfile:
    """The values of E that the points allow, nats per token."""

    low: float
    high: float
    identified: bool  # whether they exclude an E of 0


def profile_level(
    form: Form,
    groups: Mapping[str, Data],
    shared: Sequence[str] = (),
    distinct: int | None = None,
) -> LevelProfile | None:
    """Refit all else at each value of E: those where least squares grows too little to refuse.

    Relative residuals and the F distribution, as for independent normal errors: where base models
    have errors of their own, the truth is wider (resampling.py). `distinct` is the number of points
    where some stand in several groups, which together should weigh as one. None if the form has no
    E to fit or the points cannot fix the law.
    """
    if "E" not in form.coefficients:
        return None
    try:
        fit = fit_law(form, groups, objective=LOG_LEAST_SQUARES, shared=shared)
    except Unfittable:
        return None
    freedom = (distinct or fit.points) - len(fit.parameters)
    if not fit.ok or freedom < 1 or fit.objective is None:
        return None
    smallest = min(float(data.loss.min()) for data in groups.values())
    levels = np.linspace(1e-6, 1 - 1e-6, STEPS) * smallest
    tried = refit_rows(
        form, groups, fit, objective=LOG_LEAST_SQUARES, shared=shared, held={"E": levels}
    )
    most = fit.objective * (1 + fdtri(1, freedom, LEVEL) / freedom)
    inside = levels[tried.objective <= most]
    low, high = (inside.min(), inside.max()) if len(inside) else (fit.parameters["E"],) * 2
    return LevelProfile(float(low), float(high), bool(low > NEXT_TO_NOTHING * smallest))
