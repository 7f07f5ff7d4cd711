"""Generate the outputs of one model on one suite, greedily."""

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from finescale.store import Job, run_job

if TYPE_CHECKING:
    from finescale.evaluation.decoding import Output
    from finescale.evaluation.prompts import Prompt
    from finescale.models import TunedModel
    from finescale.tokens import Tokenizer

Records = dict[int, dict[str, str]]


def make(job: Job) -> None:
    """Write outputs.jsonl, one line an example, and summary.json; none for a diverged model."""
    from finescale.corpora import write_records
    from finescale.evaluation.asked import AskedModel
    from finescale.models import find_device
    from finescale.tokens import Tokenizer

    device = find_device(job.hardware.accelerator)
    tokenizer = Tokenizer(job.input("tokenizer").file("tokenizer.model"))
    asked = AskedModel.of(job)
    status = asked.status
    records = examples(job) if status == "ok" else {}
    # prompts before weights: mistakes in a suite show at once
    prompts = prompts_of(job, records, asked.base.recipe.parameters["context"], tokenizer)
    outputs = decode(asked.load(device), prompts, job.parameters, tokenizer) if records else []
    lines = [
        line(record, prompt, output, tokenizer)
        for record, prompt, output in zip(records.values(), prompts, outputs, strict=True)
    ]
    write_records(job.out / "outputs.jsonl", lines)
    summary = {
        "status": status,
        "examples": len(lines),
        "cut_sources": sum(prompt.cut_source for prompt in prompts),
        "cut_demonstrations": sum(prompt.cut_demonstrations for prompt in prompts),
        "empty": sum(not output["output"] for output in lines),
        "unended": sum(not output.ended for output in outputs),
        "new_tokens": sum(len(output.ids) + output.ended for output in outputs),
    }
    (job.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def examples(job: Job) -> Records:
    """At most `max_examples` of all test sets, by index: every model has the same ones.

    They hold the pairs of languages in their proportions, and more examples include fewer.
    """
    import numpy as np

    from finescale.corpora import permutation, read_examples

    files = [artifact.file("test.jsonl") for artifact in job.inputs("examples")]
    records = list(chain.from_iterable(map(read_examples, files)))
    pairs = [f"{record['source_language']}-{record['target_language']}" for record in records]
    _, codes = np.unique(pairs, return_inverse=True)
    chosen = permutation(codes, 0, "generation")[: job.parameters["max_examples"]]
    return {i: records[i] for i in sorted(chosen.tolist())}


def prompts_of(job: Job, records: Records, context: int, tokenizer: "Tokenizer") -> "list[Prompt]":
    """What the model reads: as in finetuning, or after demonstrations from the dev set."""
    from finescale.corpora import read_examples
    from finescale.evaluation.prompts import FewShot, few_shot_prompts, finetuning_prompts
    from finescale.tokens import ExampleFormat

    settings = job.parameters
    source_tokens, new_tokens = settings["max_source_tokens"], settings["max_new_tokens"]
    if not settings["shots"]:
        form = ExampleFormat(settings["template"], source_tokens, new_tokens)
        return finetuning_prompts(list(records.values()), form, tokenizer)
    pool = list(read_examples(job.input("dev").file("dev.jsonl")))
    few_shot = FewShot(
        template=settings["shot_template"],
        shots=settings["shots"],
        seed=settings["seed"],
        max_source_tokens=source_tokens,
        max_new_tokens=new_tokens,
        context=settings.get("context", context),
    )
    return few_shot_prompts(records, pool, few_shot, tokenizer)


def decode(
    model: "TunedModel", prompts: "list[Prompt]", parameters: Any, tokenizer: "Tokenizer"
) -> "list[Output]":
    """Write greedily, up to an end or the limit."""
    from finescale.evaluation.decoding import greedy
    from finescale.evaluation.prompts import newline_id

    stop = {tokenizer.eos}
    if parameters["stop_at_newline"]:
        stop.add(newline_id(tokenizer))
    ids = [prompt.ids.tolist() for prompt in prompts]
    return greedy(model, ids, parameters["max_new_tokens"], stop)


def line(
    record: dict[str, str], prompt: "Prompt", output: "Output", tokenizer: "Tokenizer"
) -> dict[str, Any]:
    """What outputs.jsonl says of an example."""
    return {
        "id": record["id"],
        "source": record["source"],
        "reference": record["target"],
        "output": tokenizer.decode(output.ids).strip(),
        "source_language": record["source_language"],
        "target_language": record["target_language"],
        "cut_source": prompt.cut_source,
        "ended": output.ended,
    }


if __name__ == "__main__":
    run_job(make, ["finescale.models", "finescale.evaluation.decoding"], options=["accelerator"])
