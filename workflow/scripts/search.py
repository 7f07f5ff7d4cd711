"""Compare finetunings with other learning rates and batches, by their log-perplexity on dev."""

from finescale.figures.search import search_figure
from finescale.store import Job, run_job

RESULTS = ("status", "dev_log_perplexity", "best_step", "steps")


def make(job: Job) -> None:
    """Write figure.pdf, .png, .svg and .csv; the csv has one row for each run."""
    runs = []
    for labels, run in zip(job.parameters["rows"], job.inputs("runs"), strict=True):
        result = run.json("result.json")
        row = labels | {name: result[name] for name in RESULTS}
        runs.append(row | {"digest": run.recipe.digest})
    title, used = job.parameters["title"], job.parameters["used"]
    search_figure(title, runs, used, job.out, job.parameters.get("stamp", ""))


if __name__ == "__main__":
    run_job(make)
