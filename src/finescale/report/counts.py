"""What a study is made of, and what became of it, in numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finescale.figures.style import method_title
from finescale.laws import Point, TaskFit, status_counts
from finescale.laws.fitting.fit import BOUND_HIT, CONVERGED, DEGENERATE, NOT_IDENTIFIED
from finescale.laws.points import cells, methods

LAW_STATUSES = (CONVERGED, BOUND_HIT, NOT_IDENTIFIED, DEGENERATE)


@dataclass(frozen=True)
class Runs:
    """Finetuning runs of some kind: how many, by status, and how many a law never sees."""

    runs: int
    ok: int
    diverged: int
    base_diverged: int
    held_out: int
    cells: int  # of runs that differ in nothing but the seed

    @classmethod
    def of(cls, points: Sequence[Point]) -> "Runs":
        """The counts of these points, which may be of several tasks."""
        status = status_counts(points)
        tasks = {point.task for point in points}
        return cls(
            runs=len(points),
            ok=status["ok"],
            diverged=status["diverged"],
            base_diverged=status["base diverged"],
            held_out=sum(point.split == "held-out" for point in points),
            cells=sum(len(cells(p for p in points if p.task == task)) for task in tasks),
        )


def runs_by_method(points: Sequence[Point]) -> list[tuple[str, str, Runs]]:
    """Task, method and counts, in the order of the points."""
    rows = []
    for task in dict.fromkeys(point.task for point in points):
        of_task = [point for point in points if point.task == task]
        for method in methods(of_task):
            counts = Runs.of([point for point in of_task if point.method == method])
            rows.append((task, method_title(method), counts))
    return rows


def laws_by_status(fits: Iterable[TaskFit]) -> list[tuple[str, Mapping[str, int]]]:
    """How many laws of each task have each status."""
    return [
        (
            fit.settings.title,
            {status: sum(law.fit.status == status for law in fit.laws) for status in LAW_STATUSES},
        )
        for fit in fits
    ]


def base_models(points: Iterable[Point]) -> int:
    """How many base models the runs start from."""
    return len({(p.family, p.nominal_size, p.pretraining_tokens) for p in points})
