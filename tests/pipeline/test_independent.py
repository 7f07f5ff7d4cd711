"""The measured numbers, computed a second time by other means."""

import json

import pytest
import sentencepiece
import torch
from peft import PeftModel
from transformers import GemmaForCausalLM

from finescale.store import Artifact, Store

LANGUAGES = {"en": "English", "de": "German", "es": "Spanish", "fr": "French", "zh": "Chinese"}
EOS, BOS, SEPARATOR = 1, 2, 4
IGNORED = -100


def load(store: Store, run: Artifact) -> torch.nn.Module:
    """The tuned model, by transformers and peft alone."""
    base = store.open(run.recipe.inputs["base"][0]).folder / "model"
    if run.recipe.parameters["method"] == "fmt":
        return GemmaForCausalLM.from_pretrained(run.folder / "model", dtype=torch.float32).eval()
    model = GemmaForCausalLM.from_pretrained(base, dtype=torch.float32)
    return PeftModel.from_pretrained(model, run.folder / "adapter").eval()


def example_rows(store: Store, run: Artifact):
    """Source and target ids of the test examples, from their records."""
    tokens = store.open(run.recipe.inputs["test"][0])
    form = tokens.recipe.parameters
    model_file = store.open(run.recipe.inputs["tokenizer"][0]).folder / "tokenizer.model"
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model_file))
    corpus = store.open(tokens.recipe.inputs["examples"][0])
    records = [json.loads(line) for line in (corpus.folder / "test.jsonl").open()]
    wanted = run.recipe.parameters["test"]["max_examples"]
    for k in range(wanted):
        record = records[k * len(records) // wanted]
        language = LANGUAGES[record["target_language"]]
        source = form["template"].format(source=record["source"], language=language)
        target = [*pieces.encode(record["target"]), EOS]
        yield (
            pieces.encode(source)[: form["max_source_tokens"]],
            target[: form["max_target_tokens"]],
        )


@pytest.mark.parametrize(
    ("task", "method"),
    [
        ("help-en-de", "fmt"),
        ("help-en-de", "lora"),
        ("help-en-de", "prompt"),
        ("help-en-zh", "fmt"),
        ("help-en-zh", "lora"),
        ("help-summaries", "fmt"),
        ("help-summaries", "prompt"),
    ],
)
def test_test_log_perplexity(smoke_run, task, method):
    """Nats per target token, end of sequence counted: one example at a time, the loss by
    transformers."""
    store = smoke_run[0].store
    run = next(
        item
        for item in store.artifacts("finetune")
        if (item.recipe.parameters["task"], item.recipe.parameters["method"]) == (task, method)
    )
    model, total, count = load(store, run), 0.0, 0
    for source, target in example_rows(store, run):
        ids = torch.tensor([[BOS, *source, SEPARATOR, *target]])
        labels = torch.tensor([[IGNORED] * (len(source) + 2) + target])
        with torch.no_grad():
            loss = model(ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        total += loss.item() * len(target)
        count += len(target)
    result = run.json("result.json")
    assert result["target_tokens"] == count
    assert result["test_log_perplexity"] == pytest.approx(total / count, abs=1e-5)
