"""What a law figure draws, panel by panel, and the CSV that says the same in numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from finescale.laws.forms import FINETUNING_DATA
from finescale.laws.points import ALL_DIMENSIONS, Cell, Point, cells, coordinate, on_factor
from finescale.laws.procedure import Law, Settings, TaskFit

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
