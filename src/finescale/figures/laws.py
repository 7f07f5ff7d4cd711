"""Figures 1-4: finetuning points and the laws fitted to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

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
    ALL_DIMENSIONS,
    METHODS,
    Cell,
    Point,
    cells,
    coordinate,
    on_factor,
)
from finescale.laws.procedure import Law, Settings, TaskFit

ALPHA = {"llm_model_size": "m", "pretraining_tokens": "p", "pet_parameter_size": "t"}
LABELS_ARE = {
    "llm_model_size": "Line labels: model size (parameters)",
    "pretraining_tokens": "Line labels: pretraining data size (tokens)",
    "pet_parameter_size": "Line labels: PET parameter size",
}
PET_UNITS = {"prompt": "length ", "lora": "rank "}
COLUMNS = (
    *("record", "task", "method", "factor", "x", "finetuning_examples", "split", "seeds"),
    *("log_perplexity", "form", "status", "reason", "A", "alpha", "B", "beta", "E"),
    *("deviation_fitted", "deviation_held_out"),
)


@dataclass(frozen=True)
class Measured:
    """What one panel draws: the cells, failed runs and laws of one task, method and factor."""

    settings: Settings
    method: str
    factor: str
    cells: tuple[Cell, ...]
    failed: tuple[Point, ...]
    laws: tuple[Law, ...]  # one joint law, or a single-variable law for each model size
    dimensions: tuple[str, ...]  # those whose held-out value matters here

    def x(self, item: Cell | Point) -> float:
        """X of a cell; of a failed run too, whose parameters may not be known."""
        if isinstance(item, Cell):
            return item.x(self.factor, self.settings.model_size_as)
        place = coordinate(item, self.factor)
        twins = [cell for cell in self.cells if coordinate(cell, self.factor) == place]
        return self.x(twins[0]) if twins else float(place or 0)

    def held_out(self, cell: Cell) -> bool:
        """Whether this panel's laws were fitted without it."""
        return self.settings.held_out.excludes(cell, self.dimensions)


def measured(
    fit: TaskFit, points: Sequence[Point], method: str, factor: str, form: str
) -> Measured:
    """Gather one panel's content."""
    single = form == FINETUNING_DATA.name
    mine = [point for point in points if (point.task, point.method) == (fit.settings.task, method)]
    mine = on_factor(mine, factor, fit.settings.base)
    laws = [law for law in fit.laws if (law.method, law.factor, law.form) == (method, factor, form)]
    return Measured(
        settings=fit.settings,
        method=method,
        factor=factor,
        cells=tuple(cells(mine)),
        failed=tuple(point for point in mine if point.status != "ok"),
        laws=tuple(laws),
        dimensions=("finetuning_examples",) if single else ALL_DIMENSIONS,
    )


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


def note_on_failures(contents: Iterable[Measured]) -> str:
    """How many runs are left out since they, or their base model, diverged."""
    failed = [point.status for content in contents for point in content.failed]
    counts = {status: failed.count(status) for status in ("diverged", "base diverged")}
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    return f"Runs left out of the fits: {', '.join(parts)}" if parts else ""


def csv_rows(contents: Iterable[Measured]) -> list[dict]:
    """Exactly what is drawn: means, single runs where there are several, failures, laws."""
    rows = []
    for content in contents:
        base = {
            "task": content.settings.task,
            "method": content.method,
            "factor": content.factor,
        }
        for cell in content.cells:
            rows += [base | row for row in _cell_rows(content, cell)]
        rows += [
            base
            | {"record": "failed", "x": content.x(point), "status": point.status}
            | {"finetuning_examples": point.finetuning_examples}
            for point in content.failed
        ]
        rows += [base | _law_row(law) for law in content.laws]
    return rows


def _cell_rows(content: Measured, cell: Cell) -> list[dict]:
    shared = {
        "x": content.x(cell),
        "finetuning_examples": cell.finetuning_examples,
        "split": "held-out" if content.held_out(cell) else "fit",
    }
    mean = {"record": "mean", "seeds": len(cell.losses), "log_perplexity": cell.loss}
    single = [{"record": "run", "log_perplexity": loss} for loss in cell.losses]
    return [shared | row for row in [mean, *(single if len(single) > 1 else [])]]


def _law_row(law: Law) -> dict:
    return {
        "record": "law",
        "x": "" if law.x is None else law.x,
        "form": law.form,
        "status": law.fit.status,
        "reason": law.fit.reason,
        **law.fit.parameters,
        "deviation_fitted": law.deviation_fitted,
        "deviation_held_out": law.deviation_held_out,
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _range(values: Sequence[float]) -> str:
    low, high = format_number(min(values)), format_number(max(values))
    return low if low == high else f"{low} to {high}"
