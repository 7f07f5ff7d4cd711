"""Base models made elsewhere, through the stage programs, against plain transformers."""

from hashlib import sha256

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from finescale.errors import UserError
from finescale.evaluation.prompts import FewShot, few_shot_prompts
from finescale.store import Store
from finescale.tokens import open_tokenizer
from tests.evaluation import given
from tests.evaluation.conftest import parallel
from tests.evaluation.test_generate import FEW_SHOT, generate
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
        return self.make("source", {"sha256": sha256(content).hexdigest()}, {}, write)

    def tuned(self, method):
        reference = self.finetuned(method, self.checkpoint)
        return self.store.open(reference)

    def encode_longer(self):
        """Test rows longer than the context."""
        long = [one | {"source": " ".join([one["source"]] * 20)} for one in parallel(3, seed=3)]
        corpus = self.corpus(test=[one | {"id": f"long{one['id']}"} for one in long])
        parameters = {"kind": "examples", "splits": ["tiny"], "template": "{source}"}
        parameters |= {"max_source_tokens": 240, "max_target_tokens": 8}
        return self.make("tokens", parameters, {"examples": [corpus], **self.shared})

    def plain_base(self):
        return AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()

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


def greedy(model, prompt, limit, stop, prompt_tuned):
    """What transformers' own `generate` writes, token by token."""
    ids = torch.tensor([prompt])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if prompt_tuned:  # peft's generate does not return what its forward pass would
        return slowly(model, prompt, limit, stop)
    made = model.generate(
        **given, do_sample=False, max_new_tokens=limit, eos_token_id=sorted(stop), pad_token_id=0
    )[0, len(prompt) :].tolist()
    return made


@torch.inference_mode()
def slowly(model, prompt, limit, stop):
    ids = list(prompt)
    while len(ids) < len(prompt) + limit:
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] in stop:
            break
    return ids[len(prompt) :]


@pytest.mark.parametrize("method", ["fmt", "lora", "prompt"])
def test_outputs_are_those_of_transformers_generate(study, method):
    made = study.tuned(method)
    summary, lines = generate(study, "model", made.recipe.reference)
    assert summary["status"] == "ok"
    tokenizer, model = AutoTokenizer.from_pretrained(study.folder), study.plain(made)
    records = {one["id"]: one for one in parallel(20, seed=3)}
    assert len(lines) == 10
    for line in lines:
        ((prompt, _),) = rows_of(study, [records[line["id"]]])
        ids = greedy(model, prompt, 8, {tokenizer.eos_token_id}, method == "prompt")
        assert line["output"] == tokenizer.decode(ids, skip_special_tokens=True).strip()
        assert line["ended"] == (ids[-1] == tokenizer.eos_token_id)


def test_demonstrations_are_lines_of_text(study):
    own = open_tokenizer(study.store.open(study.tokenizer))
    plain = AutoTokenizer.from_pretrained(study.folder)
    short = [one | {"source": "abc de", "target": "fgh.\ni"} for one in parallel(1, seed=5)]
    form = FewShot(FEW_SHOT["shot_template"], 1, 0, 24, 8, 96)
    (prompt,) = few_shot_prompts({0: short[0]}, [short[0] | {"id": "x", "source": "b"}], form, own)
    begin = plain.eos_token_id if plain.bos_token_id is None else plain.bos_token_id
    text = "English: b \n German: fgh. i\nEnglish: abc de \n German:"
    assert prompt.ids.tolist()[0] == begin
    assert plain.decode(prompt.ids[1:]) == text
    assert prompt.ids.tolist()[1:] == plain.encode(text, add_special_tokens=False)


def test_base_models_write_a_line_after_demonstrations(study):
    summary, lines = generate(study, "base", study.checkpoint, **FEW_SHOT, max_examples=4)
    assert summary["status"] == "ok"
    own, model = open_tokenizer(study.store.open(study.tokenizer)), study.plain_base()
    form = FewShot(FEW_SHOT["shot_template"], 1, 0, 24, 8, given.CONTEXT)
    records = dict(enumerate(parallel(20, seed=3)))
    by_id = {one["id"]: i for i, one in records.items()}
    chosen = {by_id[line["id"]]: records[by_id[line["id"]]] for line in lines}
    prompts = few_shot_prompts(chosen, parallel(6, seed=2), form, own)
    ends = {i for i in range(own.vocab_size) if "\n" in own.decode([i])}
    for line, prompt in zip(lines, prompts, strict=True):
        ids = slowly(model, prompt.ids.tolist(), 8, {own.eos, *ends})
        assert line["output"] == own.decode(ids).partition("\n")[0].strip()


def test_the_embedding_has_more_rows_than_the_tokenizer_has_ids(study):
    result = study.store.open(study.checkpoint).json("result.json")
    model = study.plain_base()
    assert model.get_input_embeddings().weight.shape[0] > len(
        AutoTokenizer.from_pretrained(study.folder)
    )
    assert result["model_parameters"] == sum(p.numel() for p in model.parameters())
    assert result["context"] == given.CONTEXT


def test_rows_and_prompts_longer_than_the_context_are_refused(study):
    tokens = study.encode_longer()
    with pytest.raises(
        UserError, match=f"context is {given.CONTEXT}: lower the task's `max_source"
    ):
        study.finetuned("fmt", study.checkpoint, sets=tokens)
    with pytest.raises(
        UserError, match="the base model has room for 96: lower `max_source_tokens`"
    ):
        generate(study, "base", study.checkpoint, max_new_tokens=90)


def test_later_test_sets_are_measured_as_finetuning_does(study):
    made = study.tuned("lora")
    inputs = {"model": [made.recipe.reference], "test": [study.encoded_test], **study.shared}
    later = study.store.open(study.make("loss", {}, inputs)).json("result.json")
    expected = made.json("result.json")
    assert later["test_log_perplexity"] == expected["test_log_perplexity"]
    assert later["target_tokens"] == expected["target_tokens"]


def test_a_checkpoint_with_another_tokenizer_is_refused(study, tmp_path):
    other = given.save("neox", sentences(300, seed=5), tmp_path / "other")
    study.folder, kept = other, study.folder
    try:
        with pytest.raises(UserError, match=r"tokenizer\.json has other pieces"):
            study.given(("config.json", "model.safetensors", "tokenizer.json"))
    finally:
        study.folder = kept


def test_a_tokenizer_with_more_ids_than_the_model_reads_is_refused(study, tmp_path):
    small = given.config("llama", 64)
    LlamaForCausalLM(small).save_pretrained(tmp_path / "small")
    study.folder, kept = tmp_path / "small", study.folder
    try:
        with pytest.raises(UserError, match=r"tokenizer has 400 ids, .* embeddings of 64"):
            study.given()
    finally:
        study.folder = kept
