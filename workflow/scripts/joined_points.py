"""Join the points of all tasks of a study into one table."""

from finescale.laws.points import write_points
from finescale.laws.reading import read_points
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write the rows of every task, in the order of the study."""
    tables = [read_points(task.file("points.csv")) for task in job.inputs("points")]
    write_points(job.out / "points.csv", [point for table in tables for point in table])


if __name__ == "__main__":
    run_job(make)
