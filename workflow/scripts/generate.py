"""Generate the outputs of one model on one suite, greedily."""

import json
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.store import Artifact, Job, run_job

if TYPE_CHECKING:
    from finescale.evaluation.decoding import Output
    from finescale.evaluation.prompts import Prompt
    from finescale.models import TunedModel
    from finescale.tokens import Tokenizer

Records = dict[int, dict[str, str]]


def make(job: Job) -> None:
    """Write outputs.jsonl, one line an example, and summary.json; none for a diverged model."""
    from finescale.corpora import write_records
    from finescale.models import find_device
    from finescale.tokens import Tokenizer

    device = find_device(job.hardware.accelerator)
    tokenizer = Tokenizer(job.input("tokenizer").file("tokenizer.model"))
    tuned, base = models(job)
    status = status_of(tuned, base)
    records = examples(job) if status == "ok" else {}
    # prompts before weights: mistakes in a suite show at once
    prompts = prompts_of(job, records, base.recipe.parameters["context"], tokenizer)
    model = load(tuned, base).to(device) if records else None
    outputs = decode(model, prompts, job.parameters, tokenizer) if model else []
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


def models(job: Job) -> tuple[Artifact | None, Artifact]:
    """The finetuned model, None where the base model itself is asked, and its base model."""
    if "model" not in job.recipe.inputs:
        return None, job.input("base")
    tuned = job.input("model")
    (base,) = tuned.recipe.inputs["base"]
    return tuned, job.store.open(base)


def status_of(tuned: Artifact | None, base: Artifact) -> str:
    """`ok`, `diverged` or `base diverged`."""
    if tuned:
        return tuned.json("result.json")["status"]
    return "ok" if base.json("result.json")["status"] == "ok" else "base diverged"


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


def load(tuned: Artifact | None, base: Artifact) -> "TunedModel":
    """The model, its files checked."""
    from finescale.models import load_tuned

    method = tuned.recipe.parameters["method"] if tuned else "fmt"
    if tuned is None or method == "fmt":
        return load_tuned("fmt", weights(tuned or base, "model"), base.folder)
    return load_tuned(method, weights(tuned, "adapter"), weights(base, "model"))


def weights(artifact: Artifact, folder: str) -> Path:
    """A folder of an artifact, its files checked."""
    for entry in artifact.manifest["files"]:
        if entry["name"].startswith(f"{folder}/"):
            artifact.file(entry["name"])
    return artifact.folder / folder


def decode(
    model: "TunedModel", prompts: "list[Prompt]", parameters: Any, tokenizer: "Tokenizer"
) -> "list[Output]":
    """Decode where the model is; on one core if that is the CPU."""
    import torch

    from finescale.evaluation.decoding import greedy
    from finescale.evaluation.prompts import newline_id

    torch.set_num_threads(1)
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
