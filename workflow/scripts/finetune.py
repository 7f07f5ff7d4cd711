"""Finetune one base model by one method on one subset, and measure its test log-perplexity."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from finescale.errors import UserError
from finescale.launch import TRAINING, Company, Hardware, Place
from finescale.store import Artifact, Job, run_job

if TYPE_CHECKING:
    from finescale.training.finetune import Data


def make(job: Job) -> None:
    """Tune on the first examples of the seed's permutation of the task."""
    from finescale.corpora.subsets import subset
    from finescale.tokens import open_tokenizer, stored_examples
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
    refuse_longer(data, base, parameters["method"], parameters["pet_parameter_size"])
    tokenizer = open_tokenizer(job.input("tokenizer"))
    finetune(
        parameters,
        base.folder,
        data,
        Vocabulary.of(tokenizer),
        job.out,
        job.resume,
        base_name=f"{base.recipe.stage}/{base.recipe.digest}",
        hardware=job.hardware,
        company=job.company,
    )


def refuse_longer(
    data: "Data", base: Artifact, method: str, pet_parameter_size: int | None
) -> None:
    """UserError where a row is longer than a base model made elsewhere can read."""
    context = base.json("result.json").get("context")
    if context is None:
        return
    around = 2 + (pet_parameter_size or 0) * (method == "prompt")  # bos, separator, prompt
    rows: list[tuple[Any, Any]] = [(one, slice(None)) for one in (data.dev, *data.tests)]
    longest = around + max(
        int((examples.sources.lengths + examples.targets.lengths)[some].max(initial=0))
        for examples, some in [(data.train, data.subset), *rows]
    )
    if longest > context:
        raise UserError(
            f"a row has {longest} ids, the base model's context is {context}: lower the task's "
            "`max_source_tokens` or `max_target_tokens`"
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
