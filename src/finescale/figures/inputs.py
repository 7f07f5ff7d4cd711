"""What a figure or table is drawn from, read from a job's input artifacts."""

from typing import Any

from finescale.figures.scored import TaskScores
from finescale.laws.procedure.pretraining import load_pretraining_laws
from finescale.laws.procedure.results import TaskFit
from finescale.laws.reading import read_points
from finescale.store import Job


def read_inputs(job: Job) -> dict[str, list[Any]]:
    """The keywords of `draw`; a role that the recipe does not have is an empty list."""
    inputs = {role: job.inputs(role) for role in job.recipe.inputs}
    points = [
        point
        for artifact in inputs.get("points", ())
        for point in read_points(artifact.file("points.csv"))
    ]
    tasks = job.parameters.get("tasks", ())  # Table 1 has them without scores
    return {
        "fits": [
            TaskFit.load(artifact.file("fit.json"), artifact.file("resamples.npz"))
            for artifact in inputs.get("fits", ())
        ],
        "points": points,
        "pretraining_laws": [
            load_pretraining_laws(
                artifact.file("pretraining_law.json"), artifact.file("resamples.npz")
            )
            for artifact in inputs.get("laws", ())
        ],
        "scores": [
            TaskScores.read(artifact.file("scores.csv"), about, points)
            for artifact, about in zip(inputs.get("scores", ()), tasks, strict=False)
        ],
    }
