"""Measure one finetuned model on test sets that were added after its training."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.store import Job, run_job

if TYPE_CHECKING:
    import torch

    from finescale.evaluation.asked import AskedModel
    from finescale.training.evaluation import Likelihood

COLUMNS = ("test_set", "index", "negative_log_likelihood", "target_tokens")
NOTHING: dict[str, Any] = {"test_log_perplexity": None, "target_tokens": None, "test_sets": []}

Likelihoods = dict[str, "tuple[Likelihood, dict[int, Likelihood]]"]  # of sets and examples


def make(job: Job) -> None:
    """Write result.json, as finetuning has it, and examples.csv; no numbers of a diverged model."""
    from finescale.evaluation.asked import AskedModel
    from finescale.models import find_device
    from finescale.store.json_files import write_json
    from finescale.training.determinism import make_deterministic
    from finescale.training.evaluation import results_on

    make_deterministic()
    device = find_device(job.hardware.accelerator)
    asked = AskedModel.of(job)
    found = measure(job, asked, device) if asked.status == "ok" else {}
    measured = results_on([overall for overall, _ in found.values()]) if found else NOTHING
    write_json(job.out / "result.json", {"status": asked.status, **measured})
    write_examples(job.out / "examples.csv", found)


def measure(job: Job, asked: "AskedModel", device: "torch.device") -> Likelihoods:
    """As finetuning measures its test sets: as many examples of each, in the same precision."""
    from finescale.tokens import open_tokenizer, stored_examples
    from finescale.training.evaluation import example_likelihoods, held_out_rows
    from finescale.training.loss import TargetLoss
    from finescale.training.vocabulary import Vocabulary

    assert asked.tuned, "base models are not asked"
    finetuning, sets = asked.tuned.recipe.parameters, job.input("test")
    vocabulary = Vocabulary.of(open_tokenizer(job.input("tokenizer")))
    loss = TargetLoss(asked.load(device))
    found: Likelihoods = {}
    for name in sets.recipe.parameters["splits"]:
        examples = stored_examples(sets, name)
        rows = held_out_rows(examples, finetuning["test"]["max_examples"], vocabulary)
        overall, each = example_likelihoods(
            loss, list(rows.values()), vocabulary.pad, finetuning["precision"]
        )
        found[name] = overall, dict(zip(rows, each, strict=True))
        print(f"{name}: log-perplexity {overall.log_perplexity:.4f}, {len(each)} examples")
    return found


def write_examples(path: Path, found: Likelihoods) -> None:
    """A line for each example, which is named by its place in the records of its test set."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, (_, each) in found.items():
            writer.writerows([name, index, *one] for index, one in each.items())


if __name__ == "__main__":
    run_job(make, ["finescale.models", "finescale.training.evaluation"], options=["accelerator"])
