"""Critical sizes: where the better of two laws changes.

The difference of two laws over log D may have no root, one or several, and root finders that start
from a guess return something in each case. Here the sign is scanned over a whole range, dips
between grid points are followed to their bottom, and every change of sign is bracketed and solved,
for the fitted laws and all their resamples at once. Where two laws only touch, the better one stays
the same: that is no critical size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from finescale.laws.intervals.ensemble import LEVEL, Ensemble

Side = Literal["first", "second"]  # of the two laws

SEARCHED = (1.0, 1e12)  # finetuning examples: from a single one to more than there are
GRID_STEP = np.log(10) / 10  # ten points a decade
LEAST_GAP = 1e-12  # relative difference of two losses that rounding alone does not make
ROOT_TOLERANCE = 1e-12  # relative, of a critical size
BLOCK = 4_000_000  # grid values held at once


@dataclass(frozen=True)
class Crossing:
    """A size at which the better law changes.

    A resample is matched by its own crossing in the same direction that is nearest in log size. One
    that has none counts as beyond the searched range, on the side that its better law at `size`
    says; so a bound of the interval is 0 or inf if too many resamples are beyond it.
    """

    size: float
    better_above: Side
    interval: tuple[float, float] | None  # 95%; None without resamples
    share: float | None  # of the resamples, those that have a matching crossing
    extrapolated: bool  # outside the fitted range

    @property
    def better_below(self) -> Side:
        """The law that is better just below the size."""
        return "first" if self.better_above == "second" else "second"


@dataclass(frozen=True)
class Comparison:
    """Two laws over the searched range, the other variables being fixed."""

    at: Mapping[str, float]
    crossings: tuple[Crossing, ...]  # from small to large
    better: Side | None  # everywhere; None if there are crossings, or if the laws are equal
    # shares of the resamples, empty without any: `crossing`, or `first` or `second` everywhere
    shares: Mapping[str, float]


def compare(
    first: Ensemble,
    second: Ensemble,
    *,
    at: Mapping[str, ArrayLike],
    fitted: tuple[float, float],
    over: str = "D",
    searched: tuple[float, float] = SEARCHED,
) -> list[Comparison]:
    """All critical sizes of two laws over the variable `over`.

    `at` gives the other variables, numbers or arrays of one length: a comparison for each element.
    `fitted` is the range of `over` that the laws were fitted to, `searched` the range to look in.
    Row r of one law's resamples is compared with row r of the other's.
    """
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in at.values()))
    pair = _Pair(first, second, dict(zip(at, arrays, strict=True)), over)
    low, high = np.log(searched[0]), np.log(searched[1])
    steps = int(np.ceil((high - low) / GRID_STEP))
    found = _scan(pair, np.linspace(low, high, steps + 1))
    return [_comparison(pair, found, place, fitted) for place in range(pair.places)]


class _Pair:
    """Both laws, the fit as row 0 and the resamples as the rows after it, at some places."""

    def __init__(
        self, first: Ensemble, second: Ensemble, at: Mapping[str, np.ndarray], over: str
    ) -> None:
        self.laws = [(law.form, _rows(law)) for law in (first, second)]
        self.at, self.over = at, over
        self.places = next(iter(at.values())).size if at else 1
        counts = {values.size for _, rows in self.laws for values in rows.values()}
        if len(counts) > 1:
            raise ValueError(f"the laws have different numbers of resamples: {sorted(counts)}")
        self.rows = counts.pop()

    def gap(self, log_size: np.ndarray, row: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Relative difference of the losses, positive where the second law is better."""
        variables = {name: values[place] for name, values in self.at.items()}
        variables[self.over] = np.exp(log_size)
        first, second = (
            form.predict({name: values[row] for name, values in rows.items()}, **variables)
            for form, rows in self.laws
        )
        gap = first / second - 1
        return np.broadcast_to(gap, np.broadcast_shapes(log_size.shape, row.shape, place.shape))


def _rows(law: Ensemble) -> dict[str, np.ndarray]:
    return {
        name: np.append(law.parameters[name], law.resamples.get(name, ()))
        for name in law.form.parameters
    }


@dataclass(frozen=True)
class _Found:
    """The crossings of all rows and places, and the sign of rows that have none."""

    row: np.ndarray
    place: np.ndarray
    log_size: np.ndarray
    direction: np.ndarray  # +1: the second law is better above, -1: the first
    sign: np.ndarray  # (rows, places): +1 where the second law is better over most of the grid


@dataclass(frozen=True)
class _Brackets:
    """Intervals of log size over which the better law changes once."""

    row: np.ndarray
    place: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _scan(pair: _Pair, grid: np.ndarray) -> _Found:
    """Bracket the crossings in blocks of places, then solve them all."""
    from scipy.optimize import elementwise  # 0.4 s to import: only when roots are looked for

    blocks = int(np.ceil(pair.rows * pair.places * grid.size / BLOCK))
    found, signs = [], []
    for places in np.array_split(np.arange(pair.places), min(blocks, pair.places)):
        gaps = pair.gap(grid, np.arange(pair.rows)[:, None, None], places[:, None])
        sign = (gaps > LEAST_GAP).astype(np.int8) - (gaps < -LEAST_GAP)
        found += [_changes(sign, grid, places), _dips(pair, np.abs(gaps), sign, grid, places)]
        signs.append(np.sign(sign.sum(axis=2, dtype=int)))
    row, place, low, high = (
        np.concatenate([getattr(brackets, name) for brackets in found])
        for name in ("row", "place", "low", "high")
    )
    roots = elementwise.find_root(
        pair.gap, (low, high), args=(row, place), tolerances={"xatol": ROOT_TOLERANCE}
    )
    direction = np.sign(pair.gap(high, row, place))
    return _Found(row, place, roots.x, direction, np.concatenate(signs, axis=1))


def _changes(sign: np.ndarray, grid: np.ndarray, places: np.ndarray) -> _Brackets:
    """Neighbouring points of opposite sign, points without one passed over."""
    last = np.maximum.accumulate(np.where(sign != 0, np.arange(grid.size), 0), axis=2)[..., :-1]
    row, place, index = np.nonzero(np.take_along_axis(sign, last, axis=2) * sign[..., 1:] < 0)
    return _Brackets(row, places[place], grid[last[row, place, index]], grid[index + 1])


def _dips(
    pair: _Pair, distance: np.ndarray, sign: np.ndarray, grid: np.ndarray, places: np.ndarray
) -> _Brackets:
    """Both sides of dips between points of one sign whose bottom has the other sign.

    A convex dip ends no deeper below its middle point than one of its neighbours lies above it, so
    that few have to be searched.
    """
    from scipy.optimize import elementwise

    left, middle, right = distance[..., :-2], distance[..., 1:-1], distance[..., 2:]
    alike = np.abs(sign[..., :-2] + sign[..., 1:-1] + sign[..., 2:]) == 3
    lowest = (middle <= left) & (middle <= right) & (2 * middle <= np.maximum(left, right))
    row, place, index = np.nonzero(alike & lowest)
    side, place = sign[row, place, index].astype(float), places[place]

    def height(
        log_size: np.ndarray, row: np.ndarray, place: np.ndarray, side: np.ndarray
    ) -> np.ndarray:
        return side * pair.gap(log_size, row, place)

    bottom = elementwise.find_minimum(
        height,
        (grid[index], grid[index + 1], grid[index + 2]),
        args=(row, place, side),
    )
    deep = bottom.f_x < -LEAST_GAP
    low, centre, high = grid[index[deep]], bottom.x[deep], grid[index[deep] + 2]
    return _Brackets(
        np.tile(row[deep], 2),
        np.tile(place[deep], 2),
        np.append(low, centre),
        np.append(centre, high),
    )


def _comparison(pair: _Pair, found: _Found, place: int, fitted: tuple[float, float]) -> Comparison:
    here = np.flatnonzero(found.place == place)
    of_fit = here[found.row[here] == 0]
    of_resamples = here[found.row[here] > 0]
    ordered = of_fit[np.argsort(found.log_size[of_fit])]
    crossings = [_crossing(pair, found, root, of_resamples, fitted) for root in ordered]
    sign = found.sign[:, place].copy()
    sign[found.row[here]] = 2  # rows with a crossing have no sign
    kinds = {"crossing": 2, "first": -1, "second": 1}
    return Comparison(
        at={name: float(values[place]) for name, values in pair.at.items()},
        crossings=tuple(crossings),
        better=_SIDES.get(int(sign[0])),
        shares={kind: float(np.mean(sign[1:] == code)) for kind, code in kinds.items()}
        if pair.rows > 1
        else {},
    )


_SIDES: dict[int, Side] = {-1: "first", 1: "second"}


def _crossing(
    pair: _Pair, found: _Found, root: int, others: np.ndarray, fitted: tuple[float, float]
) -> Crossing:
    """A crossing of the fit with its interval; `others` are the crossings of the resamples."""
    log_size, direction = found.log_size[root], found.direction[root]
    bounds, share = None, None
    if pair.rows > 1:
        alike = others[found.direction[others] == direction]
        distance = np.abs(found.log_size[alike] - log_size)
        nearest_last = alike[np.argsort(-distance, kind="stable")]
        resamples = np.arange(pair.rows)
        ahead = pair.gap(np.array(log_size), resamples, np.array(found.place[root]))
        matched = np.where(ahead * direction < 0, np.inf, -np.inf)
        matched[found.row[nearest_last]] = found.log_size[nearest_last]
        low, high = _order_statistics(matched[1:])
        bounds = float(np.exp(low)), float(np.exp(high))
        share = float(np.isfinite(matched[1:]).mean())
    size = float(np.exp(log_size))
    return Crossing(
        size=size,
        better_above=_SIDES[int(direction)],
        interval=bounds,
        share=share,
        extrapolated=not fitted[0] <= size <= fitted[1],
    )


def _order_statistics(values: np.ndarray) -> tuple[float, float]:
    """The central 95% by order statistics, since infinite values cannot be interpolated."""
    tail = (1 - LEVEL) / 2
    return (
        float(np.quantile(values, tail, method="lower")),
        float(np.quantile(values, 1 - tail, method="higher")),
    )
