"""What a program says to the SLURM that runs it. Outside of a SLURM job: nothing."""

import contextlib
import os
import subprocess

from finescale.launch import Place

JOB = "SLURM_JOB_ID"
PATIENCE_SECONDS = 30


def name_job(label: str) -> None:
    """Let squeue and sacct show what people call this job's artifact."""
    job = os.environ.get(JOB)
    if job and label:
        _try("scontrol", "update", f"JobId={job}", f"Comment={label}")


def cancel_job() -> None:
    """Cancel this program's own job, after it was interrupted and saved what it has.

    A job that fails may be started again by the Snakemake inside of it, in the time that is left;
    one that is cancelled is submitted anew by the Snakemake that submitted it. Of several processes
    the leading one does this: it was the one that saved.
    """
    job = os.environ.get(JOB)
    if job and Place.of().rank == 0:
        _try("scancel", job)


def _try(*command: str) -> None:
    # SLURM may be too busy to answer, and a name is not worth a job
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            command,
            timeout=PATIENCE_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # the cancelling must not be stopped by what it brings about
        )
