"""Table 7: whether a lower log-perplexity comes with a better score."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from finescale.figures.scored import TaskScores, methods_of
from finescale.figures.style import FACTOR_TITLES, format_number, method_title, save, write_csv
from finescale.figures.typeset import DASH, Block, typeset
from finescale.laws.correlation import FEWEST, Correlation, correlate
from finescale.laws.points import FACTORS

SIGNIFICANT = 0.01  # as in the paper's table
COLUMNS = (
    *("task", "factor", "method", "score", "cells", "pearson_r", "p_value", "significant"),
    *("fisher_low", "fisher_high", "bootstrap_low", "bootstrap_high", "reason"),
)
CAPTION = (
    "Pearson's r of test log-perplexity with the score, both means over seeds; "
    f"‡ p < {SIGNIFICANT}, were the cells independent"
)
HEADER = (
    *("\nTask", "\nScore", "\nFactor", "\nMethod", "\nr", "\np"),
    *("95% by\nFisher's z", "95% by\nbootstrap", "\nCells"),
)


@dataclass(frozen=True)
class Row:
    """The cells of one task, factor and method, and their correlation or the reason for none."""

    task: TaskScores
    factor: str
    method: str
    cells: int
    found: Correlation | None

    @property
    def reason(self) -> str:
        """Why there is no correlation."""
        if self.found:
            return ""
        few = self.cells < FEWEST
        return f"fewer than {FEWEST} cells" if few else "all alike"

    @property
    def significant(self) -> bool:
        """Whether the p-value is small."""
        return self.found is not None and self.found.p_value < SIGNIFICANT


def correlation_table(scores: Sequence[TaskScores], folder: Path) -> None:
    """Table 7: by task, factor and method."""
    rows = correlations(scores)
    ends = tuple(
        place
        for place, (one, other) in enumerate(pairwise(rows))
        if (one.task.task, one.factor) != (other.task.task, other.factor)
    )
    save(typeset([Block(CAPTION, HEADER, tuple(map(_words, rows)), ends)]), folder, "table")
    write_csv(Path(folder) / "table.csv", COLUMNS, map(_record, rows))


def correlations(scores: Sequence[TaskScores]) -> list[Row]:
    """Every task, factor and method, over all cells of the factor, held out or not.

    Model size is always there, the other factors where they vary.
    """
    return [
        _row(task, factor, method)
        for task in scores
        for factor in FACTORS
        for method in methods_of([task], factor)
        if factor == FACTORS[0] or task.varies(method, factor)
    ]


def _row(task: TaskScores, factor: str, method: str) -> Row:
    pairs = [cell.pair for cell in task.cells(method, factor) if cell.pair]
    losses, scores = zip(*pairs, strict=True) if pairs else ((), ())
    found = correlate(losses, scores, "table7", task.task, factor, method)
    return Row(task, factor, method, len(pairs), found)


def _words(row: Row) -> tuple[str, ...]:
    titles = FACTOR_TITLES[row.factor], method_title(row.method)
    names = row.task.title, row.task.metric_title, *titles
    if row.found is None:
        return (*names, row.reason, DASH, DASH, DASH, str(row.cells))
    mark = " ‡" if row.significant else ""
    return (
        *names,
        f"{row.found.r:.3f}{mark}",
        _p_value(row.found.p_value),
        *("[{:.3f}, {:.3f}]".format(*bounds) for bounds in (row.found.fisher, row.found.bootstrap)),
        str(row.cells),
    )


def _p_value(p: float) -> str:
    return "<0.0001" if p < 1e-4 else format_number(p)


def _record(row: Row) -> dict:
    record = {
        "task": row.task.task,
        "factor": row.factor,
        "method": row.method,
        "score": row.task.metric_title,
        "cells": row.cells,
        "reason": row.reason,
    }
    if row.found is None:
        return record
    return record | {
        "pearson_r": row.found.r,
        "p_value": row.found.p_value,
        "significant": row.significant,
        **dict(zip(("fisher_low", "fisher_high"), row.found.fisher, strict=True)),
        **dict(zip(("bootstrap_low", "bootstrap_high"), row.found.bootstrap, strict=True)),
    }
