"""Figures 6-9 and 11-14: scores of generated text over finetuning examples; losses likewise."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from finescale.figures.laws import LABELS_ARE
from finescale.figures.panels import (
    DIVERGED_MARKER,
    FITTED_MARKER,
    GREY,
    draw_panel,
    label_series,
    set_size_axis,
)
from finescale.figures.score_lines import COLUMNS, Content, Line, csv_rows, score_content
from finescale.figures.scored import NO_EXAMPLES, TaskScores, methods_of
from finescale.figures.style import PAGE_WIDTH, save, sequential, write_csv

SUITES_ARE = {
    "test": "Scores on the test sets",
    "zero-shot": "Scores for source languages that finetuning did not see, averaged over them",
    "one-shot": "Scores on the test sets, with one demonstration before each source",
    "five-shot": "Scores on the test sets, with five demonstrations before each source",
    "loss": "Test sets that were added after training, in nats per target token",
}
DASHED: Mapping[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 0.8, "zorder": 1.5}
SHARE_TOPS = (0.1, 0.2, 0.5, 1.0)  # of the strips' axis
BAR: Mapping[str, Any] = {"linewidth": 0.7, "alpha": 0.7, "zorder": 1.8}  # an interval
GUTTER = 0.03  # of a panel's width: for the interval of one baseline
LETTERS_PER_INCH = 15  # of the words below the panels
SCORE_HEIGHT, SHARE_HEIGHT = 1.8, 0.6  # inches: of a panel, and of the strip below it


def score_figure(scores: Sequence[TaskScores], folder: Path, *, factor: str, suite: str) -> None:
    """A row for each task, a column for each method, a line for each X.

    Where outputs were checked for their language, a strip below each panel has the share of those
    in a wrong one.
    """
    methods = methods_of(scores, factor)
    contents = [[score_content(task, method, factor) for method in methods] for task in scores]
    flat = [content for row in contents for content in row]
    figure, grid = _lay_out(contents)
    for rows, of_task in zip(grid, contents, strict=True):
        _draw_row(rows, of_task, suite)
    for axes in grid[-1][-1]:
        axes.set_xlabel("finetuning examples")
    _legend(figure, flat, factor, suite, len(methods))
    figure.draw_without_rendering()
    panels = (axes for row in grid for axes in row[0])
    for axes, content in zip(panels, flat, strict=True):
        label_series(figure, axes, content.named)
    save(figure, folder, "figure")
    drawn = (row for content in flat for row in csv_rows(content, suite))
    write_csv(Path(folder) / "figure.csv", COLUMNS, drawn)


def _lay_out(contents: Sequence[Sequence[Content]]) -> tuple[Figure, list[list[Sequence[Axes]]]]:
    """For each task its row of panels, and a row of strips where languages are known."""
    heights = [
        (SCORE_HEIGHT, SHARE_HEIGHT) if any(map(_checked, row)) else (SCORE_HEIGHT,)
        for row in contents
    ]
    ratios = [height for row in heights for height in row]
    columns = len(contents[0])
    width = PAGE_WIDTH * (0.34 + 0.22 * columns)
    figure = Figure(figsize=(width, 1.1 + sum(ratios)), layout="constrained")
    grid = iter(
        figure.subplots(len(ratios), columns, squeeze=False, sharey="row", height_ratios=ratios)
    )
    return figure, [[next(grid) for _ in row] for row in heights]


def _checked(content: Content) -> bool:
    """Whether the language of any outputs is known."""
    return bool(_shares(content))


def _shares(content: Content) -> list[float]:
    """Every known share of outputs in the wrong language."""
    models = [model for line in content.lines for model in (*line.cells, line.baseline) if model]
    return [model.wrong_language for model in models if model.wrong_language is not None]


def _draw_row(rows: Sequence[Sequence[Axes]], contents: Sequence[Content], suite: str) -> None:
    """One task: panels that share their score axis, and the strips below them."""
    panels = rows[0]
    for axes, content in zip(panels, contents, strict=True):
        _draw_scores(axes, content)
    of = "later test sets" if suite == "loss" else suite
    panels[0].set_ylabel(f"{contents[0].task.metric_title},\n{of}")
    if not any(line.heights for content in contents for line in content.lines):
        panels[0].yaxis.set_major_locator(NullLocator())
    for strips in rows[1:]:
        for strip, axes, content in zip(strips, panels, contents, strict=True):
            _draw_shares(strip, axes, content)
        strips[0].set_ylabel("wrong\nlanguage")
        _set_share_axis(strips, max(share for content in contents for share in _shares(content)))


def _draw_scores(axes: Axes, content: Content) -> None:
    draw_panel(axes, content.panel)
    baselines = [line.baseline for line in content.lines]
    if any(baselines):
        _make_gutter(axes, len(baselines))
    colours = sequential(len(content.lines))
    for place, (line, colour) in enumerate(zip(content.lines, colours, strict=False)):
        means = [cell.score for cell in line.cells]
        axes.plot([cell.examples for cell in line.cells], means, color=colour, zorder=2)
        for cell in line.cells:
            if cell.interval:
                axes.plot([cell.examples] * 2, cell.interval, color=colour, **BAR)
        if line.baseline and line.baseline.score is not None:
            axes.axhline(line.baseline.score, color=colour, **DASHED)
            if line.baseline.interval:
                x = [GUTTER * (place + 0.5)] * 2
                beside = axes.get_yaxis_transform()
                axes.plot(x, line.baseline.interval, color=colour, transform=beside, **BAR)


def _make_gutter(axes: Axes, bars: int) -> None:
    """Room at the left for the intervals of so many baselines."""
    low, high = axes.get_xlim()
    share = GUTTER * bars
    axes.set_xlim(low * (low / high) ** (share / (1 - share)), high)


def _draw_shares(strip: Axes, axes: Axes, content: Content) -> None:
    """The strip below a panel, whose horizontal axis it has."""
    set_size_axis(strip, axes.get_xticks())
    axes.tick_params(labelbottom=False)
    colours = sequential(len(content.lines))
    for line, colour in zip(content.lines, colours, strict=False):
        shares = {
            cell.examples: cell.wrong_language
            for cell in line.cells
            if cell.wrong_language is not None
        }
        strip.plot(list(shares), list(shares.values()), "o-", color=colour, ms=2, linewidth=0.8)
        if line.baseline and line.baseline.wrong_language is not None:
            strip.axhline(line.baseline.wrong_language, color=colour, **DASHED)
    strip.set_xlim(axes.get_xlim())


def _set_share_axis(strips: Sequence[Axes], largest: float) -> None:
    """One axis for a task's strips, no higher than its shares need."""
    top = next(top for top in SHARE_TOPS if largest <= top)
    for strip in strips:
        strip.set_ylim(-0.06 * top, 1.06 * top)
        strip.yaxis.set_major_locator(FixedLocator([0, top / 2, top]))
        strip.yaxis.set_major_formatter(PercentFormatter(1))


def _legend(
    figure: Figure, contents: Iterable[Content], factor: str, suite: str, columns: int
) -> None:
    """The key below all panels; only what is drawn is explained."""
    lines = [line for content in contents for line in content.lines]
    cells = [cell for line in lines for cell in line.cells]
    baselines = [line.baseline for line in lines if line.baseline]
    many = any(len(cell.runs) > 1 for cell in cells)
    bars = [cell.interval for cell in cells] + [run.interval for run in baselines]
    entries: list[tuple[bool, str, Any, str]] = [
        (bool(cells), FITTED_MARKER, "-", "finetuned (mean over seeds)" if many else "finetuned"),
        (many, "_", "none", "single seeds and their range"),
        (any(bars), "|", "none", "one seed's 95% interval over segments"),
        (bool(baselines), "", DASHED["linestyle"], "not finetuned"),
        (_diverged(lines), DIVERGED_MARKER, "none", "diverged run"),
    ]
    handles = [
        Line2D([], [], color=GREY, marker=marker, linestyle=style, markersize=4, label=label)
        for shown, marker, style, label in entries
        if shown
    ]
    better = "lower" if suite == "loss" else "higher"
    words = [f"{SUITES_ARE[suite]}; {better} is better", LABELS_ARE[factor], _note(lines)]
    letters = int(LETTERS_PER_INCH * figure.get_figwidth())
    key = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        title="\n".join(fill(line, letters) for line in words if line),
    )
    key.get_title().set_multialignment("center")


def _diverged(lines: Iterable[Line]) -> bool:
    return any(run.point.status != NO_EXAMPLES for line in lines for run in line.failed)


def _note(lines: Iterable[Line]) -> str:
    """How many models have no score, and why."""
    failed = [run.point.status for line in lines for run in line.failed]
    counts = {status: failed.count(status) for status in ("diverged", "base diverged", NO_EXAMPLES)}
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    return f"Runs without a score: {', '.join(parts)}" if parts else ""
