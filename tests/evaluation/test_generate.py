"""The generate program on tiny runs, through the store."""

import json

import pytest

from finescale.errors import UserError
from finescale.launch import Hardware
from finescale.models import load_tuned
from finescale.store import Recipe, Store, make_artifact
from finescale.tokens import Tokenizer
from tests.evaluation.conftest import parallel
from tests.evaluation.tiny_study import program

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


def generate(study, role, model, tests=1, **changes):
    """summary.json and the lines of outputs.jsonl."""
    inputs = {role: [model], "examples": study.tests[:tests], **study.shared}
    if changes.get("shots"):
        inputs["dev"] = [study.train]
    made = study.store.open(study.make("generate", GENERATION | changes, inputs))
    lines = made.file("outputs.jsonl").read_text().splitlines()
    return made.json("summary.json"), [json.loads(line) for line in lines]


@pytest.mark.parametrize("method", ["fmt", "lora", "prompt"])
def test_outputs_are_those_of_the_tuned_model(study, base, one_by_one, method):
    reference = study.finetuned(method, base)
    summary, lines = generate(study, "model", reference)
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
    summary, lines = generate(study, "base", base, **FEW_SHOT)
    assert summary["status"] == "ok"
    assert len(lines) == summary["examples"] == 10
    assert summary["cut_demonstrations"] > 0  # targets longer than what may be generated


def test_a_newline_ends_an_output_where_the_suite_says_so(study, base):
    _, whole = generate(study, "base", base, max_new_tokens=60)
    summary, first = generate(study, "base", base, max_new_tokens=60, stop_at_newline=True)
    assert all("\n" in line["output"] for line in whole)
    assert not any("\n" in line["output"] for line in first)
    assert all(a["output"].startswith(b["output"]) for a, b in zip(whole, first, strict=True))
    assert summary["unended"] == 0


def test_few_examples_are_of_all_sets_and_more_include_them(study, base):
    chosen = {}
    for most in (6, 20, None):
        _, lines = generate(study, "base", base, tests=2, max_examples=most, max_new_tokens=1)
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
        assert generate(study, role, model) == ({"status": status, **nothing}, [])
    assert generate(study, "base", diverged) == ({"status": "base diverged", **nothing}, [])


def test_a_gpu_that_was_asked_for_and_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    recipe, hardware = Recipe("generate", 1, {}, {}), Hardware("gpu")
    with pytest.raises(UserError, match=r"--accelerator gpu: .* shows no CUDA device"):
        make_artifact(Store(tmp_path), recipe, program("generate"), hardware=hardware)


def test_mistakes_show_before_the_model_is_loaded(study, base):
    weights = study.store.folder(base) / "model/model.safetensors"
    aside = weights.rename(weights.with_suffix(".aside"))
    try:
        with pytest.raises(UserError, match="9 demonstrations are needed"):
            generate(study, "base", base, **FEW_SHOT | {"shots": 9})
        with pytest.raises(UserError, match="has to be there once"):
            generate(study, "base", base, **FEW_SHOT | {"shot_template": "{target_language}:"})
        with pytest.raises(UserError, match="safetensors: missing"):
            generate(study, "base", base, seed=99)
    finally:
        aside.rename(weights)
