"""Draw one figure from fits and points, or from pretraining laws."""

import json

from finescale.figures import draw
from finescale.laws import PretrainingLaw, TaskFit, read_points
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write figure.pdf, .png, .svg and .csv."""
    inputs = {role: job.inputs(role) for role in job.recipe.inputs}
    fits = [
        TaskFit.from_json(json.loads(artifact.file("fit.json").read_text()))
        for artifact in inputs.get("fits", ())
    ]
    points = [
        point
        for artifact in inputs.get("points", ())
        for point in read_points(artifact.file("points.csv"))
    ]
    laws = [
        [
            PretrainingLaw.from_json(law)
            for law in json.loads(artifact.file("pretraining_law.json").read_text())
        ]
        for artifact in inputs.get("laws", ())
    ]
    parameters = job.parameters
    draw(parameters["name"], parameters, job.out, fits=fits, points=points, pretraining_laws=laws)


if __name__ == "__main__":
    run_job(make)
