"""Figures 1-4: finetuning points and the laws fitted to them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from finescale.figures.measured import (
    COLUMNS,
    Measured,
    csv_rows,
    measured,
    note_on_failures,
)
from finescale.figures.panels import (
    Curve,
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
    METHOD_TITLES,
    PAGE_WIDTH,
    format_count,
    format_deviations,
    format_number,
    save,
    write_csv,
)
from finescale.laws.forms import FINETUNING_DATA, MULTIPLICATIVE, Form
from finescale.laws.points import (
    METHODS,
    Cell,
    Point,
)
from finescale.laws.procedure import TaskFit

ALPHA = {"llm_model_size": "m", "pretraining_tokens": "p", "pet_parameter_size": "t"}
LABELS_ARE = {
    "llm_model_size": "Line labels: model size (parameters)",
    "pretraining_tokens": "Line labels: pretraining data size (tokens)",
    "pet_parameter_size": "Line labels: PET parameter size",
}
PET_UNITS = {"prompt": "length ", "lora": "rank "}


def single_variable_figure(fits: Sequence[TaskFit], points: Sequence[Point], folder: Path) -> None:
    """Figure 1: for the first task, laws over finetuning data, one for each model size."""
    fit = fits[0]
    row = [
        measured(fit, points, method, "llm_model_size", FINETUNING_DATA.name)
        for method in _methods([fit], points, METHODS)
    ]
    _draw([row], [[_single_panel(content) for content in row]], "llm_model_size", folder)


def joint_figure(
    fits: Sequence[TaskFit],
    points: Sequence[Point],
    folder: Path,
    *,
    factor: str,
    methods: Sequence[str] = METHODS,
) -> None:
    """Figures 2-4: multiplicative laws over a factor; a row for a task, a column for a method."""
    contents = [
        [
            measured(fit, points, method, factor, MULTIPLICATIVE.name)
            for method in _methods(fits, points, methods)
        ]
        for fit in fits
    ]
    panels = [[_joint_panel(content) for content in row] for row in contents]
    _draw(contents, panels, factor, folder)


def _methods(fits: Sequence[TaskFit], points: Sequence[Point], methods: Sequence[str]) -> list[str]:
    """Those of the methods that any of the tasks was finetuned by."""
    tasks = {fit.settings.task for fit in fits}
    present = {point.method for point in points if point.task in tasks}
    return [method for method in methods if method in present]


def _single_panel(content: Measured) -> Panel:
    fitted = {law.x: law for law in content.laws if law.fit.ok and law.x is not None}
    predictions = {
        x: partial(_over_examples, FINETUNING_DATA, law.fit.parameters, x)
        for x, law in fitted.items()
    }
    betas = [law.fit.parameters["beta"] for law in fitted.values()]
    exponent = rf"$\beta$ = {_range(betas)}" if betas else ""
    lost: dict[str, list[str]] = {}
    for law in content.laws:
        if not law.fit.ok:
            lost.setdefault(law.fit.reason, []).append(format_count(law.x or 0))
    reason = "; ".join(f"{', '.join(sizes)}: {reason}" for reason, sizes in lost.items())
    deviations = (
        _mean([law.deviation_fitted for law in fitted.values()]),
        _mean([law.deviation_held_out for law in fitted.values()]),
    )
    return _panel(content, predictions, deviations, exponent, reason)


def _joint_panel(content: Measured) -> Panel:
    if not content.laws:
        return _panel(content, {}, (None, None), "", "")
    (law,) = content.laws
    deviations = law.deviation_fitted, law.deviation_held_out
    if not law.fit.ok:
        return _panel(content, {}, deviations, "", law.fit.reason)
    parameters = law.fit.parameters
    exponents = (
        rf"$\alpha_{ALPHA[content.factor]}$ = {format_number(parameters['alpha'])},  "
        rf"$\beta$ = {format_number(parameters['beta'])}"
    )
    predictions = {
        content.x(cell): partial(_over_examples, MULTIPLICATIVE, parameters, content.x(cell))
        for cell in content.cells
    }
    return _panel(content, predictions, deviations, exponents, "")


def _over_examples(
    form: Form, parameters: Mapping[str, float], x: float, examples: np.ndarray
) -> np.ndarray:
    return form.predict(parameters, X=x, D=examples)


def _panel(
    content: Measured,
    predictions: Mapping[float, Curve],
    deviations: tuple[float | None, float | None],
    exponents: str,
    reason: str,
) -> Panel:
    """Lines of the title: task and method, deviations, exponents."""
    title = [f"{content.settings.title}, {METHOD_TITLES[content.method]}"]
    if predictions:
        title += [format_deviations(*deviations), exponents]
    items: list[Cell | Point] = [*content.cells, *content.failed]
    values = sorted({content.x(item) for item in items})
    series = tuple(_series(content, x, predictions.get(x)) for x in values)
    return Panel(tuple(title), series, reason)


def _series(content: Measured, x: float, law: Curve | None) -> Series:
    dots = tuple(
        Dot(cell.finetuning_examples, cell.losses, content.held_out(cell))
        for cell in content.cells
        if content.x(cell) == x
    )
    failed = (point for point in content.failed if content.x(point) == x)
    diverged = tuple(sorted(float(point.finetuning_examples) for point in failed))
    unit = PET_UNITS[content.method] if content.factor == "pet_parameter_size" else ""
    return Series(unit + format_count(x), dots, law, diverged)


def _draw(
    contents: Sequence[Sequence[Measured]],
    panels: Sequence[Sequence[Panel]],
    factor: str,
    folder: Path,
) -> None:
    """Lay the panels out, rows sharing their loss axis, and write picture and CSV."""
    rows, columns = len(panels), len(panels[0])
    figure = Figure(
        figsize=(PAGE_WIDTH * (0.34 + 0.22 * columns), 0.8 + 2.1 * rows), layout="constrained"
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharey="row")
    pairs = list(zip(grid.flat, (panel for row in panels for panel in row), strict=True))
    for axes, panel in pairs:
        draw_panel(axes, panel)
    for axes, row in zip(grid[:, 0], panels, strict=True):
        fit_loss_axis(axes, row)
    for axes in grid[-1]:
        axes.set_xlabel("finetuning examples")
    for axes in grid[:, 0]:
        axes.set_ylabel(LOSS_LABEL)
    flat = [content for row in contents for content in row]
    legend(figure, (panel for _, panel in pairs), LABELS_ARE[factor], note_on_failures(flat))
    figure.draw_without_rendering()
    for axes, panel in pairs:
        label_series(figure, axes, panel)
    save(figure, folder, "figure")
    write_csv(Path(folder) / "figure.csv", COLUMNS, csv_rows(flat))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _range(values: Sequence[float]) -> str:
    low, high = format_number(min(values)), format_number(max(values))
    return low if low == high else f"{low} to {high}"
