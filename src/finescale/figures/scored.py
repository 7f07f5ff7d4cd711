"""Scores as they are drawn: rows of `scores.csv`, joined to the runs of `points.csv`."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from finescale.laws import Base, Point
from finescale.laws.points import MODEL_SIZE_COLUMNS, coordinate, methods, on_factor
from finescale.metrics import TITLES

NO_EXAMPLES = "no examples"  # the status of a model that was asked nothing
COUNTS = ("nominal_size", "pretraining_tokens", "pet_parameter_size", "finetuning_examples", "seed")


@dataclass(frozen=True)
class ScoredRun:
    """A model and the corpus score of its outputs, None where it wrote nothing."""

    point: Point  # its coordinates and loss; the status is that of its outputs
    score: float | None
    interval: tuple[float, float] | None  # from the segments, if there are resamples
    wrong_language: float | None  # share of its outputs, if it was measured


@dataclass(frozen=True)
class ScoredCell:
    """Models that differ in nothing but the seed."""

    x: float
    runs: tuple[ScoredRun, ...]

    @property
    def examples(self) -> int:
        """Finetuning examples."""
        return self.runs[0].point.finetuning_examples

    @property
    def scores(self) -> tuple[float, ...]:
        """Of the single seeds."""
        return tuple(run.score for run in self.runs if run.score is not None)

    @property
    def score(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.scores))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The error that is known where there is one seed alone."""
        return self.runs[0].interval if len(self.runs) == 1 else None

    @property
    def wrong_language(self) -> float | None:
        """Mean over seeds."""
        shares = [run.wrong_language for run in self.runs if run.wrong_language is not None]
        return float(np.mean(shares)) if shares else None

    @property
    def pair(self) -> tuple[float, float] | None:
        """Mean test log-perplexity and mean score, of the seeds that have both."""
        both = [
            (loss, run.score)
            for run in self.runs
            if (loss := run.point.test_log_perplexity) is not None and run.score is not None
        ]
        if not both:
            return None
        loss, score = np.mean(both, axis=0).tolist()
        return loss, score


@dataclass(frozen=True)
class TaskScores:
    """One metric of all models of a task that were asked for a suite."""

    task: str
    title: str
    metric: str
    base: Base
    model_size_as: str
    runs: tuple[ScoredRun, ...]
    baselines: Mapping[tuple, ScoredRun]  # models without finetuning, by size and tokens

    @classmethod
    def read(cls, path: Path, about: Mapping[str, Any], points: Iterable[Point]) -> "TaskScores":
        """From scores.csv; `about` has the task, its title, the metric (`score`) and the base."""
        known = {_key(point): point for point in points if point.task == about["task"]}
        twins = {point.nominal_size: point for point in known.values() if point.model_parameters}
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        runs = [(row, _run(row, about, known, twins)) for row in rows]
        return cls(
            task=about["task"],
            title=about["title"],
            metric=about["score"],
            base=Base(**about["base"]),
            model_size_as=about["model_size_as"],
            runs=tuple(run for row, run in runs if row["baseline"] != "True"),
            baselines={_model(run.point): run for row, run in runs if row["baseline"] == "True"},
        )

    @property
    def metric_title(self) -> str:
        """What people call the metric."""
        return TITLES[self.metric]

    def on(self, method: str, factor: str) -> list[ScoredRun]:
        """The runs of a method where every factor but this one is at its base."""
        mine = (run for run in self.runs if run.point.method == method)
        return [run for run in mine if on_factor([run.point], factor, self.base)]

    def varies(self, method: str, factor: str) -> bool:
        """Whether a method's runs have two or more values of a factor."""
        return len({self.x(run, factor) for run in self.on(method, factor)}) > 1

    def x(self, run: ScoredRun, factor: str) -> float:
        """The factor's raw value, the nominal size where the true one is not known."""
        column = MODEL_SIZE_COLUMNS[self.model_size_as] if factor == "llm_model_size" else factor
        return float(getattr(run.point, column) or coordinate(run.point, factor) or 0)

    def cells(self, method: str, factor: str) -> list[ScoredCell]:
        """The models that wrote something, gathered over their seeds, by X and examples."""
        groups: dict[tuple[float, int], list[ScoredRun]] = {}
        for run in self.on(method, factor):
            if run.score is not None:
                key = self.x(run, factor), run.point.finetuning_examples
                groups.setdefault(key, []).append(run)
        return [ScoredCell(key[0], tuple(groups[key])) for key in sorted(groups)]

    def baseline(self, run: ScoredRun) -> ScoredRun | None:
        """The model that a run was finetuned from, if it was asked too."""
        return self.baselines.get(_model(run.point))


def methods_of(scores: Sequence[TaskScores], factor: str) -> tuple[str, ...]:
    """The methods of any of the tasks that have the factor."""
    points = (run.point for task in scores for run in task.runs)
    return methods(point for point in points if coordinate(point, factor) is not None)


def _run(
    row: Mapping[str, str], about: Mapping, known: Mapping[tuple, Point], twins: Mapping
) -> ScoredRun:
    counts: dict[str, Any] = {"finetuning_examples": 0}
    counts |= {name: int(row[name]) for name in COUNTS if row[name]}
    labels = Point(task=about["task"], method=row["method"], **counts)
    twin = twins.get(labels.nominal_size, labels)
    score, low, high = (_number(row[about["score"] + end]) for end in ("", "_low", "_high"))
    point = replace(
        labels,
        status=NO_EXAMPLES if row["status"] == "ok" and score is None else row["status"],
        model_parameters=twin.model_parameters,
        non_embedding_parameters=twin.non_embedding_parameters,
        test_log_perplexity=known.get(_key(labels), labels).test_log_perplexity,
    )
    interval = (low, high) if low is not None and high is not None else None
    return ScoredRun(point, score, interval, _number(row.get("wrong_language")))


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _key(point: Point) -> tuple:
    return (point.method, *(getattr(point, name) for name in COUNTS))


def _model(point: Point) -> tuple:
    return point.nominal_size, point.pretraining_tokens
