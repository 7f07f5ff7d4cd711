"""Train the tokenizer of one model family, or take that of base models made elsewhere."""

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from finescale.corpora import read_texts, text_paths
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Train on the text of all input corpora, or on the first `documents` of each."""
    from finescale.tokens import train_tokenizer

    if "files" in job.recipe.inputs:
        return take_over(job)
    parameters = dict(job.parameters)
    documents = parameters.pop("documents", None)
    corpora = map(text_paths, job.inputs("text"))
    texts = (text for files in corpora for text in islice(texts_of(files), documents))
    (job.out / "tokenizer.model").write_bytes(train_tokenizer(texts, **parameters))


def texts_of(files: list[Path]) -> Iterator[str]:
    """The text of each document, file by file."""
    return (record["text"] for file in files for record in read_texts(file))


def take_over(job: Job) -> None:
    """Copy the files of a tokenizer and see that finetuning can do with them."""
    from finescale.tokens import PretrainedTokenizer

    for name, artifact in zip(job.parameters["files"], job.inputs("files"), strict=True):
        shutil.copyfile(artifact.file("data"), job.out / name)
    own = PretrainedTokenizer(job.out)
    print(f"{own.vocab_size:,} ids; bos {own.bos}, eos {own.eos}, end of a source {own.sep}")


if __name__ == "__main__":
    run_job(make)
