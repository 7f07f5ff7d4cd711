"""Fit the pretraining laws of one family, over model size and over tokens."""

import json

from finescale.laws.procedure.pretraining import BaseModel, fit_pretraining, save_pretraining_laws
from finescale.store import Job, run_job

LABELS = ("size", "nominal_size", "pretraining_tokens")


def make(job: Job) -> None:
    """Write pretraining_law.json, a list of two laws with their points, and resamples.npz."""
    results = [json.loads(model.file("result.json").read_text()) for model in job.inputs("models")]
    models = [
        BaseModel(**{name: labels[name] for name in LABELS}, result=result)
        for labels, result in zip(job.parameters["rows"], results, strict=True)
    ]
    save_pretraining_laws(job.out, fit_pretraining(models, job.parameters))


if __name__ == "__main__":
    run_job(make)
