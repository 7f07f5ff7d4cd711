"""Pretrain one base model, going on from the longest shorter run of the same trajectory."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from finescale.launch import TRAINING, Company, Hardware, Place
from finescale.store import Job, Recipe, run_job


def make(job: Job) -> None:
    """Train on the family's token stream."""
    from finescale.tokens import Tokenizer, open_stream
    from finescale.training.pretrain import Streams, pretrain
    from finescale.training.vocabulary import Vocabulary

    tokens = job.input("tokens")
    streams = {
        name: open_stream(tokens.file(f"{name}.npy").parent, name)
        for name in ("train", "validation")
    }
    tokenizer = Tokenizer(job.input("tokenizer").file("tokenizer.model"))
    pretrain(
        job.parameters,
        Streams(**streams),
        Vocabulary.of(tokenizer),
        job.out,
        job.resume,
        predecessor(job) if job.company.leads else None,
        hardware=job.hardware,
        company=job.company,
    )


def predecessor(job: Job) -> Path | None:
    """The training state of the longest complete shorter run; exact, so not in the recipe."""
    from finescale.training.state import STATE_FILE

    def shorter(recipe: Recipe) -> bool:
        parameters = {**recipe.parameters, "tokens": job.parameters["tokens"]}
        same = replace(recipe, parameters=parameters).digest == job.recipe.digest
        return same and recipe.parameters["tokens"] < job.parameters["tokens"]

    found = [a for a in job.store.find("pretrain", shorter) if (a.folder / STATE_FILE).exists()]
    if not found:
        return None
    return max(found, key=lambda a: a.recipe.parameters["tokens"]).file(STATE_FILE)


def join(hardware: Hardware, place: Place) -> AbstractContextManager[Company]:
    """All processes of this job, once they have met."""
    from finescale.training.distributed import join

    return join(hardware, place)


if __name__ == "__main__":
    run_job(
        make,
        ["finescale.models", "finescale.training.pretrain"],
        options=TRAINING,
        join=join,
    )
