"""The generate program on tiny runs, through the store."""

import importlib.util
import json
from pathlib import Path

import pytest

from finescale.corpora import write_records
from finescale.errors import UserError
from finescale.launch import Hardware
from finescale.models import load_tuned
from finescale.store import Recipe, Store, make_artifact
from finescale.tokens import Tokenizer
from tests.evaluation.conftest import parallel
from tests.tokens.conftest import sentences

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
PRETRAINING = {
    "model": {"layers": 1, "heads": 2, "head_dim": 8, "ffn_dim": 32, "model_dim": 16},
    "tokens": 4 * 128 * 60,
    "schedule_tokens": 4 * 128 * 60,
    "context": 128,
    "batch_sequences": 4,
    "learning_rate": 0.05,
    "final_learning_rate": 0.005,
    "warmup_steps": 2,
    "parameter_scaling": True,
    "objective": {"causal": 1.0, "prefix": 0.0, "span_corruption": [], "mode_tokens": False},
    "validation": {"sequences": 4, "logged_checkpoints": 2},
    "precision": "fp32",
    "seed": 3,
}
FINETUNING = {
    "task": "tiny",
    "finetuning_examples": 8,
    "seed": 1,
    "batch_examples": 4,
    "schedule": "constant",
    "warmup_steps": 0,
    "max_steps": 4,
    "max_epochs": None,
    "parameter_scaling": False,
    "dev": {
        "first_step": 2,
        "growth": None,
        "interval": 2,
        "patience": None,
        "min_epochs": 1,
        "max_examples": 4,
    },
    "test": {"max_examples": 4},
    "precision": "fp32",
}
METHODS = {
    "fmt": {"pet_parameter_size": None, "learning_rate": 0.001},
    "lora": {"pet_parameter_size": 2, "learning_rate": 0.01},
    "prompt": {"pet_parameter_size": 3, "learning_rate": 0.3},
    "diverged": {"pet_parameter_size": None, "learning_rate": 1e30, "method": "fmt"},
}
GENERATION = {
    "suite": "test",
    "shots": 0,
    "template": "{source}",
    "shot_template": None,
    "max_source_tokens": 24,
    "max_new_tokens": 8,
    "max_examples": 10,
    "seed": 0,
    "stop_at_newline": False,
}
FEW_SHOT = {
    "suite": "one-shot",
    "shots": 1,
    "shot_template": "{source_language}: {source} \n {target_language}:",
    "stop_at_newline": True,
}


def program(stage):
    spec = importlib.util.spec_from_file_location(f"stage_{stage}", SCRIPTS / f"{stage}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make


def raw(records):
    """Makes the artifact of a raw file."""
    return lambda job: write_records(job.out / "data", records)


class Study:
    """Artifacts made by the stage programs themselves, from raw files written here."""

    def __init__(self, root):
        self.store = Store(root / "store")
        # a word a line: even a model that has learned little writes the end of a line
        texts = [one.replace(" ", "\n") for one in sentences(300, seed=9)]
        text = self.corpus(text=[{"id": str(i), "text": one} for i, one in enumerate(texts)])
        self.train = self.corpus(train=parallel(8, seed=1), dev=parallel(6, seed=2))
        self.tests = [
            self.corpus(test=parallel(20, seed=3)),
            self.corpus(test=parallel(20, seed=4, pair="fr-de")),
        ]
        settings = {"vocab_size": 500, "character_coverage": 0.9995, "sentinels": 8}
        self.tokenizer = self.make("tokenizer", settings, {"text": [text]})
        stream = {"kind": "pretraining", "languages": ["en"], "seed": 0, "validation_share": 0.2}
        self.stream = self.make("tokens", stream, {"text": [text], **self.shared})
        form = {"kind": "examples", "template": "{source}"}
        form |= {"max_source_tokens": 24, "max_target_tokens": 8}
        inputs = {"examples": [self.train, self.train], **self.shared}
        self.encoded = self.make("tokens", {"splits": ["train", "dev"], **form}, inputs)
        inputs = {"examples": self.tests[:1], **self.shared}
        self.encoded_test = self.make("tokens", {"splits": ["tiny"], **form}, inputs)

    @property
    def shared(self):
        return {"tokenizer": [self.tokenizer]}

    def make(self, stage, parameters, inputs, make=None):
        recipe = Recipe(stage, 1, parameters, {role: tuple(refs) for role, refs in inputs.items()})
        make_artifact(self.store, recipe, make or program(stage))
        return recipe.reference

    def corpus(self, **splits):
        """Typed records, as the corpus stage makes them of raw files."""
        inputs = {
            split: [self.make("source", {"id": records[0]["id"], "split": split}, {}, raw(records))]
            for split, records in splits.items()
        }
        settings = {split: {"format": "records"} for split in splits}
        return self.make("corpus", {"splits": settings}, inputs)

    def base(self, **changes):
        return self.make(
            "pretrain", PRETRAINING | changes, {"tokens": [self.stream], **self.shared}
        )

    def finetuned(self, name, base):
        inputs = {"base": [base], "train": [self.encoded], "test": [self.encoded_test]}
        parameters = {"method": name, **FINETUNING, **METHODS[name]}
        return self.make("finetune", parameters, inputs | self.shared)

    def generate(self, role, model, tests=1, **changes):
        """summary.json and the lines of outputs.jsonl."""
        inputs = {role: [model], "examples": self.tests[:tests], **self.shared}
        if changes.get("shots"):
            inputs["dev"] = [self.train]
        made = self.store.open(self.make("generate", GENERATION | changes, inputs))
        lines = made.file("outputs.jsonl").read_text().splitlines()
        return made.json("summary.json"), [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def base(study):
    return study.base()


@pytest.mark.parametrize("method", ["fmt", "lora", "prompt"])
def test_outputs_are_those_of_the_tuned_model(study, base, one_by_one, method):
    reference = study.finetuned(method, base)
    summary, lines = study.generate("model", reference)
    tokenizer = Tokenizer(study.store.open(study.tokenizer).file("tokenizer.model"))
    folder = study.store.folder(reference) / ("model" if method == "fmt" else "adapter")
    model = load_tuned(method, folder, study.store.folder(base) / "model")
    records = {one["id"]: one for one in parallel(20, seed=3)}
    new_tokens = 0
    for line in lines:
        one = records[line["id"]]
        source = tokenizer.encode([one["source"]])[0]
        prompt = [tokenizer.bos, *source[:24].tolist(), tokenizer.sep]
        ids, ended = one_by_one(model, prompt, 8)
        new_tokens += len(ids) + ended
        assert line == {
            **{name: one[name] for name in ("id", "source", "source_language", "target_language")},
            "reference": one["target"],
            "output": tokenizer.decode(ids).strip(),
            "cut_source": len(source) > 24,
            "ended": ended,
        }
    assert summary == {
        "status": "ok",
        "examples": 10,
        "cut_sources": sum(line["cut_source"] for line in lines),
        "cut_demonstrations": 0,
        "empty": sum(not line["output"] for line in lines),
        "unended": sum(not line["ended"] for line in lines),
        "new_tokens": new_tokens,
    }
    assert len({line["id"] for line in lines}) == 10


def test_the_base_model_after_demonstrations(study, base):
    summary, lines = study.generate("base", base, **FEW_SHOT)
    assert summary["status"] == "ok"
    assert len(lines) == summary["examples"] == 10
    assert summary["cut_demonstrations"] > 0  # targets longer than what may be generated


def test_a_newline_ends_an_output_where_the_suite_says_so(study, base):
    _, whole = study.generate("base", base, max_new_tokens=60)
    summary, first = study.generate("base", base, max_new_tokens=60, stop_at_newline=True)
    assert all("\n" in line["output"] for line in whole)
    assert not any("\n" in line["output"] for line in first)
    assert all(a["output"].startswith(b["output"]) for a, b in zip(whole, first, strict=True))
    assert summary["unended"] == 0


def test_few_examples_are_of_all_sets_and_more_include_them(study, base):
    chosen = {}
    for most in (6, 20, None):
        _, lines = study.generate("base", base, tests=2, max_examples=most, max_new_tokens=1)
        chosen[most] = [(line["source_language"], line["id"]) for line in lines]
    assert [len(ids) for ids in chosen.values()] == [6, 20, 40]
    assert set(chosen[6]) < set(chosen[20]) < set(chosen[None])
    for most in (6, 20):
        assert [language for language, _ in chosen[most]].count("fr") == most // 2


def test_a_diverged_model_is_a_complete_artifact_without_outputs(study, base):
    diverged = study.base(learning_rate=1e30)
    cases = {
        "diverged": ("model", study.finetuned("diverged", base)),
        "base diverged": ("model", study.finetuned("lora", diverged)),
    }
    nothing = dict.fromkeys(
        ("examples", "cut_sources", "cut_demonstrations", "empty", "unended", "new_tokens"), 0
    )
    for status, (role, model) in cases.items():
        assert study.generate(role, model) == ({"status": status, **nothing}, [])
    assert study.generate("base", diverged) == ({"status": "base diverged", **nothing}, [])


def test_a_gpu_that_was_asked_for_and_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=r"--accelerator gpu: .* shows no CUDA device"):
        recipe = Recipe("generate", 1, {}, {})
        make_artifact(Store(tmp_path), recipe, program("generate"), hardware=Hardware("gpu"))


def test_mistakes_show_before_the_model_is_loaded(study, base):
    weights = study.store.folder(base) / "model/model.safetensors"
    aside = weights.rename(weights.with_suffix(".aside"))
    try:
        with pytest.raises(UserError, match="9 demonstrations are needed"):
            study.generate("base", base, **FEW_SHOT | {"shots": 9})
        with pytest.raises(UserError, match="has to be there once"):
            study.generate("base", base, **FEW_SHOT | {"shot_template": "{target_language}:"})
        with pytest.raises(UserError, match="safetensors: missing"):
            study.generate("base", base, seed=99)
    finally:
        aside.rename(weights)
