"""What a design looks like: how far its plans shrink an interval, over their compute."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from finescale.figures.panels import GREY
from finescale.figures.style import PAGE_WIDTH, format_count, sequential
from finescale.laws.design import Design, Step

TITLES = ("Each run the best for its compute:", "Each run the best at any price:")
NOTHING = "no run takes a hundredth off the interval"
AXES_HEIGHT, LINE_HEIGHT = 2.9, 0.16  # inches: of the curves, and of a run in the lists
FONT_SIZE = 6.5
TITLE_WIDTH = 90  # characters
ROOM = 2.0  # of the cost axis, at both ends


def design_figure(design: Design, title: str) -> Figure:
    """Two plans run by run, numbered, with the list of their runs below."""
    plans = [design.plan_per_cost, design.plan]
    lists = [_listed(*each) for each in zip(TITLES, plans, strict=True)]
    heights = [AXES_HEIGHT, *(LINE_HEIGHT * len(lines) for lines in lists)]
    figure = Figure(figsize=(0.85 * PAGE_WIDTH, sum(heights)), layout="constrained")
    axes, *below = figure.subplots(3, height_ratios=heights)
    axes.set_title(fill(f"Interval of {title}", TITLE_WIDTH), loc="left")
    for plan, lines, place, colour in zip(plans, lists, below, sequential(3), strict=False):
        _draw_plan(axes, plan, colour)
        place.set_axis_off()
        text = "\n".join(lines)
        place.text(0, 1, text, color=colour, va="top", linespacing=1.3, fontsize=FONT_SIZE)
    _set_axes(axes, design)
    return figure


def _listed(title: str, plan: Sequence[Step]) -> list[str]:
    runs = [
        f"{number}  {step.candidate.run} ({step.candidate.kind})"
        for number, step in enumerate(plan, 1)
    ]
    return [title, *(runs or [NOTHING])]


def _draw_plan(axes: Axes, plan: Sequence[Step], colour: str) -> None:
    if not plan:
        return
    costs = [step.cost for step in plan]
    widths = [step.width for step in plan]
    axes.step([costs[0] / 1e30, *costs], [1.0, *widths], where="post", color=colour, zorder=2)
    axes.plot(costs, widths, "o", color=colour, markersize=9, zorder=3)
    for number, (cost, width) in enumerate(zip(costs, widths, strict=True), 1):
        axes.annotate(
            str(number),
            (cost, width),
            color="white",
            fontsize=FONT_SIZE,
            ha="center",
            va="center_baseline",
            zorder=4,
        )


def _set_axes(axes: Axes, design: Design) -> None:
    costs = [step.cost for step in (*design.plan_per_cost, *design.plan)]
    flops = design.cost_unit == "FLOPs"
    if costs:
        axes.set_xscale("log")
        axes.set_xlim(min(costs) / ROOM, max(costs) * ROOM)
        if not flops:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    else:
        why = "nothing can be said yet" if not design.identified else NOTHING
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color=GREY)
    lowest = min((step.width for step in (*design.plan_per_cost, *design.plan)), default=0.0)
    axes.set_ylim(max(0.0, np.floor(10 * lowest - 0.5) / 10), 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel(f"cost of the runs so far ({design.cost_unit})" if costs else "cost")
    axes.set_ylabel("width of the interval, today's = 100%")
