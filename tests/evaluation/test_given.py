"""Base models made elsewhere, through the stage programs, against plain transformers."""

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from finescale.store import Store
from tests.evaluation import given
from tests.evaluation.conftest import parallel
from tests.evaluation.tiny_study import Study
from tests.tokens.conftest import sentences

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "config.json")


class GivenStudy(Study):
    """The tiny study on a checkpoint instead of a model of ours."""

    def __init__(self, root, kind):
        self.store = Store(root / "store")
        texts = [one.replace(" ", "\n") for one in sentences(300, seed=9)]
        self.folder = given.save(kind, texts, root / "given")
        self.train = self.corpus(train=parallel(8, seed=1), dev=parallel(6, seed=2))
        self.tests = [self.corpus(test=parallel(20, seed=3))]
        self.tokenizer = self.take("tokenizer", TOKENIZER, {})
        self.encoded = self.encode(train=self.train, dev=self.train)
        self.encoded_test = self.encode(tiny=self.tests[0])
        self.checkpoint = self.given()

    def given(self, names=("config.json", "model.safetensors")):
        return self.take("checkpoint", names, self.shared)

    def take(self, stage, names, inputs):
        """A stage that takes over files of the checkpoint."""
        files = [self.file(name) for name in names]
        return self.make(stage, {"files": list(names)}, {"files": files, **inputs})

    def file(self, name):
        content = (self.folder / name).read_bytes()
        write = lambda job: (job.out / "data").write_bytes(content)  # noqa: E731
        return self.make("source", {"name": name, "size": len(content)}, {}, write)

    def tuned(self, method):
        reference = self.finetuned(method, self.checkpoint)
        return self.store.open(reference)

    def plain(self, artifact):
        """The model as transformers and peft read it."""
        folder = artifact.folder / "model"
        if folder.exists():
            return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        base = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
        return PeftModel.from_pretrained(base, artifact.folder / "adapter").eval()


@pytest.fixture(scope="module", params=["llama", "neox", "gpt2"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def study(tmp_path_factory, kind):
    return GivenStudy(tmp_path_factory.mktemp("given"), kind)


def rows_of(study, records, limit=(24, 8)):
    """Prompts and targets, from the tokenizer as transformers reads it."""
    tokenizer = AutoTokenizer.from_pretrained(study.folder)
    begin = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    (newline,) = tokenizer.encode("\n", add_special_tokens=False)
    for one in records:
        source = tokenizer.encode(one["source"], add_special_tokens=False)[: limit[0]]
        target = tokenizer.encode(one["target"], add_special_tokens=False)
        yield [begin, *source, newline], [*target, tokenizer.eos_token_id][: limit[1]]


@torch.inference_mode()
def plain_log_perplexity(model, rows):
    total, tokens = 0.0, 0
    for prompt, target in rows:
        logits = model(torch.tensor([[*prompt, *target]])).logits[0].double()
        logits = logits[-len(target) - 1 : -1].log_softmax(-1)
        total -= float(logits[range(len(target)), target].sum())
        tokens += len(target)
    return total / tokens, tokens


@pytest.mark.parametrize("method", ["fmt", "lora", "prompt"])
def test_log_perplexity_is_that_of_plain_transformers(study, method):
    made = study.tuned(method)
    result = made.json("result.json")
    records = [one for k, one in enumerate(parallel(20, seed=3)) if k % 5 == 0]
    expected, tokens = plain_log_perplexity(study.plain(made), rows_of(study, records))
    assert result["target_tokens"] == tokens
    assert result["test_log_perplexity"] == pytest.approx(expected, rel=1e-5)
