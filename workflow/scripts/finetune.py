"""Finetune one base model by one method on one subset, and measure its test log-perplexity."""

from contextlib import AbstractContextManager

from finescale.launch import TRAINING, Company, Hardware, Place
from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Tune on the first examples of the seed's permutation of the task."""
    from finescale.corpora.subsets import subset
    from finescale.tokens import Tokenizer, stored_examples
    from finescale.training.finetune import Data, finetune
    from finescale.training.vocabulary import Vocabulary

    parameters, base, tokens = job.parameters, job.input("base"), job.input("train")
    tests = job.input("test")
    train = stored_examples(tokens, "train")
    size, seed, task = (parameters[name] for name in ("finetuning_examples", "seed", "task"))
    data = Data(
        train=train,
        subset=subset(train.languages, size, seed, task),
        dev=stored_examples(tokens, "dev"),
        tests=[stored_examples(tests, split) for split in tests.recipe.parameters["splits"]],
    )
    for name in (entry["name"] for entry in base.manifest["files"]):
        if name == "result.json" or name.startswith("model/"):  # a diverged model has no weights
            base.file(name)
    tokenizer = Tokenizer(job.input("tokenizer").file("tokenizer.model"))
    finetune(
        parameters,
        base.folder,
        data,
        Vocabulary.of(tokenizer),
        job.out,
        job.resume,
        base_name=f"pretrain/{base.recipe.digest}",
        hardware=job.hardware,
        company=job.company,
    )


def join(hardware: Hardware, place: Place) -> AbstractContextManager[Company]:
    """All processes of this job, once they have met."""
    from finescale.training.distributed import join

    return join(hardware, place)


if __name__ == "__main__":
    run_job(
        make,
        ["finescale.models", "finescale.training.finetune"],
        options=TRAINING,
        join=join,
    )
