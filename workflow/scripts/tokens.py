"""Encode records: the pretraining stream of a family, or the examples of a task."""

from finescale.store import Job, run_job


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
        corpus = job.input("examples")
        splits = {split: corpus.file(f"{split}.jsonl") for split in corpus.recipe.inputs}
        encode_examples(splits, tokenizer, ExampleFormat(**parameters), job.out)


if __name__ == "__main__":
    run_job(make)
