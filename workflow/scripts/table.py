"""Draw one table, from fits or from what the study says of itself."""

import json

from finescale.figures import draw
from finescale.laws import TaskFit
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write table.pdf, .png, .svg and .csv."""
    fits = []
    if "fits" in job.recipe.inputs:
        fits = [
            TaskFit.from_json(json.loads(artifact.file("fit.json").read_text()))
            for artifact in job.inputs("fits")
        ]
    draw(job.parameters["name"], job.parameters, job.out, fits=fits)


if __name__ == "__main__":
    run_job(make)
