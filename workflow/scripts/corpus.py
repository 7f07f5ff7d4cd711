"""Turn raw files into typed records: the text of a language, or the splits of a task."""

from finescale.corpora import convert
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write one file of records for each input role: the roles are the splits."""
    for split in job.recipe.inputs:
        raw = [artifact.file("data") for artifact in job.inputs(split)]
        settings = job.parameters["splits"][split]
        convert(raw, settings["format"], split, job.out / f"{split}.jsonl")


if __name__ == "__main__":
    run_job(make)
