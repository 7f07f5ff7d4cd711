"""Encode records: the pretraining stream of a family, or the examples of a task."""

from pathlib import Path

from finescale.store import Artifact, Job, run_job


def make(job: Job) -> None:
    """Encode what the recipe's `kind` says."""
    from finescale.tokens import ExampleFormat, Tokenizer, encode_documents, encode_examples

    parameters = dict(job.parameters)
    tokenizer = Tokenizer(job.input("tokenizer").file("tokenizer.model"))
    if parameters.pop("kind") == "pretraining":
        files = [artifact.file("text.jsonl") for artifact in job.inputs("text")]
        texts = dict(zip(parameters.pop("languages"), files, strict=True))
        encode_documents(texts, tokenizer, **parameters, out=job.out)
    else:
        corpora = zip(parameters.pop("splits"), job.inputs("examples"), strict=True)
        splits = {split: records(corpus, split) for split, corpus in corpora}
        encode_examples(splits, tokenizer, ExampleFormat(**parameters), job.out)


def records(corpus: Artifact, split: str) -> Path:
    """The records of train or dev, or of a test set, which the task calls by another name."""
    return corpus.file(f"{split if split in corpus.recipe.inputs else 'test'}.jsonl")


if __name__ == "__main__":
    run_job(make)
