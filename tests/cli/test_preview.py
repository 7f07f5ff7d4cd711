"""`finescale preview` on a store whose runs were made up: real fits, real drawings."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from finescale.cli import main
from finescale.store import Artifact, Recipe, Store
from finescale.store.publishing import publish, scratch_folder
from finescale.store.resume import hold
from finescale.study.files import plan_file
from finescale.study.plan import Plan

ROOT = Path(__file__).parents[2]
SCRIPT = "import sys; from finescale.cli import main; status = main(sys.argv[1:]); "
WITHOUT_TORCH = SCRIPT + "assert 'torch' not in sys.modules; sys.exit(status)"


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def config(tmp_path_factory) -> Path:
    """Two tasks of the smoke study: one with all factors and a suite, one with little."""
    config = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
    for name in ("families", "text", "tasks"):
        config[name].pop({"families": "en-zh", "text": "zh", "tasks": "help-en-zh"}[name])
    del config["search"], config["tasks"]["help-summaries"]["generation"]
    config["tasks"]["help-en-de"]["generation"]["suites"] = ["test"]
    config["tasks"]["help-en-de"]["grid"]["finetuning_examples"] = {
        method: {"values": [32, 48, 64, 96]} for method in ("fmt", "lora")
    }
    config["tasks"]["help-en-de"]["grid"]["llm_model_size"] = {"values": ["XXS", "XS"]}
    config["families"]["en-de"]["held_out"] = {}
    config["laws"]["resamples"] = 4
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(yaml.safe_dump(config | {"study": "small"}))
    return path


@pytest.fixture(scope="session")
def plan(config) -> Plan:
    return plan_file(config, ROOT)


def result(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """What became of a run, by a law that it follows."""
    model = recipe
    while model.stage != "pretrain":
        (base,) = model.inputs.get("base") or model.inputs["model"]
        model = plan.recipes[base]
    layers, tokens = model.parameters["model"]["layers"], model.parameters["tokens"]
    size = 20_000 * layers
    loss = 3 + 20 * size**-0.3 + 20 * tokens**-0.3
    if recipe.stage == "finetune":
        loss += recipe.parameters["finetuning_examples"] ** -0.2
    curve = [{"tokens": at, "log_perplexity": 3 + 50 * at**-0.3} for at in range(3000, 20000, 3000)]
    return {
        **{"status": "ok", "model_parameters": size, "non_embedding_parameters": size // 2},
        **{"dev_log_perplexity": loss, "test_log_perplexity": loss, "target_tokens": 500},
        **{"log_perplexity": loss, "curve": curve, "examples": 1},
    }


OUTPUT = {"id": "a", "source": "Open it.", "reference": "Das Haus ist rot.", "output": "Das Haus."}
OUTPUT |= {"source_language": "en", "target_language": "de", "cut_source": False, "ended": True}


def add(store: Store, plan: Plan, reference: str, **changes: Any) -> Artifact:
    """Publish a run, without what it is made from."""
    recipe = plan.recipes[reference]
    with scratch_folder(store, recipe) as scratch:
        text = json.dumps(result(recipe, plan) | changes)
        name = "summary.json" if recipe.stage == "generate" else "result.json"
        (scratch / name).write_text(text)
        if recipe.stage == "generate":
            (scratch / "outputs.jsonl").write_text(json.dumps(OUTPUT) + "\n")
        publish(store, recipe, scratch, [], {"label": plan.labels[reference]})
    return store.open(reference)


def runs(plan: Plan, *words: str, stage: str = "finetune") -> list[str]:
    labels = plan.labels.items()
    return [
        item
        for item, label in labels
        if item.startswith(f"{stage}/") and all(word in label for word in words)
    ]


class Study:
    """A folder of results, and the command in it."""

    def __init__(self, folder: Path, config: Path, plan: Plan) -> None:
        self.results, self.config, self.plan = folder / "results", config, plan
        self.store = Store(self.results / "store")
        self.store.root.mkdir(parents=True, exist_ok=True)
        self.preview = self.results / "small" / "preview"

    def arguments(self, *more: str) -> list[str]:
        return ["--store", str(self.store.root), "preview", str(self.config), *more]

    def __call__(self, *more: str) -> int:
        return main(self.arguments(*more))

    def own(self) -> set[str]:
        return {item.recipe.reference for item in Store(self.preview / ".work/store").artifacts()}

    def svg(self, name: str) -> str:
        return (self.preview / f"{name}.svg").read_text()


@pytest.fixture
def study(tmp_path, config, plan) -> Study:
    """Nothing yet."""
    return Study(tmp_path, config, plan)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="session")
def drawn(tmp_path_factory, config, plan) -> tuple[Study, str]:
    """A study with most runs of one task, previewed; and what the command said."""
    study = Study(tmp_path_factory.mktemp("drawn"), config, plan)
    for reference in [*runs(plan, "help-en-de")[1:], *runs(plan, stage="pretrain")]:
        add(study.store, plan, reference)
    for reference in runs(plan, "test of", stage="generate")[1:]:
        add(study.store, plan, reference)
    before = contents(study.store.root)
    command = [sys.executable, "-c", WITHOUT_TORCH, *study.arguments()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(study.store.root) == before
    assert sorted(os.listdir(study.results)) == ["small", "store"]
    return study, done.stdout


@pytest.fixture
def copied(drawn, tmp_path, config, plan) -> Study:
    """The same, to do anything with."""
    shutil.copytree(drawn[0].results, tmp_path / "results", symlinks=True)
    return Study(tmp_path, config, plan)


@pytest.mark.slow
def test_what_is_complete_is_drawn_and_stamped(drawn, plan):
    study, said = drawn
    count = len(runs(plan, "help-en-de"))
    whole = len(runs(plan))
    for name in ("figures/figure2", "tables/table6", "tables/table4"):
        assert f"preview: {count - 1} of {whole} runs" in study.svg(name)
        assert {path.suffix for path in study.preview.glob(f"{name}.*")} == {
            *(".pdf", ".png", ".svg", ".csv")
        }
    assert f"preview: {count - 1} of {count} runs, " in study.svg("figures/figure7")
    page = (study.preview / "report.html").read_text()
    assert f"preview: {count - 1} of {whole} runs" in page
    assert "snakemake -c2" not in page
    rows = (study.preview / "points.csv").read_text().splitlines()
    assert len(rows) == count  # a heading, and all but one
    table = [line.split() for line in said.splitlines()]
    counted = ["finetunings", "of", "help-en-de", *map(str, (count, count - 1, 0, 0, 0, 1))]
    assert counted in table
    assert "- figure6: no task has the suite `zero-shot`" in said
    assert any(line[:1] == ["figures/figure2.pdf"] and "help-summaries" in line for line in table)


@pytest.mark.slow
def test_a_second_preview_makes_nothing_and_another_state_leaves_nothing_behind(copied, capsys):
    own, old = copied.own(), (copied.preview / "figures/figure2.pdf").resolve()
    assert copied() == 0
    assert capsys.readouterr().err == ""
    assert copied.own() == own
    (copied.preview / "notes.txt").write_text("mine")
    for reference in runs(copied.plan, "help-en-de", "48 examples"):
        shutil.rmtree(copied.store.folder(reference), ignore_errors=True)
    assert copied("--no-scores") == 0
    captured = capsys.readouterr()
    assert "fit: help-en-de" in captured.err
    assert "figure7, figure8, figure9, table7: left out (--no-scores)" in captured.out
    assert "generations" not in captured.out.split("Drawn")[0]
    assert not list(copied.preview.glob("figures/figure7.*"))
    shown = {path.resolve() for path in copied.preview.rglob("*") if path.is_symlink()}
    assert all(path.is_file() for path in shown)
    assert not old.exists()
    assert (copied.preview / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_an_unreadable_run_is_left_out_and_named(copied, capsys):
    broken = runs(copied.plan, "help-en-de")[1]
    path = copied.store.folder(broken) / "result.json"
    path.write_text("{}")
    assert copied("--no-scores") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{path}: corrupted" in said.replace("- ", "")
    count = len(runs(copied.plan, "help-en-de"))
    assert f"finetunings of help-en-de {count} {count - 2} 0 0 1 1" in said
    assert f"preview: {count - 2} of" in copied.svg("figures/figure1")
    assert path.read_text() == "{}"


@pytest.mark.slow
def test_a_fit_and_a_figure_that_fail_do_not_take_the_others_along(
    copied, capsys, tmp_path, monkeypatch
):
    programs = tmp_path / "scripts"
    shutil.copytree(ROOT / "workflow/scripts", programs)
    for stage, key, value in (("fit", "task", "help-summaries"), ("figure", "name", "figure2")):
        text = (programs / f"{stage}.py").read_text()
        failing = f"if job.parameters['{key}'] == '{value}': 1 / 0"
        (programs / f"{stage}.py").write_text(re.sub("(def make.*\n)", rf"\1    {failing}\n", text))
    monkeypatch.setattr("finescale.cli.preview.PROGRAMS", programs)
    shutil.rmtree(copied.preview)
    for reference in runs(copied.plan, "help-summaries"):
        add(copied.store, copied.plan, reference)
    assert copied("--no-scores") == 0
    said = capsys.readouterr().out
    failed, _, missing = said.partition("Failed")[2].partition("Not drawn")
    assert "fit help-summaries: ZeroDivisionError" in failed
    assert "figure2: ZeroDivisionError" in missing
    logs = re.findall(r"\((\S+\.log)\)", failed + missing)
    assert len(logs) == 2
    assert all("Traceback" in Path(log).read_text() for log in logs)
    table = [line.split() for line in said.splitlines()]
    (drawing,) = [line for line in table if line[:1] == ["tables/table4.pdf"]]
    assert drawing[-1] == "help-summaries"
    assert "Figure 2: ZeroDivisionError" in (copied.preview / "report.html").read_text()
    assert not list(copied.preview.glob("figures/figure2.*"))


@pytest.mark.slow
def test_runs_that_diverged_are_complete(study, capsys):
    for reference in runs(study.plan, "help-summaries"):
        add(study.store, study.plan, reference, status="diverged")
    assert study() == 0
    said = capsys.readouterr().out
    count = len(runs(study.plan, "help-summaries"))
    assert ["finetunings", "of", "help-summaries", *map(str, (count, 0, count, 0, 0, 0))] in [
        line.split() for line in said.splitlines()
    ]
    assert "Failed" not in said
    assert f"preview: {count} of" in study.svg("figures/figure2")


def test_nothing_complete_is_a_message_with_what_runs(study, capsys):
    (study.preview / "figures").mkdir(parents=True)
    (study.preview / "figures" / "figure2.pdf").symlink_to("../.work/store/gone")
    first = study.plan.recipes[runs(study.plan)[0]].digest
    with hold(study.results / "resume" / first[:20]):
        assert study() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: study small: nothing is complete yet in ")
    count = len(runs(study.plan, "help-en-de"))
    assert f"finetunings of help-en-de {count} 0 0 1 0 {count - 1}" in " ".join(
        captured.err.split()
    )
    assert not list((study.preview / "figures").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preview", "config/none.yaml"], "config/none.yaml: no such file"),
        (["--store", "nowhere", "preview", "config/demo.yaml"], "nowhere: no store here"),
    ],
)
def test_mistakes_are_one_message(arguments, message, study, capsys):
    if "--store" not in arguments:
        arguments = ["--store", str(study.store.root), *arguments]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_it_wants_the_repository(study, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert study() == 1
    assert "Run from the repository's root." in capsys.readouterr().err
