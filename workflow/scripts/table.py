"""Draw one table."""

from finescale.figures import draw
from finescale.figures.inputs import read_inputs
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write table.pdf, .png, .svg and .csv."""
    draw(job.parameters["name"], job.parameters, job.out, **read_inputs(job))


if __name__ == "__main__":
    run_job(make)
