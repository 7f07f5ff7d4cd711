"""What advice looks like: the loss of each method over finetuning data, where it is asked."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from finescale.counts import format_rough
from finescale.figures.intervals import band
from finescale.figures.panels import GREY, band_key, draw_band, spread
from finescale.figures.style import LOSS_LABEL, PAGE_WIDTH, format_count, method_title, sequential
from finescale.laws.advice import Advice
from finescale.laws.advice.judgement import MethodAdvice
from finescale.laws.advice.question import NAMES
from finescale.laws.critical.crossing import Crossing
from finescale.laws.points import methods

GRID_SIZE = 200
BEYOND = 2.0  # how far the picture goes past the measured sizes and the one asked about
BAND_ROOM = 0.2  # of the lines' range: how far the loss axis follows a band
DASHES, DOTS = (0, (3, 2)), (0, (1, 2))
NAME_SIZE = 7.0
DECADES = 2.5  # of a size axis, from which powers of ten are ticks enough


def advice_figure(advice: Advice) -> Figure:
    """Laws with bands, measured points nearby, critical sizes, and the size asked about."""
    figure = Figure(figsize=(0.8 * PAGE_WIDTH, 3.9), layout="constrained")
    axes = figure.subplots()
    examples = _examples(advice)
    names = methods(cell for method in advice.methods for cell in method.law.cells)
    colours = dict(zip(names, sequential(len(names)), strict=False))  # whatever their order is
    for method in advice.methods:
        _draw_method(axes, method, examples, colours[method.method])
    for method, crossing in _crossings(advice, examples):
        _mark(axes, method, crossing)
    _set_axes(axes, advice, examples)
    figure.legend(handles=_keys(advice), loc="outside lower center", ncols=3)
    figure.draw_without_rendering()
    _name_lines(figure, axes, advice.methods, examples[-1], colours)
    return figure


def _examples(advice: Advice) -> np.ndarray:
    """From the smallest to the largest size that is measured or asked about, and a little on."""
    ends = [end for method in advice.methods for end in method.law.ranges["D"]]
    ends.append(advice.question.data)
    return np.geomspace(min(ends) / BEYOND, max(ends) * BEYOND, GRID_SIZE)


def _draw_method(axes: Axes, method: MethodAdvice, examples: np.ndarray, colour: str) -> None:
    law, curve = method.law, method.law.over_examples(method.at)
    losses = curve.predict(D=examples)
    axes.plot(examples, losses, color=colour, linestyle=DASHES, zorder=2)
    low, high = law.ranges["D"]
    inside = (examples >= low) & (examples <= high) & _factors_inside(method)
    axes.plot(examples, np.where(inside, losses, np.nan), color=colour, zorder=3)
    if curve.resamples:
        draw_band(axes, examples, *band(curve, D=examples), colour)
    near, exactly = _nearest(method)
    axes.plot(
        law.data.variables["D"][near],
        law.data.loss[near],
        "o",
        color=colour,
        markersize=4,
        markerfacecolor=colour if exactly else "white",
        markeredgewidth=0.8,
        zorder=4,
    )


def _factors_inside(method: MethodAdvice) -> bool:
    """Whether nothing but the finetuning data is extrapolated."""
    return all(far.variable == "D" for far in method.extrapolated)


def _nearest(method: MethodAdvice) -> tuple[np.ndarray, bool]:
    """The cells whose factors are nearest to those asked about, and whether they are the same."""
    law = method.law
    distance = np.zeros(len(law.cells))
    for factor in law.factors:
        distance += np.abs(np.log(law.data.variables[factor] / method.at[factor]))
    return np.isclose(distance, distance.min()), bool(distance.min() < 1e-9)


def _nearest_place(method: MethodAdvice) -> str:
    """What is different about the nearest cells."""
    near, law = _nearest(method)[0], method.law
    return ", ".join(
        f"{NAMES[name]} {format_count(law.data.variables[name][near][0])}"
        for name in law.factors
        if not np.isclose(law.data.variables[name][near][0], method.at[name], rtol=1e-9)
    )


def _crossings(advice: Advice, examples: np.ndarray) -> Iterable[tuple[MethodAdvice, Crossing]]:
    """Those in the picture, each with one of the methods that meet there."""
    by_name = {method.method: method for method in advice.methods}
    for pair in advice.critical_sizes:
        for one in pair.comparison.crossings:
            if examples[0] < one.size < examples[-1]:
                yield by_name[pair.first], one


def _mark(axes: Axes, method: MethodAdvice, crossing: Crossing) -> None:
    loss = float(method.law.over_examples(method.at).predict(D=crossing.size))
    axes.plot(
        crossing.size,
        loss,
        "D",
        color="black",
        markersize=4.5,
        markerfacecolor="white",
        markeredgewidth=0.9,
        zorder=5,
    )
    axes.annotate(
        format_rough(crossing.size),
        (crossing.size, loss),
        (5, 7),
        textcoords="offset points",
        fontsize=NAME_SIZE,
        zorder=6,
        bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
    )


def _set_axes(axes: Axes, advice: Advice, examples: np.ndarray) -> None:
    axes.set_xscale("log")
    axes.set_xlim(examples[0], examples[-1])
    wide = np.log10(examples[-1] / examples[0]) > DECADES
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("finetuning examples")
    axes.set_ylabel(LOSS_LABEL)
    axes.set_ylim(_loss_range(advice, examples))
    axes.set_title(_title(advice), loc="left", pad=14)
    axes.axvline(advice.question.data, color=GREY, linestyle=DOTS, linewidth=1, zorder=2)
    axes.annotate(
        f"asked: {format_count(advice.question.data)}",
        (advice.question.data, 1),
        (0, 3),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="center",
        color=GREY,
        fontsize=NAME_SIZE,
    )


def _loss_range(advice: Advice, examples: np.ndarray) -> tuple[float, float]:
    """All lines and points, and bands as far as there is room."""
    curves = [method.law.over_examples(method.at) for method in advice.methods]
    shown = [curve.predict(D=examples) for curve in curves]
    shown += [method.law.data.loss[_nearest(method)[0]] for method in advice.methods]
    low, high = (end(np.concatenate(shown)) for end in (np.min, np.max))
    room = BAND_ROOM * (high - low)
    bands = [edge for curve in curves if curve.resamples for edge in band(curve, D=examples)]
    edges = np.clip(np.concatenate([[low, high], *bands]), low - room, high + room)
    margin = 0.04 * float(np.ptp(edges))
    return float(edges.min()) - margin, float(edges.max()) + margin


def _title(advice: Advice) -> str:
    """The factors that are the same for all methods that have them."""
    places: dict[str, str] = {}
    for method in advice.methods:
        for name, value in method.at.items():
            if name not in ("D", "pet_parameter_size"):
                places.setdefault(name, f"{NAMES[name]} {format_count(value)}")
    at = f" at {', '.join(places.values())}" if places else ""
    return f"Predicted loss{at}"


def _keys(advice: Advice) -> list[Line2D | Patch]:
    """What is drawn."""
    keys: list[Line2D | Patch] = []
    if any(map(_factors_inside, advice.methods)):
        keys.append(Line2D([], [], color=GREY, label="law"))
    keys.append(Line2D([], [], color=GREY, linestyle=DASHES, label="law, extrapolated"))
    if any(method.scheme for method in advice.methods):
        keys.append(band_key("95% interval of the law"))
    elsewhere = [method for method in advice.methods if not _nearest(method)[1]]
    if len(elsewhere) < len(advice.methods):
        keys.append(_marker("o", GREY, "measured there"))
    if elsewhere:
        keys.append(_marker("o", "white", f"measured at {_nearest_place(elsewhere[0])}"))
    if any(pair.comparison.crossings for pair in advice.critical_sizes):
        keys.append(_marker("D", "white", "critical size, in examples"))
    return keys


def _marker(marker: str, fill: str, label: str) -> Line2D:
    return Line2D(
        [], [], linestyle="none", marker=marker, color=GREY, markerfacecolor=fill, label=label,
        markersize=4,
    )  # fmt: skip


def _name_lines(
    figure: Figure,
    axes: Axes,
    judged: Sequence[MethodAdvice],
    end: float,
    colours: Mapping[str, str],
) -> None:
    """Each method at the end of its line, moved apart where names would overlap."""
    to_axes = axes.transData + axes.transAxes.inverted()
    losses = [float(m.law.over_examples(m.at).predict(D=end)) for m in judged]
    wanted = [to_axes.transform((end, loss))[1] for loss in losses]
    spacing = 1.15 * NAME_SIZE / 72 * figure.dpi / axes.get_window_extent().height
    for method, height in zip(judged, spread(wanted, spacing), strict=True):
        size = method.at.get("pet_parameter_size")
        axes.text(
            1.01,
            height,
            method_title(method.method) + (f" ({format_count(size)})" if size else ""),
            color=colours[method.method],
            fontsize=NAME_SIZE,
            va="center",
            transform=axes.transAxes,
        )
