"""Encode records: the pretraining stream of a family, or the examples of a task."""

import hashlib
from pathlib import Path

from finescale.corpora import text_paths
from finescale.store import Artifact, Job, run_job


def make(job: Job) -> None:
    """Encode what the recipe's `kind` says."""
    from finescale.tokens import (
        ExampleFormat,
        Mixture,
        encode_documents,
        encode_examples,
        open_tokenizer,
    )

    parameters = dict(job.parameters)
    tokenizer = open_tokenizer(job.input("tokenizer"))
    places = (job.out, kept(job), job.hardware.workers)
    if parameters.pop("kind") == "pretraining":
        files = map(text_paths, job.inputs("text"))
        texts = dict(zip(parameters.pop("languages"), files, strict=True))
        encode_documents(texts, tokenizer, Mixture(**parameters), *places)
    else:
        corpora = zip(parameters.pop("splits"), job.inputs("examples"), strict=True)
        splits = {split: records(corpus, split) for split, corpus in corpora}
        encode_examples(splits, tokenizer, ExampleFormat(**parameters), *places)


def kept(job: Job) -> Path:
    """Where finished parts outlive an interrupted run: inputs of other bytes have another place."""
    contents = " ".join(artifact.content_sha256 for artifact in job.opened)
    return job.resume / hashlib.sha256(contents.encode()).hexdigest()[:20]


def records(corpus: Artifact, split: str) -> Path:
    """The records of train or dev, or of a test set, which the task calls by another name."""
    return corpus.file(f"{split if split in corpus.recipe.inputs else 'test'}.jsonl")


if __name__ == "__main__":
    run_job(make, options=["workers"])
