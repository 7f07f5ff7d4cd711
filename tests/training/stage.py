"""A stage program that pretrains the tiny model as workflow/scripts/pretrain.py does.

It saves its state after every step.
"""

import importlib.util
from pathlib import Path

from finescale.launch import TRAINING
from finescale.store import Job, run_job
from finescale.training.distributed import join
from finescale.training.pretrain import pretrain

spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("tiny.py"))
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)


def make(job: Job) -> None:
    parameters = {**tiny.PRETRAINING, **job.parameters}
    on = {"hardware": job.hardware, "company": job.company}
    every = {"checkpoint_every_seconds": 0}
    pretrain(parameters, tiny.streams(), tiny.VOCABULARY, job.out, job.resume, **every, **on)


if __name__ == "__main__":
    run_job(make, options=TRAINING, join=join)
