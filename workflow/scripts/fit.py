"""Fit the scaling laws of one task to its points."""

from finescale.laws import Settings, fit_task, read_points
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write fit.json and resamples.npz, and say which laws could not be identified."""
    points = read_points(job.input("points").file("points.csv"))
    fit = fit_task(points, Settings.from_recipe(job.parameters))
    fit.save(job.out)
    left_out = sum(count for status, count in fit.counts.items() if status != "ok")
    print(f"{len(fit.laws)} laws from {fit.counts['ok']} runs; {left_out} diverged runs left out")
    for law in fit.laws:
        if not law.fit.ok:
            where = f"{law.form}, {law.factor} {law.nominal_size or ''}".strip()
            print(f"{law.fit.status}: {law.method}, {where}: {law.fit.reason}")


if __name__ == "__main__":
    run_job(make)
