"""The search for learning rate and batch: what each choice gives on the dev set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from finescale.figures.style import (
    PAGE_WIDTH,
    method_title,
    save,
    sequential,
    styled,
    write_csv,
)

CHOICE = ("learning_rate", "batch_examples")
COLUMNS = (
    *("method", *CHOICE, "status", "dev_log_perplexity", "best_step", "steps"),
    *("best", "used", "digest"),
)
PANEL_HEIGHT = 2.5  # inches


def search_figure(
    title: str,
    runs: Sequence[Mapping[str, Any]],
    used: Mapping[str, Mapping],
    folder: Path,
    stamp: str = "",
) -> None:
    """A panel for each method: dev log-perplexity over learning rate, a line for each batch.

    A run has `method`, `learning_rate`, `batch_examples`, and of its result `status`,
    `dev_log_perplexity` (nats per target token), `best_step` and `steps`. `used` is the study's own
    choice for each method. A `stamp` is set above the drawing.
    """
    rows = marked(runs, used)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    with styled(stamp):
        figure = Figure(figsize=(PAGE_WIDTH, PANEL_HEIGHT), layout="constrained")
        grid = figure.subplots(1, len(methods), squeeze=False)[0]
        for axes, method in zip(grid, methods, strict=True):
            _panel(axes, method, [row for row in rows if row["method"] == method])
        grid[0].set_ylabel("dev log-perplexity\n(nats per target token)")
        handles = {
            label: handle
            for axes in grid
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=6)
        figure.suptitle(f"{title}: a finetuning for each learning rate and batch", fontsize=8)
        save(figure, folder, "figure")
    write_csv(Path(folder) / "figure.csv", COLUMNS, rows)


def marked(runs: Sequence[Mapping[str, Any]], used: Mapping[str, Mapping]) -> list[dict[str, Any]]:
    """The runs, saying of each whether it is the best of its method and whether it is used."""
    finished = [run for run in runs if run["status"] == "ok"]
    best = {
        method: min(
            (run for run in finished if run["method"] == method),
            key=lambda run: run["dev_log_perplexity"],
        )
        for method in {run["method"] for run in finished}
    }
    return [
        {
            **run,
            "best": run is best.get(run["method"]),
            "used": all(run[name] == used[run["method"]][name] for name in CHOICE),
        }
        for run in runs
    ]


def _panel(axes: Axes, method: str, rows: Sequence[Mapping[str, Any]]) -> None:
    batches = sorted({row["batch_examples"] for row in rows})
    finished = [row for row in rows if row["status"] == "ok"]
    for batch, colour in zip(batches, sequential(len(batches)), strict=False):
        line = sorted(_place(row) for row in finished if row["batch_examples"] == batch)
        if line:
            axes.plot(*zip(*line, strict=True), "o-", color=colour, ms=3, label=f"batch {batch}")
    for mark, name, size in (("*", "best", 9), ("s", "used", 8)):
        points = [_place(row) for row in finished if row[name]]
        if points:
            axes.plot(
                *zip(*points, strict=True), mark, ms=size, mfc="none", mec="black", label=name
            )
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_title("\n".join([method_title(method), _words(rows)]))


def _place(row: Mapping[str, Any]) -> tuple[float, float]:
    return row["learning_rate"], row["dev_log_perplexity"]


def _words(rows: Sequence[Mapping[str, Any]]) -> str:
    """The best choice, and how many runs diverged."""
    words = [
        f"best: {row['learning_rate']:g}, batch {row['batch_examples']}"
        for row in rows
        if row["best"]
    ]
    failed = sum(row["status"] != "ok" for row in rows)
    return ", ".join([*words, *([f"{failed} diverged"] if failed else [])])
