"""Gather the log-perplexity of one task's models on test sets that were added later."""

import csv
from dataclasses import replace
from typing import Any

from finescale.laws import Point, read_points, write_points
from finescale.metrics import LABELS, LOG_PERPLEXITY
from finescale.metrics.losses import ExampleLosses
from finescale.store import Artifact, Job, run_job

RESULT = (LOG_PERPLEXITY, f"{LOG_PERPLEXITY}_low", f"{LOG_PERPLEXITY}_high")
COLUMNS = (*LABELS, "status", "examples", "target_tokens", *RESULT, "digest")


def make(job: Job) -> None:
    """Write points.csv, as laws are fitted to it, and scores.csv, as figures show scores."""
    points = read_points(job.input("points").file("points.csv"))
    losses = job.inputs("losses")
    write_points(job.out / "points.csv", map(measured_point, points, losses))
    with (job.out / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for point, loss in zip(points, losses, strict=True):
            writer.writerow(labels(point) | score(loss, job.parameters["bootstrap"]))


def measured_point(point: Point, loss: Artifact) -> Point:
    """The row of a run as if it had been measured on the later test sets."""
    assert loss.recipe.inputs["model"] == (f"finetune/{point.digest}",)
    result = loss.json("result.json")
    return replace(
        point,
        status=result["status"],
        test_log_perplexity=result["test_log_perplexity"],
        target_tokens=result["target_tokens"],
    )


def labels(point: Point) -> dict[str, Any]:
    """What tells a run from others."""
    return {name: getattr(point, name, False) for name in LABELS}  # no baseline among them


def score(loss: Artifact, resamples: int) -> dict[str, Any]:
    """The result of a run, with the interval that its examples give."""
    result = loss.json("result.json")
    row = {"status": result["status"], "examples": 0, "digest": loss.recipe.digest}
    if result["status"] != "ok":
        return row
    examples = ExampleLosses.read(loss.file("examples.csv"))
    low, high = examples.interval(resamples) if resamples else (None, None)
    values = dict(zip(RESULT, (result["test_log_perplexity"], low, high), strict=True))
    return row | values | {"examples": len(examples), "target_tokens": result["target_tokens"]}


if __name__ == "__main__":
    run_job(make)
