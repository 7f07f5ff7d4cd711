"""Draw one figure from fits and points, or from pretraining laws."""

from finescale.figures import TaskScores, draw
from finescale.laws import TaskFit, load_pretraining_laws, read_points
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write figure.pdf, .png, .svg and .csv."""
    inputs = {role: job.inputs(role) for role in job.recipe.inputs}
    fits = [
        TaskFit.load(artifact.file("fit.json"), artifact.file("resamples.npz"))
        for artifact in inputs.get("fits", ())
    ]
    points = [
        point
        for artifact in inputs.get("points", ())
        for point in read_points(artifact.file("points.csv"))
    ]
    laws = [
        load_pretraining_laws(artifact.file("pretraining_law.json"), artifact.file("resamples.npz"))
        for artifact in inputs.get("laws", ())
    ]
    tasks = job.parameters.get("tasks", ())  # Table 1 has them without scores
    scores = [
        TaskScores.read(artifact.file("scores.csv"), about, points)
        for artifact, about in zip(inputs.get("scores", ()), tasks, strict=False)
    ]
    draw(
        job.parameters["name"],
        job.parameters,
        job.out,
        fits=fits,
        points=points,
        pretraining_laws=laws,
        scores=scores,
    )


if __name__ == "__main__":
    run_job(make)
