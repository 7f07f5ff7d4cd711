"""Draw one table, from fits or from what the study says of itself."""

from finescale.figures import draw
from finescale.laws import TaskFit
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write table.pdf, .png, .svg and .csv."""
    fits = []
    if "fits" in job.recipe.inputs:
        fits = [
            TaskFit.load(artifact.file("fit.json"), artifact.file("resamples.npz"))
            for artifact in job.inputs("fits")
        ]
    draw(job.parameters["name"], job.parameters, job.out, fits=fits)


if __name__ == "__main__":
    run_job(make)
