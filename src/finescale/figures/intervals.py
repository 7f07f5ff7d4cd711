"""Laws with their intervals: bands, words, and columns of a CSV."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from finescale.figures.style import format_loss
from finescale.laws.ensemble import LEVEL, Ensemble, interval
from finescale.laws.fit import Fit
from finescale.laws.profile import LevelProfile
from finescale.laws.resampling import BASE_MODEL, CASE, CELL

Bounds = tuple[float, float]
Intervals = Mapping[str, Bounds]  # by parameter

LEVEL_COLUMNS = ("E_allowed_low", "E_allowed_high", "E_identified")
RESAMPLED = {
    BASE_MODEL: "resampled errors of base models and points",
    CELL: "resampled errors of points",
    CASE: "points drawn anew",
}


def parameter_intervals(ensemble: Ensemble) -> Intervals:
    """The interval of each parameter; nothing without resamples."""
    bounds = {name: interval(values) for name, values in ensemble.resamples.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def band(ensemble: Ensemble, **variables: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The interval of the law's loss, point by point."""
    return interval(ensemble.predict_resamples(**variables))


def level_words(fit: Fit, profile: LevelProfile | None) -> str:
    """What stands in the place of E where it is no estimate; nothing where it is one."""
    if profile and not profile.identified:
        return f"not identified (≤ {format_loss(profile.high)})"
    return "at 0" if "E" in fit.at_bound else ""


def status_words(fit: Fit) -> str:
    """`converged`, `bound hit: E`, or what went wrong."""
    return ": ".join(filter(None, [fit.status, fit.reason or ", ".join(fit.at_bound)]))


def intervals_are(schemes: Iterable[str | None]) -> str:
    """What the intervals of laws with these schemes are; None for a law that has none."""
    present = set(schemes)
    kinds = [words for scheme, words in RESAMPLED.items() if scheme in present]
    if not kinds:
        return ""
    words = f"{LEVEL:.0%} intervals from {' or '.join(kinds)}"
    return f"{words}; none where no point is left to tell the error" if None in present else words


def interval_columns(names: Sequence[str]) -> tuple[str, ...]:
    """A value and its bounds for each name."""
    return tuple(column for name in names for column in (name, f"{name}_low", f"{name}_high"))


def with_bounds(values: Mapping[str, float], intervals: Intervals) -> dict[str, float]:
    """A row of these columns."""
    row = dict(values)
    for name, (low, high) in intervals.items():
        row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def level_row(profile: LevelProfile | None) -> dict:
    """The values of E that the points allow, in these columns."""
    values = (profile.low, profile.high, profile.identified) if profile else ()
    return dict(zip(LEVEL_COLUMNS, values, strict=bool(profile)))


def predicted(ensemble: Ensemble, **variables: float) -> dict[str, float]:
    """The law and its band at one place, in the columns of `law`."""
    row = {"law": float(ensemble.predict(**variables))}
    if not ensemble.resamples:
        return row
    low, high = band(ensemble, **variables)
    return with_bounds(row, {"law": (float(low), float(high))})
