"""What a law figure draws, panel by panel, and the CSV that says the same in numbers.

In the CSV, `law`, `law_low` and `law_high` are the fitted law and its band at each measured mean.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from finescale.figures.intervals import (
    LEVEL_COLUMNS,
    interval_columns,
    level_row,
    parameter_intervals,
    predicted,
    with_bounds,
)
from finescale.laws.forms import FINETUNING_DATA
from finescale.laws.points import (
    Cell,
    Point,
    cells,
    coordinate,
    held_out_examples,
    on_factor,
)
from finescale.laws.procedure import TaskFit
from finescale.laws.profile import LevelProfile
from finescale.laws.results import Law, Settings

PARAMETERS = ("A", "alpha", "beta", "E")
COLUMNS = (
    *("record", "task", "method", "factor", "x", "finetuning_examples", "split", "seeds"),
    *("log_perplexity", *interval_columns(["law"])),
    *("form", "status", "reason", "at_bound", "scheme", *interval_columns(PARAMETERS)),
    *(*LEVEL_COLUMNS, "deviation_fitted", "deviation_held_out"),
)


@dataclass(frozen=True)
class Measured:
    """What one panel draws: the cells, failed runs and laws of one task, method and factor."""

    settings: Settings
    method: str
    factor: str
    cells: tuple[Cell, ...]
    held_out: frozenset[Cell]  # those that this panel's laws were fitted without
    failed: tuple[Point, ...]
    laws: tuple[Law, ...]  # one joint law, or a single-variable law for each model size
    level: LevelProfile | None  # of the joint law

    def x(self, item: Cell | Point) -> float:
        """X of a cell; of a failed run too, whose parameters may not be known."""
        if isinstance(item, Cell):
            return item.x(self.factor, self.settings.model_size_as)
        place = coordinate(item, self.factor)
        twins = [cell for cell in self.cells if coordinate(cell, self.factor) == place]
        return self.x(twins[0]) if twins else float(place or 0)

    def law_of(self, x: float) -> Law | None:
        """The fitted law for this X, if there is one."""
        laws = [law for law in self.laws if law.fit.ok and law.x in (None, x)]
        return laws[0] if laws else None


def measured(
    fit: TaskFit, points: Sequence[Point], method: str, factor: str, form: str
) -> Measured:
    """Gather one panel's content."""
    mine = [point for point in points if (point.task, point.method) == (fit.settings.task, method)]
    shown = on_factor(mine, factor, fit.settings.base)
    row = cells(shown)
    if form == FINETUNING_DATA.name:
        sizes = held_out_examples(cells(mine))
        held_out = frozenset(cell for cell in row if cell.finetuning_examples in sizes)
    else:
        held_out = frozenset(cell for cell in row if cell.held_out)
    laws = [law for law in fit.laws if (law.method, law.factor, law.form) == (method, factor, form)]
    return Measured(
        settings=fit.settings,
        method=method,
        factor=factor,
        cells=tuple(row),
        held_out=held_out,
        failed=tuple(point for point in shown if point.status != "ok"),
        laws=tuple(laws),
        level=fit.level(method, form),
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
        rows += [base | _law_row(law, content.level) for law in content.laws]
    return rows


def _cell_rows(content: Measured, cell: Cell) -> list[dict]:
    shared = {
        "x": content.x(cell),
        "finetuning_examples": cell.finetuning_examples,
        "split": "held-out" if cell in content.held_out else "fit",
    }
    mean = {"record": "mean", "seeds": len(cell.losses), "log_perplexity": cell.loss}
    law = content.law_of(content.x(cell))
    if law:
        mean |= predicted(law.ensemble, X=content.x(cell), D=cell.finetuning_examples)
    single = [{"record": "run", "log_perplexity": loss} for loss in cell.losses]
    return [shared | row for row in [mean, *(single if len(single) > 1 else [])]]


def _law_row(law: Law, level: LevelProfile | None) -> dict:
    return {
        "record": "law",
        "x": "" if law.x is None else law.x,
        "form": law.form,
        "status": law.fit.status,
        "reason": law.fit.reason,
        "at_bound": ";".join(law.fit.at_bound),
        "scheme": law.scheme,
        **with_bounds(law.fit.parameters, parameter_intervals(law.ensemble)),
        **level_row(level),
        "deviation_fitted": law.deviation_fitted,
        "deviation_held_out": law.deviation_held_out,
    }
