"""Gather the finetuning runs of one task into points.csv."""

import json

from finescale.laws.points import Point, status_counts, write_points
from finescale.store import Job, run_job

LABELS = (
    *("nominal_size", "pretraining_tokens", "method", "pet_parameter_size"),
    *("finetuning_examples", "seed", "split"),
)
RESULTS = (
    *("status", "model_parameters", "non_embedding_parameters"),
    *("dev_log_perplexity", "test_log_perplexity", "target_tokens"),
)


def make(job: Job) -> None:
    """Write one row for each run, the ones that diverged included."""
    shared = {name: job.parameters[name] for name in ("study", "task", "family")}
    points = []
    for labels, run in zip(job.parameters["rows"], job.inputs("runs"), strict=True):
        result = json.loads(run.file("result.json").read_text())
        row = {name: labels[name] for name in LABELS} | {name: result.get(name) for name in RESULTS}
        if row["status"] != "ok":
            row |= {"dev_log_perplexity": None, "test_log_perplexity": None}
        points.append(Point(**shared, **row, digest=run.recipe.digest))
    write_points(job.out / "points.csv", points)
    counts = status_counts(points)
    print(f"{len(points)} runs:", ", ".join(f"{count} {name}" for name, count in counts.items()))


if __name__ == "__main__":
    run_job(make)
