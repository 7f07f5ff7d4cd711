"""What a figure of scores draws, panel by panel, and the CSV that says the same in numbers."""

from dataclasses import dataclass, replace

from finescale.figures.laws import PET_UNITS
from finescale.figures.panels import Dot, Panel, Series
from finescale.figures.scored import NO_EXAMPLES, ScoredCell, ScoredRun, TaskScores
from finescale.figures.style import format_count, method_title

COLUMNS = (
    *("record", "task", "suite", "method", "factor", "x", "finetuning_examples", "seeds"),
    *("score", "value", "value_low", "value_high", "wrong_language", "status"),
)


@dataclass(frozen=True)
class Line:
    """One X of a panel: its models over finetuning examples, and the one before finetuning."""

    x: float
    cells: tuple[ScoredCell, ...]
    failed: tuple[ScoredRun, ...]  # those without outputs
    baseline: ScoredRun | None

    @property
    def heights(self) -> tuple[float, ...]:
        """Means over seeds by examples; where there are none, the score before finetuning."""
        before = self.baseline.score if self.baseline else None
        return tuple(cell.score for cell in self.cells) or ((before,) if before is not None else ())


@dataclass(frozen=True)
class Content:
    """What one panel draws."""

    task: TaskScores
    method: str
    factor: str
    lines: tuple[Line, ...]

    @property
    def panel(self) -> Panel:
        """Means, seeds and failures, as in the figures of losses."""
        return Panel(
            (f"{self.task.title}, {method_title(self.method)}",),
            tuple(map(self._series, self.lines)),
        )

    @property
    def named(self) -> Panel:
        """Each line that has a height at all, which is where its name stands."""
        series = zip(self.lines, self.panel.series, strict=True)
        return Panel(
            (),
            tuple(
                replace(one, dots=tuple(Dot(1.0, (height,), False) for height in line.heights[-1:]))
                for line, one in series
            ),
        )

    def _series(self, line: Line) -> Series:
        unit = PET_UNITS.get(self.method, "") if self.factor == "pet_parameter_size" else ""
        return Series(
            unit + format_count(line.x),
            tuple(Dot(cell.examples, cell.scores, False) for cell in line.cells),
            diverged=tuple(
                float(run.point.finetuning_examples)
                for run in line.failed
                if run.point.status != NO_EXAMPLES
            ),
        )


def score_content(task: TaskScores, method: str, factor: str) -> Content:
    """Gather one panel's content."""
    runs, cells = task.on(method, factor), task.cells(method, factor)
    by_x: dict[float, list[ScoredRun]] = {}
    for run in runs:
        by_x.setdefault(task.x(run, factor), []).append(run)
    lines = (
        Line(
            x,
            tuple(cell for cell in cells if cell.x == x),
            tuple(run for run in by_x[x] if run.score is None),
            task.baseline(by_x[x][0]),
        )
        for x in sorted(by_x)
    )
    return Content(task, method, factor, tuple(lines))


def csv_rows(content: Content, suite: str) -> list[dict]:
    """Exactly what is drawn: means, single seeds where there are several, failures, baselines."""
    base = {
        "task": content.task.task,
        "suite": suite,
        "method": content.method,
        "factor": content.factor,
        "score": content.task.metric_title,
    }
    return [base | row for line in content.lines for row in _line_rows(line)]


def _line_rows(line: Line) -> list[dict]:
    rows = [row for cell in line.cells for row in _cell_rows(cell)]
    rows += [
        {"record": "failed", "finetuning_examples": run.point.finetuning_examples}
        | {"status": run.point.status}
        for run in line.failed
    ]
    if line.baseline:
        rows.append(_baseline_row(line.baseline))
    return [{"x": line.x} | row for row in rows]


def _cell_rows(cell: ScoredCell) -> list[dict]:
    shared = {"finetuning_examples": cell.examples}
    mean = {"record": "mean", "seeds": len(cell.runs), "wrong_language": cell.wrong_language}
    rows = [mean | _value(cell.score, cell.interval)]
    if len(cell.runs) > 1:
        rows += [{"record": "run"} | _value(score, None) for score in cell.scores]
    return [shared | row for row in rows]


def _baseline_row(run: ScoredRun) -> dict:
    row = {"record": "baseline", "status": run.point.status, "wrong_language": run.wrong_language}
    return row | _value(run.score, run.interval)


def _value(score: float | None, interval: tuple[float, float] | None) -> dict:
    low, high = interval or (None, None)
    return {"value": score, "value_low": low, "value_high": high}
