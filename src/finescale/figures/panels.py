"""The panel all law figures share: points, their law, and what stands in the title."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import fill, wrap
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from finescale.figures.style import format_count, sequential

FITTED_MARKER, HELD_OUT_MARKER, DIVERGED_MARKER = "o", "^", "x"
LEGEND_WIDTH = 84  # characters of a line below the panels
TITLE_WIDTH = 40  # characters of a reason that fit above a third of a page
GREY = "#444444"
DEVIATIONS = r"$\Delta_e$, $\Delta_h$: mean absolute deviation on the fitted and held-out points"
TICK_GAP = 0.17  # of the horizontal axis: room for a number
LAW_ROOM = 0.5  # of the dots' range: how far beyond them the loss axis follows a law
BAND_ROOM = 0.15  # the same for a band
MARGIN = 0.04  # of the loss axis, at both ends
CROSS_TOP, CROSS_GAP = 0.97, 0.07  # of the panel's height: the first cross, and each one below it
BAND_ALPHA, EDGE_ALPHA, EDGE_WIDTH = 0.07, 0.5, 0.4  # pale, since bands overlap
GRID_SIZE = 100  # places at which a curve is drawn

Curve = Callable[[np.ndarray], np.ndarray]  # loss over the horizontal axis
Band = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # from the lowest to the highest loss


@dataclass(frozen=True)
class Dot:
    """A mean over seeds: where, the single losses or scores, and whether it is held out."""

    x: float
    values: tuple[float, ...]
    held_out: bool

    @property
    def mean(self) -> float:
        """What laws are fitted to, and lines are drawn through."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Series:
    """One colour of a panel: dots along the horizontal axis, their law, runs that diverged."""

    label: str
    dots: tuple[Dot, ...]
    law: Curve | None = None
    diverged: tuple[float, ...] = ()
    band: Band | None = None

    def grid(self) -> np.ndarray:
        """Where the law is drawn: from the first to the last dot."""
        ends = [dot.x for dot in self.dots]
        return np.geomspace(min(ends), max(ends), GRID_SIZE)


@dataclass(frozen=True)
class Panel:
    """A title of some lines over series that are ordered by their X."""

    title: tuple[str, ...]
    series: tuple[Series, ...]
    failure: str = ""  # why there is no law, if there is none

    @property
    def lines(self) -> list[str]:
        """All that stands above the panel."""
        return [*self.title, *wrap(self.failure, TITLE_WIDTH)]


def draw_panel(axes: Axes, panel: Panel, lines: int = 0) -> None:
    """Draw the series, direct labels excluded (they need the final layout).

    The title has room for so many `lines`, so that titles side by side begin at one height.
    """
    dots = [dot.x for series in panel.series for dot in series.dots]
    diverged = [x for series in panel.series for x in series.diverged]
    set_size_axis(axes, [*dots, *diverged])
    title = "\n".join(panel.lines)
    axes.set_title(title + "\n" * (lines - len(panel.lines)), loc="left")
    colours = dict(zip(panel.series, sequential(len(panel.series)), strict=False))
    for series in panel.series:
        _draw_series(axes, series, colours[series])
    _draw_diverged(axes, panel, colours)
    if not dots:
        words = "all runs diverged" if diverged else "no points"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color=GREY)


def set_size_axis(axes: Axes, values: Iterable[float]) -> None:
    """A logarithmic horizontal axis with the values named that there is room for."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(tick_places(values)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def tick_places(values: Iterable[float]) -> list[float]:
    """The measured values that can be named on a log axis without overlap, the largest first."""
    falling = sorted(set(values), reverse=True)
    if not falling:
        return []
    room = TICK_GAP * np.log(falling[0] / falling[-1])
    places = falling[:1]
    for value in falling[1:]:
        if np.log(places[-1] / value) >= room:
            places.append(value)
    return places


def _draw_series(axes: Axes, series: Series, colour: str) -> None:
    for dot in series.dots:
        marker = HELD_OUT_MARKER if dot.held_out else FITTED_MARKER
        axes.plot(dot.x, dot.mean, marker, color=colour, markersize=4, markeredgewidth=0, zorder=3)
        if len(dot.values) > 1:  # behind the mean, which must stay readable
            ends = [min(dot.values), max(dot.values)]
            axes.plot([dot.x] * 2, ends, "-", color=colour, linewidth=0.7, zorder=2)
            places = [dot.x] * len(dot.values)
            axes.plot(places, dot.values, "_", color=colour, markersize=7, zorder=2)
    if series.law and series.dots:
        axes.plot(series.grid(), series.law(series.grid()), "-", color=colour, zorder=2)
    if series.band and series.dots:
        draw_band(axes, series.grid(), *series.band(series.grid()), colour)


def _crosses(panel: Panel) -> Iterator[tuple[Series, float, float, int]]:
    """Series, X, height and number of diverged runs: one below the other at the same X."""
    marked: Counter[float] = Counter()
    for series in panel.series:
        for x, runs in Counter(series.diverged).items():
            yield series, x, CROSS_TOP - CROSS_GAP * marked[x], runs
            marked[x] += 1


def _draw_diverged(axes: Axes, panel: Panel, colours: Mapping[Series, str]) -> None:
    """Crosses at the top, each with the number of its runs if there are several."""
    for series, x, height, runs in _crosses(panel):
        axes.plot(
            x,
            height,
            DIVERGED_MARKER,
            color=colours[series],
            markersize=5,
            clip_on=False,
            transform=axes.get_xaxis_transform(),
            zorder=4,
        )
        if runs > 1:
            axes.annotate(
                f"{runs}×",
                (x, height),
                xycoords=axes.get_xaxis_transform(),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=colours[series],
                fontsize=5.5,
                zorder=4,
            )


def draw_band(
    axes: Axes, x: Sequence[float] | np.ndarray, low: np.ndarray, high: np.ndarray, colour: str
) -> None:
    """Shade an interval beneath the lines; its edges tell it from others that it overlaps."""
    axes.fill_between(x, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0, zorder=1)
    for edge in (low, high):
        axes.plot(x, edge, "-", color=colour, alpha=EDGE_ALPHA, linewidth=EDGE_WIDTH, zorder=1)


def fit_loss_axis(axes: Axes, panels: Iterable[Panel]) -> None:
    """Show all dots of the panels that share this axis, laws and bands as far as there is room.

    A law that is far off at a held-out value would else press the points together.
    """
    series = [one for panel in panels for one in panel.series if one.dots]
    losses = [loss for one in series for dot in one.dots for loss in dot.values]
    if not losses or min(losses) == max(losses):
        return
    laws = [one.law(one.grid()) for one in series if one.law]
    bands = [edge for one in series if one.band for edge in one.band(one.grid())]
    low, high, span = min(losses), max(losses), max(losses) - min(losses)
    for drawn, room in ((laws, LAW_ROOM), (bands, BAND_ROOM)):
        if drawn:
            low = min(low, max(np.nanmin(drawn), min(losses) - room * span))
            high = max(high, min(np.nanmax(drawn), max(losses) + room * span))
    margin = MARGIN * (high - low)
    axes.set_ylim(low - margin, high + margin)


def band_key(label: str) -> Patch:
    """A band in a legend."""
    return Patch(
        facecolor=(GREY, 2 * BAND_ALPHA),
        edgecolor=(GREY, EDGE_ALPHA),
        linewidth=EDGE_WIDTH,
        label=label,
    )


def label_series(figure: Figure, axes: Axes, panel: Panel) -> None:
    """Name each series at the right of its last dot, moved apart where names would overlap.

    One of which all runs diverged is named at the height of its crosses.
    """
    heights = {series: height for series, _, height, _ in _crosses(panel)}
    named = [series for series in panel.series if series.dots or series in heights]
    if not named:
        return
    colours = dict(zip(panel.series, sequential(len(panel.series)), strict=False))
    size = 6.5
    box = axes.get_window_extent()
    spacing = 1.15 * size / 72 * figure.dpi / box.height
    to_axes = axes.transData + axes.transAxes.inverted()
    for series in named:
        if series.dots:
            last = max(series.dots, key=lambda dot: dot.x).mean
            heights[series] = to_axes.transform((axes.get_xlim()[1], last))[1]
    wanted = [heights[series] for series in named]
    for series, height in zip(named, spread(wanted, spacing), strict=True):
        axes.text(
            1.02,
            height,
            series.label,
            color=colours[series],
            fontsize=size,
            va="center",
            transform=axes.transAxes,
        )


def spread(wanted: Sequence[float], spacing: float) -> list[float]:
    """Heights near the wanted ones, in the same order, at least `spacing` apart, from 0 up."""
    heights = list(wanted)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for below, above in pairwise(order):
        heights[above] = max(heights[above], heights[below] + spacing)
    excess = max(0.0, heights[order[-1]] - max(1.0, max(wanted)))
    ceiling = heights[order[-1]] - excess
    for index in reversed(order):
        heights[index] = min(heights[index], ceiling)
        ceiling = heights[index] - spacing
    return heights


def legend(
    figure: Figure, panels: Iterable[Panel], labels_are: str, intervals: str = "", note: str = ""
) -> None:
    """The key to the markers below all panels; only what is drawn is explained."""
    series = [series for panel in panels for series in panel.series]
    dots = [dot for one in series for dot in one.dots]
    entries: list[tuple[bool, str, Literal["none", "-"], str]] = [
        (any(not dot.held_out for dot in dots), FITTED_MARKER, "none", "fitted"),
        (any(dot.held_out for dot in dots), HELD_OUT_MARKER, "none", "held out"),
        (any(len(dot.values) > 1 for dot in dots), "_", "none", "single seeds and their range"),
        (any(one.law for one in series), "none", "-", "fitted law"),
        (any(one.diverged for one in series), DIVERGED_MARKER, "none", "diverged run"),
    ]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=GREY, marker=marker, linestyle=style, markersize=4, label=label)
        for shown, marker, style, label in entries
        if shown
    ]
    if intervals:
        handles.append(band_key("95% band"))
    bands = fill(f"Bands and brackets: {intervals}", LEGEND_WIDTH) if intervals else ""
    deviations = DEVIATIONS if any(one.law for one in series) else ""
    title = "\n".join(filter(None, [labels_are, deviations, bands, note]))
    key = figure.legend(
        handles=handles, loc="outside lower center", ncols=max(len(handles), 1), title=title
    )
    key.get_title().set_multialignment("center")
