"""Take over a base model made elsewhere: its files checked, its size counted."""

from collections.abc import Mapping
from pathlib import Path

from finescale.errors import UserError
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write model/ as transformers reads it, and result.json as pretraining does."""
    from finescale.evaluation.serving import check_decoding
    from finescale.models import count_parameters
    from finescale.models.checkpoint import check_use, context_of, lay_out, load_checked
    from finescale.models.structure import embedding_rows
    from finescale.store.json_files import write_json

    artifacts = zip(job.parameters["files"], job.inputs("files"), strict=True)
    files = {name: artifact.file("data") for name, artifact in artifacts}
    lay_out(files, job.out / "model")
    model = load_checked(job.out / "model")
    check_vocabulary(job, files, embedding_rows(model.decoder))
    check_use(model)
    check_decoding(model)
    counts = count_parameters(model.decoder)
    result = {
        "status": "ok",
        "reason": None,
        "architecture": type(model.decoder).__name__,
        "context": context_of(model.decoder),
        "model_parameters": counts.total,
        "non_embedding_parameters": counts.non_embedding,
    }
    write_json(job.out / "result.json", result)
    print(f"{result['architecture']}: {counts.total:,} parameters, context {result['context']}")


def check_vocabulary(job: Job, files: Mapping[str, Path], embeddings: int) -> None:
    """UserError where the family's tokenizer is not that of this model."""
    from finescale.tokens.pretrained import (
        VOCABULARY,
        PretrainedTokenizer,
        open_tokenizer,
        read_vocabulary,
    )

    family = open_tokenizer(job.input("tokenizer"))
    assert isinstance(family, PretrainedTokenizer)
    if family.vocab_size > embeddings:
        raise UserError(
            f"the family's tokenizer has {family.vocab_size} ids, this model has embeddings of "
            f"{embeddings}: models of one family share a tokenizer"
        )
    if VOCABULARY in files and read_vocabulary(files[VOCABULARY]) != family.vocabulary():
        raise UserError(
            f"{VOCABULARY} has other pieces than that of the family's base size: models of one "
            "family share a tokenizer"
        )


if __name__ == "__main__":
    run_job(make, ["finescale.models.checkpoint", "finescale.evaluation.serving"])
