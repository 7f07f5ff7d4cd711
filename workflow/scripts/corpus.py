"""Turn raw files into typed records: the text of a language, or the splits of a task."""

import json

from finescale.corpora import convert
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write the records of each input role, which are the splits; and what was left out."""
    stats = {}
    for split in job.recipe.inputs:
        raw = [(artifact.file("data"), artifact.label) for artifact in job.inputs(split)]
        stats[split] = convert(
            [path for path, _ in raw],
            job.parameters["splits"][split],
            split,
            job.out,
            names=[f"{label} ({path})" for path, label in raw],
            unfinished=job.resume,
            workers=job.hardware.workers,
        )
    if counted := {split: counts for split, counts in stats.items() if counts is not None}:
        (job.out / "stats.json").write_text(json.dumps(counted, indent=1) + "\n")


if __name__ == "__main__":
    run_job(make, options=["workers"])
