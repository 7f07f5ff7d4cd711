"""Generate the outputs of one model on one suite, greedily."""

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from finescale.errors import UserError
from finescale.store import Job, run_job

if TYPE_CHECKING:
    from finescale.evaluation.decoding import Output
    from finescale.evaluation.prompts import Prompt
    from finescale.models import TunedModel
    from finescale.tokens import AnyTokenizer

Records = dict[int, dict[str, str]]


def make(job: Job) -> None:
    """Write outputs.jsonl, one line an example, and summary.json; none for a diverged model."""
    from finescale.corpora import write_records
    from finescale.evaluation.asked import AskedModel
    from finescale.models import find_device
    from finescale.tokens import open_tokenizer

    device = find_device(job.hardware.accelerator)
    tokenizer = open_tokenizer(job.input("tokenizer"))
    asked = AskedModel.of(job)
    status = asked.status
    records = examples(job) if status == "ok" else {}
    # prompts before weights: mistakes in a suite show at once
    prompts = prompts_of(job, records, asked.context, tokenizer)
    refuse_longer(prompts, job.parameters["max_new_tokens"], asked.limit)
    outputs = decode(asked.load(device), prompts, job.parameters, tokenizer) if records else []
    one_line = job.parameters["stop_at_newline"]
    lines = [
        line(record, prompt, text_of(output, tokenizer, one_line), output.ended)
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


def prompts_of(
    job: Job, records: Records, context: int | None, tokenizer: "AnyTokenizer"
) -> "list[Prompt]":
    """What the model reads: as in finetuning, or after demonstrations from the dev set."""
    from finescale.corpora import read_examples
    from finescale.evaluation.prompts import FewShot, few_shot_prompts, finetuning_prompts
    from finescale.tokens import ExampleFormat

    settings = job.parameters
    source_tokens, new_tokens = settings["max_source_tokens"], settings["max_new_tokens"]
    if not settings["shots"]:
        form = ExampleFormat(settings["template"], source_tokens, new_tokens)
        return finetuning_prompts(list(records.values()), form, tokenizer)
    context = settings.get("context", context)
    if context is None:
        raise UserError(
            "the base model's config.json does not say its context: set `generation.context`"
        )
    pool = list(read_examples(job.input("dev").file("dev.jsonl")))
    few_shot = FewShot(
        template=settings["shot_template"],
        shots=settings["shots"],
        seed=settings["seed"],
        max_source_tokens=source_tokens,
        max_new_tokens=new_tokens,
        context=context,
    )
    return few_shot_prompts(records, pool, few_shot, tokenizer)


def refuse_longer(prompts: "list[Prompt]", new: int, limit: int | None) -> None:
    """UserError where a base model made elsewhere cannot read what it has to."""
    longest = max((len(prompt.ids) for prompt in prompts), default=0) + new
    if limit is not None and longest > limit:
        raise UserError(
            f"a prompt and its output take {longest} ids, the base model has room for {limit}: "
            "lower `max_source_tokens`, `max_new_tokens` or `generation.context`"
        )


def decode(
    model: "TunedModel", prompts: "list[Prompt]", parameters: Any, tokenizer: "AnyTokenizer"
) -> "list[Output]":
    """Write greedily, up to an end or the limit."""
    from finescale.evaluation.decoding import greedy

    alone, with_text = tokenizer.line_ends() if parameters["stop_at_newline"] else (set(), set())
    ids = [prompt.ids.tolist() for prompt in prompts]
    stop = {tokenizer.eos, *alone}
    return greedy(model, ids, parameters["max_new_tokens"], stop, last=with_text)


def text_of(output: "Output", tokenizer: "AnyTokenizer", one_line: bool) -> str:
    """The text of an output; a piece that ends its line may begin with text."""
    text = tokenizer.decode(output.ids)
    return (text.partition("\n")[0] if one_line else text).strip()


def line(record: dict[str, str], prompt: "Prompt", output: str, ended: bool) -> dict[str, Any]:
    """What outputs.jsonl says of an example."""
    return {
        "id": record["id"],
        "source": record["source"],
        "reference": record["target"],
        "output": output,
        "source_language": record["source_language"],
        "target_language": record["target_language"],
        "cut_source": prompt.cut_source,
        "ended": ended,
    }


if __name__ == "__main__":
    run_job(make, ["finescale.models", "finescale.evaluation.decoding"], options=["accelerator"])
