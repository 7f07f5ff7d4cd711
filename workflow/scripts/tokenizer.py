"""Train the tokenizer of one model family."""

from finescale.corpora import read_texts
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Train on the text of all input corpora."""
    from finescale.tokens import train_tokenizer

    files = [artifact.file("text.jsonl") for artifact in job.inputs("text")]
    texts = (record["text"] for file in files for record in read_texts(file))
    (job.out / "tokenizer.model").write_bytes(train_tokenizer(texts, **job.parameters))


if __name__ == "__main__":
    run_job(make)
