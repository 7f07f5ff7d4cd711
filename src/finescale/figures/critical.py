"""Figure 5: the finetuning size at which two methods are equally good."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from finescale.figures.pairs import COLUMNS, CriticalPair, csv_rows
from finescale.figures.panels import GREY, band_key, draw_band, spread, tick_places
from finescale.figures.style import (
    PAGE_WIDTH,
    format_count,
    method_title,
    save,
    sequential,
    write_csv,
)
from finescale.laws.crossing import SEARCHED, Comparison

X_LABELS = {
    "llm_model_size": "LLM model size (parameters)",
    "pretraining_tokens": "pretraining data size (tokens)",
}
LEAST_RATIO = 200.0  # of a size axis, for which powers of ten are ticks enough
NOTE_SIZE = 6.5  # points
NOTE_HEIGHT = 8.5  # points a line
NOTE_WIDTH = 46  # characters of a note that fit above a third of a page
LABEL_ROOM = 0.3  # of a panel's width: lines that end nearer to each other share their labels' room
DASHES, DOTS = (0, (3, 2)), (0, (1, 2))

Content = list[tuple[CriticalPair, list[Comparison]]]  # of one panel


def critical_figure(pairs: Sequence[CriticalPair], folder: Path) -> None:
    """Critical sizes over X: a row for each factor, a column for each task, a colour for each pair.

    Lines are dashed outside the fitted sizes; bands hold 95% of the resamples. Writes `figure.*`.
    """
    found = [(pair, pair.compare(pair.x)) for pair in pairs]
    factors = list(dict.fromkeys(pair.factor for pair in pairs))
    tasks = list(dict.fromkeys(pair.task for pair in pairs))
    titles = list(dict.fromkeys(pair.title for pair in pairs))
    colours = dict(zip(titles, sequential(len(titles)), strict=False))
    rows = [
        [[(p, c) for p, c in found if (p.factor, p.task) == (factor, task)] for task in tasks]
        for factor in factors
    ]
    rooms = [max(_lines(_notes(content)) for content in row) for row in rows]
    width = max(0.64, 0.2 + 0.8 * len(tasks) / 3)  # room for the legend, a page for three tasks
    height = 0.7 + 2.2 * len(factors) + NOTE_HEIGHT / 72 * sum(rooms)
    figure = Figure(figsize=(PAGE_WIDTH * width, height), layout="constrained")
    grid = figure.subplots(len(factors), len(tasks), squeeze=False, sharey="row")
    for places, row, factor, room in zip(grid, rows, factors, rooms, strict=True):
        for axes, content, task in zip(places, row, tasks, strict=True):
            _draw_panel(axes, content, colours)
            _write_notes(axes, _notes(content), colours, room)
            axes.set_title(task, loc="left", pad=8 + NOTE_HEIGHT * room)
            axes.set_xlabel(X_LABELS[factor])
        _set_size_axis(places[0], row)
    _legend(figure, colours)
    figure.draw_without_rendering()
    for axes, content in zip(grid.flat, chain.from_iterable(rows), strict=True):
        _name_lines(figure, axes, content, colours)
    save(figure, folder, "figure")
    records = (row for pair, comparisons in found for row in csv_rows(pair, comparisons))
    write_csv(Path(folder) / "figure.csv", COLUMNS, records)


@dataclass(frozen=True)
class _Branch:
    """Crossings that continue each other over X; NaN where there is none."""

    better_above: str
    size: np.ndarray
    low: np.ndarray
    high: np.ndarray
    extrapolated: np.ndarray


def _branches(found: Sequence[Comparison]) -> list[_Branch]:
    """Crossings of one direction, counted from below, belong together."""
    values: dict[tuple[str, int], np.ndarray] = {}
    for place, comparison in enumerate(found):
        order: dict[str, int] = {}
        for one in comparison.crossings:
            key = one.better_above, order.setdefault(one.better_above, 0)
            order[one.better_above] += 1
            branch = values.setdefault(key, np.full((4, len(found)), np.nan))
            bounds = one.interval or (np.nan, np.nan)
            branch[:, place] = one.size, *np.clip(bounds, *SEARCHED), one.extrapolated
    return [_Branch(side, *rows) for (side, _), rows in values.items()]


def _draw_panel(axes: Axes, content: Content, colours: Mapping[str, str]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for low, high in sorted({pair.fitted for pair, found in content if found}):
        for end in (low, high):
            axes.axhline(end, color=GREY, linestyle=DOTS, linewidth=0.8, zorder=2)
    for pair, found in content:
        colour = colours[pair.title]
        for branch in _branches(found):
            draw_band(axes, pair.x, branch.low, branch.high, colour)
            fitted = np.where(branch.extrapolated == 0, branch.size, np.nan)
            axes.plot(pair.x, branch.size, color=colour, linestyle=DASHES, zorder=2)
            axes.plot(pair.x, fitted, color=colour, zorder=3)
            if np.isfinite(branch.size).sum() == 1:  # no line, but a dot
                axes.plot(pair.x, branch.size, ".", color=colour, markersize=3, zorder=3)
    x = [value for pair, found in content if found for value in pair.x]
    ends = (min(x), max(x)) if x else (1.0, 10.0)
    axes.set_xlim(ends)
    axes.xaxis.set_major_locator(FixedLocator(tick_places(_round_values(*ends)) if x else []))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def _round_values(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, from low to high."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    values = [lead * 10.0**decade for decade in decades for lead in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def _set_size_axis(axes: Axes, contents: Iterable[Content]) -> None:
    """From the smallest to the largest of fitted and critical sizes; bands may be cut."""
    sizes = [
        size
        for content in contents
        for pair, found in content
        if found
        for size in (*pair.fitted, *(one.size for c in found for one in c.crossings))
    ]
    axes.yaxis.set_major_locator(FixedLocator([]))
    if sizes:
        ratio = max(sizes) / min(sizes)
        axes.set_ylim(min(sizes) / ratio**0.05, max(sizes) * ratio**0.05)
        leads = (1.0,) if ratio > LEAST_RATIO else (1.0, 2.0, 5.0)
        axes.yaxis.set_major_locator(LogLocator(subs=leads, numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("critical finetuning size (examples)")


Note = tuple[str, str]  # a pair's title, and words


def _notes(content: Content) -> list[Note]:
    """What lines cannot say: where there is no critical size, or no law."""
    notes = []
    for pair, found in content:
        if pair.laws is None:
            notes.append((pair.title, f"{pair.title}: not identified: {pair.reason}"))
        if gaps := _gaps(pair, found):
            notes.append((pair.title, f"{pair.title}: none{'; none'.join(gaps)}"))
    return [(title, fill(words, NOTE_WIDTH)) for title, words in notes]


def _gaps(pair: CriticalPair, found: Sequence[Comparison]) -> list[str]:
    """Ranges of X without a critical size, each with the method that is better there."""
    gaps = []
    places = list(zip(pair.x, found, strict=False))
    for (crossed, better), run in groupby(places, lambda p: (bool(p[1].crossings), p[1].better)):
        x = [value for value, _ in run]
        if crossed:
            continue
        who = f"{method_title(pair.method(better))} better" if better else "equally good"
        if len(x) == len(places):
            where = ""
        elif x[0] == pair.x[0]:
            where = f"up to {_two_digits(x[-1])}"
        else:
            where = f"from {_two_digits(x[0])}"
            if x[-1] != pair.x[-1]:
                where += f" to {_two_digits(x[-1])}"
        gaps.append(f" {where}, {who}" if where else f", {who}")
    return gaps


def _two_digits(value: float) -> str:
    return format_count(float(f"{value:.2g}"))


def _lines(notes: Sequence[Note]) -> int:
    return sum(words.count("\n") + 1 for _, words in notes)


def _write_notes(axes: Axes, notes: Sequence[Note], colours: Mapping[str, str], room: int) -> None:
    """Below the title, in the colours of the lines; `room` lines lie between it and the axes."""
    for title, words in notes:
        text = axes.annotate(
            words,
            (0, 1),
            (0, 4 + NOTE_HEIGHT * room),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colours[title],
            fontsize=NOTE_SIZE,
            va="top",
        )
        text.set_in_layout(False)  # it may reach over the next panel's axis
        room -= _lines([(title, words)])


def _name_lines(figure: Figure, axes: Axes, content: Content, colours: Mapping[str, str]) -> None:
    """At each line's end, the method that is better above it, moved apart where names overlap."""
    to_axes = axes.transData + axes.transAxes.inverted()
    names = []
    for pair, found in content:
        for branch in _branches(found):
            last = int(np.flatnonzero(np.isfinite(branch.size))[-1])
            x, y = to_axes.transform((pair.x[last], branch.size[last]))
            name = f"{method_title(pair.method(branch.better_above))} ↑"
            names.append((x, y, name, colours[pair.title]))
    names.sort()
    apart = [
        place > 0 and names[place][0] - names[place - 1][0] > LABEL_ROOM
        for place in range(len(names))
    ]
    spacing = 1.15 * NOTE_SIZE / 72 * figure.dpi / axes.get_window_extent().height
    for group in np.split(np.arange(len(names)), np.flatnonzero(apart)):
        near = [names[place] for place in group]
        heights = spread([y for _, y, _, _ in near], spacing) if near else []
        for height, (x, _, name, colour) in zip(heights, near, strict=True):
            axes.text(
                x + 0.02,
                height,
                name,
                color=colour,
                fontsize=NOTE_SIZE,
                va="center",
                transform=axes.transAxes,
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            )


def _legend(figure: Figure, colours: Mapping[str, str]) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=colour, label=title) for title, colour in colours.items()
    ]
    handles += [
        Line2D([], [], color=GREY, linestyle=DASHES, label="extrapolated"),
        band_key("95% interval"),
        Line2D([], [], color=GREY, linestyle=DOTS, linewidth=0.8, label="ends of the fitted sizes"),
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=3,
        title="Names at the lines: the method that is better above; below, the other one is",
    )
