"""Figure 10: the laws of pretraining itself."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from finescale.figures.intervals import (
    band,
    interval_columns,
    intervals_are,
    level_words,
    parameter_intervals,
    predicted,
    status_words,
    with_bounds,
)
from finescale.figures.panels import Dot, Panel, Series, draw_panel, fit_loss_axis, legend
from finescale.figures.style import (
    FACTOR_TITLES,
    PAGE_WIDTH,
    format_deviations,
    format_interval,
    save,
    write_csv,
)
from finescale.laws.ensemble import Ensemble
from finescale.laws.pretraining import PretrainingLaw, PretrainingPoint

LOSS_LABEL = "validation log-perplexity\n(nats per token)"
SIZE_AXES = {
    "nominal": "model size (parameters, nominal)",
    "total": "model size (parameters)",
    "non_embedding": "model size (parameters without embeddings)",
}
COLUMNS = (
    *("record", "family", "factor", "x", "split", "log_perplexity", *interval_columns(["law"])),
    *("status", "reason", "at_bound", *interval_columns(["A", "alpha", "E"])),
    *("deviation_fitted", "deviation_held_out"),
)


def pretraining_figure(families: Sequence[Sequence[PretrainingLaw]], folder: Path) -> None:
    """A row for each family: loss over model size, and over tokens."""
    figure = Figure(figsize=(PAGE_WIDTH * 0.8, 0.8 + 2.3 * len(families)), layout="constrained")
    grid = figure.subplots(len(families), 2, squeeze=False)
    laws = [law for family in families for law in family]
    panels = [_panel(law) for law in laws]
    lines = max(len(panel.lines) for panel in panels)
    for axes, law, panel in zip(grid.flat, laws, panels, strict=True):
        draw_panel(axes, panel, lines)
        fit_loss_axis(axes, [panel])
        axes.set_ylabel(LOSS_LABEL)
        over_size = law.factor == "llm_model_size"
        axes.set_xlabel(SIZE_AXES[law.model_size_as] if over_size else "pretraining tokens")
    bands = intervals_are(
        scheme for law in laws if law.fit.ok for scheme in law.resamples or [None]
    )
    legend(figure, panels, "", bands, _note(laws))
    save(figure, folder, "figure")
    write_csv(Path(folder) / "figure.csv", COLUMNS, [row for law in laws for row in _rows(law)])


def _panel(law: PretrainingLaw) -> Panel:
    title = [f"{law.family}: {FACTOR_TITLES[law.factor]}"]
    if law.fit.ok:
        intervals = parameter_intervals(law.ensemble)
        exponent, limit = (
            format_interval(law.fit.parameters[name], intervals.get(name))
            for name in ("alpha", "E")
        )
        title += [
            format_deviations(law.deviation_fitted, law.deviation_held_out),
            rf"$\alpha$ = {exponent}",
            f"$E$ {level_words(law.fit, None) or f'= {limit}'}",
        ]
    dots = tuple(
        Dot(point.x, (point.log_perplexity,), point.split == "held-out") for point in law.points
    )
    curve = partial(_over_x, law.ensemble) if law.fit.ok else None
    around = partial(_band_over_x, law.ensemble) if law.resamples else None
    return Panel(
        tuple(title),
        (Series("", dots, curve, band=around),),
        "" if law.fit.ok else f"law {status_words(law.fit)}",
    )


def _over_x(ensemble: Ensemble, x: np.ndarray) -> np.ndarray:
    return ensemble.predict(X=x)


def _band_over_x(ensemble: Ensemble, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return band(ensemble, X=x)


def _note(laws: Sequence[PretrainingLaw]) -> str:
    diverged = sum(law.diverged for law in laws if law.factor == "llm_model_size")
    return f"Base models left out: {diverged} diverged" if diverged else ""


def _rows(law: PretrainingLaw) -> list[dict]:
    base = {"family": law.family, "factor": law.factor}
    points = [base | _point_row(law, point) for point in law.points]
    fitted = {
        "record": "law",
        "status": law.fit.status,
        "reason": law.fit.reason,
        "at_bound": ";".join(law.fit.at_bound),
        **with_bounds(law.fit.parameters, parameter_intervals(law.ensemble)),
        "deviation_fitted": law.deviation_fitted,
        "deviation_held_out": law.deviation_held_out,
    }
    return [*points, base | fitted]


def _point_row(law: PretrainingLaw, point: PretrainingPoint) -> dict:
    row = {"record": "point", "x": point.x, "split": point.split}
    row["log_perplexity"] = point.log_perplexity
    return row | (predicted(law.ensemble, X=point.x) if law.fit.ok else {})
