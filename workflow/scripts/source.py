"""Bring one raw file, or one member of an archive, into the store."""

from pathlib import Path

from finescale.corpora import fetch, not_pinned
from finescale.store import Job, run_job
from finescale.study.source_files import read_sources

ROOT = Path(__file__).resolve().parents[2]


def make(job: Job) -> None:
    """Take, unpack or download the file that has the pinned SHA-256."""
    sources = read_sources(ROOT / "config" / "sources.yaml", ROOT)
    if job.parameters["sha256"] is None:
        raise not_pinned([job.parameters["name"]], sources)
    fetch(job.parameters["sha256"], sources, job.out / "data", job.resume)


if __name__ == "__main__":
    run_job(make)
