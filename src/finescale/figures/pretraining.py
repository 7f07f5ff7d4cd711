"""Figure 10: the laws of pretraining itself."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from finescale.figures.panels import Dot, Panel, Series, draw_panel, fit_loss_axis, legend
from finescale.figures.style import (
    FACTOR_TITLES,
    PAGE_WIDTH,
    format_deviations,
    format_loss,
    format_number,
    save,
    write_csv,
)
from finescale.laws.forms import PRETRAINING
from finescale.laws.pretraining import PretrainingLaw

LOSS_LABEL = "validation log-perplexity\n(nats per token)"
SIZE_AXES = {
    "nominal": "model size (parameters, nominal)",
    "total": "model size (parameters)",
    "non_embedding": "model size (parameters without embeddings)",
}
COLUMNS = (
    *("record", "family", "factor", "x", "split", "log_perplexity", "status", "reason"),
    *("A", "alpha", "E", "deviation_fitted", "deviation_held_out"),
)


def pretraining_figure(families: Sequence[Sequence[PretrainingLaw]], folder: Path) -> None:
    """A row for each family: loss over model size, and over tokens."""
    figure = Figure(figsize=(PAGE_WIDTH * 0.8, 0.7 + 2.2 * len(families)), layout="constrained")
    grid = figure.subplots(len(families), 2, squeeze=False)
    laws = [law for family in families for law in family]
    panels = [_panel(law) for law in laws]
    for axes, law, panel in zip(grid.flat, laws, panels, strict=True):
        draw_panel(axes, panel)
        fit_loss_axis(axes, [panel])
        axes.set_ylabel(LOSS_LABEL)
        over_size = law.factor == "llm_model_size"
        axes.set_xlabel(SIZE_AXES[law.model_size_as] if over_size else "pretraining tokens")
    legend(figure, panels, "", _note(laws))
    save(figure, folder, "figure")
    write_csv(Path(folder) / "figure.csv", COLUMNS, [row for law in laws for row in _rows(law)])


def _panel(law: PretrainingLaw) -> Panel:
    title = [f"{law.family}: {FACTOR_TITLES[law.factor]}"]
    predict = None
    if law.fit.ok:
        parameters = law.fit.parameters
        title.append(format_deviations(law.deviation_fitted, law.deviation_held_out))
        exponent, limit = format_number(parameters["alpha"]), format_loss(parameters["E"])
        title.append(rf"$\alpha$ = {exponent},  $E$ = {limit}".replace("= <", "< "))
        predict = partial(_over_x, parameters)
    dots = tuple(
        Dot(point.x, (point.log_perplexity,), point.split == "held-out") for point in law.points
    )
    return Panel(tuple(title), (Series("", dots, predict),), law.fit.reason)


def _over_x(parameters: Mapping[str, float], x: np.ndarray) -> np.ndarray:
    return PRETRAINING.predict(parameters, X=x)


def _note(laws: Sequence[PretrainingLaw]) -> str:
    diverged = sum(law.diverged for law in laws if law.factor == "llm_model_size")
    return f"Base models left out: {diverged} diverged" if diverged else ""


def _rows(law: PretrainingLaw) -> list[dict]:
    base = {"family": law.family, "factor": law.factor}
    points = [
        base
        | {"record": "point", "x": point.x, "split": point.split}
        | {"log_perplexity": point.log_perplexity}
        for point in law.points
    ]
    fitted = {
        "record": "law",
        "status": law.fit.status,
        "reason": law.fit.reason,
        **law.fit.parameters,
        "deviation_fitted": law.deviation_fitted,
        "deviation_held_out": law.deviation_held_out,
    }
    return [*points, base | fitted]
