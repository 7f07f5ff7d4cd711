"""Figures 1-4: finetuning points and the laws fitted to them."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from finescale.figures.intervals import (
    band,
    intervals_are,
    level_words,
    parameter_intervals,
    status_words,
)
from finescale.figures.measured import (
    COLUMNS,
    Measured,
    csv_rows,
    measured,
    note_on_failures,
)
from finescale.figures.panels import (
    Dot,
    Panel,
    Series,
    draw_panel,
    fit_loss_axis,
    label_series,
    legend,
)
from finescale.figures.style import (
    LOSS_LABEL,
    PAGE_WIDTH,
    format_count,
    format_deviations,
    format_interval,
    method_title,
    save,
    write_csv,
)
from finescale.laws.ensemble import Ensemble
from finescale.laws.forms import FINETUNING_DATA, MULTIPLICATIVE
from finescale.laws.points import Cell, Point, coordinate, methods
from finescale.laws.results import Law, TaskFit

SUBSCRIPTS = {"llm_model_size": "m", "pretraining_tokens": "p", "pet_parameter_size": "t"}
LABELS_ARE = {
    "llm_model_size": "Line labels: model size (parameters)",
    "pretraining_tokens": "Line labels: pretraining data size (tokens)",
    "pet_parameter_size": "Line labels: PET parameter size",
}
LINE_HEIGHT = 0.14  # inches: of a panel's title
PET_UNITS = {"prompt": "length ", "lora": "rank "}


def single_variable_figure(fits: Sequence[TaskFit], points: Sequence[Point], folder: Path) -> None:
    """Figure 1: for the first task, laws over finetuning data, one for each model size."""
    fit, factor = fits[0], "llm_model_size"
    row = [
        measured(fit, points, method, factor, FINETUNING_DATA.name)
        for method in _methods([fit], points, factor)
    ]
    _draw([row], [[_panel(content, _single_title(content)) for content in row]], factor, folder)


def joint_figure(
    fits: Sequence[TaskFit], points: Sequence[Point], folder: Path, *, factor: str
) -> None:
    """Figures 2-4: multiplicative laws over a factor; a row for a task, a column for a method."""
    contents = [
        [
            measured(fit, points, method, factor, MULTIPLICATIVE.name)
            for method in _methods(fits, points, factor)
        ]
        for fit in fits
    ]
    panels = [[_panel(content, _joint_title(content)) for content in row] for row in contents]
    _draw(contents, panels, factor, folder)


def _methods(fits: Sequence[TaskFit], points: Sequence[Point], factor: str) -> tuple[str, ...]:
    """Those that have the factor, of any of the tasks."""
    tasks = {fit.settings.task for fit in fits}
    mine = (point for point in points if point.task in tasks)
    return methods(point for point in mine if coordinate(point, factor) is not None)


def _single_title(content: Measured) -> list[str]:
    """Deviations, averaged over the laws, and each law's exponent."""
    laws = [law for law in content.laws if law.fit.ok]
    if not laws:
        return []
    lines = [
        format_deviations(
            _mean(law.deviation_fitted for law in laws),
            _mean(law.deviation_held_out for law in laws),
        )
    ]
    lines += [f"{format_count(law.x or 0)}: {_exponent('beta', law)}" for law in laws]
    vanished = [format_count(law.x or 0) for law in laws if "E" in law.fit.at_bound]
    return [*lines, *([f"$E$ at 0: {', '.join(vanished)}"] if vanished else [])]


def _joint_title(content: Measured) -> list[str]:
    """Deviations and exponents, and E where the points do not fix it."""
    laws = [law for law in content.laws if law.fit.ok]
    lines = []
    for law in laws:
        level = level_words(law.fit, content.level)
        lines += [
            format_deviations(law.deviation_fitted, law.deviation_held_out),
            _exponent("alpha", law, SUBSCRIPTS[content.factor]),
            _exponent("beta", law),
            *([f"$E$ {level}"] if level else []),
        ]
    return lines


def _exponent(name: str, law: Law, subscript: str = "") -> str:
    symbol = rf"$\{name}_{subscript}$" if subscript else rf"$\{name}$"
    value = format_interval(law.fit.parameters[name], parameter_intervals(law.ensemble).get(name))
    return f"{symbol} = {value}"


def _failures(content: Measured) -> str:
    """Why laws are missing, and for which model sizes."""
    lost: dict[str, list[str]] = {}
    for law in content.laws:
        if not law.fit.ok:
            size = [] if law.x is None else [format_count(law.x)]
            lost.setdefault(status_words(law.fit), []).extend(size)
    return "; ".join(
        ": ".join([*([", ".join(sizes)] if sizes else []), f"law {reason}"])
        for reason, sizes in lost.items()
    )


def _panel(content: Measured, about_laws: Sequence[str]) -> Panel:
    title = (f"{content.settings.title}, {method_title(content.method)}", *about_laws)
    items: list[Cell | Point] = [*content.cells, *content.failed]
    values = sorted({content.x(item) for item in items})
    return Panel(title, tuple(_series(content, x) for x in values), _failures(content))


def _series(content: Measured, x: float) -> Series:
    dots = tuple(
        Dot(cell.finetuning_examples, cell.losses, cell in content.held_out)
        for cell in content.cells
        if content.x(cell) == x
    )
    failed = (point for point in content.failed if content.x(point) == x)
    diverged = tuple(sorted(float(point.finetuning_examples) for point in failed))
    unit = PET_UNITS.get(content.method, "") if content.factor == "pet_parameter_size" else ""
    law = content.law_of(x)
    return Series(
        unit + format_count(x),
        dots,
        partial(_over_examples, law.ensemble, x) if law else None,
        diverged,
        partial(_band_over_examples, law.ensemble, x) if law and law.scheme else None,
    )


def _over_examples(ensemble: Ensemble, x: float, examples: np.ndarray) -> np.ndarray:
    return ensemble.predict(X=x, D=examples)


def _band_over_examples(
    ensemble: Ensemble, x: float, examples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return band(ensemble, X=x, D=examples)


def _draw(
    contents: Sequence[Sequence[Measured]],
    panels: Sequence[Sequence[Panel]],
    factor: str,
    folder: Path,
) -> None:
    """Lay the panels out, rows sharing their loss axis, and write picture and CSV."""
    rows, columns = len(panels), len(panels[0])
    lines = [max(len(panel.lines) for panel in row) for row in panels]
    height = 0.95 + 1.7 * rows + LINE_HEIGHT * sum(lines)
    figure = Figure(figsize=(PAGE_WIDTH * (0.34 + 0.22 * columns), height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey="row")
    pairs = list(zip(grid.flat, (panel for row in panels for panel in row), strict=True))
    for places, row, most in zip(grid, panels, lines, strict=True):
        for axes, panel in zip(places, row, strict=True):
            draw_panel(axes, panel, most)
        fit_loss_axis(places[0], row)
    for axes in grid[-1]:
        axes.set_xlabel("finetuning examples")
    for axes in grid[:, 0]:
        axes.set_ylabel(LOSS_LABEL)
    flat = [content for row in contents for content in row]
    bands = intervals_are(law.scheme for content in flat for law in content.laws if law.fit.ok)
    drawn = [panel for _, panel in pairs]
    legend(figure, drawn, LABELS_ARE[factor], bands, note_on_failures(flat))
    figure.draw_without_rendering()
    for axes, panel in pairs:
        label_series(figure, axes, panel)
    save(figure, folder, "figure")
    write_csv(Path(folder) / "figure.csv", COLUMNS, csv_rows(flat))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
