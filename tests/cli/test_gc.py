"""`finescale gc`, as a person or a shell script uses it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.cli import main
from finescale.store import MANIFEST, Recipe, Store
from finescale.store.publishing import publish, scratch_folder
from finescale.study.files import plan_file, studies

ROOT = Path(__file__).parents[2]
FINESCALE = Path(sys.executable).with_name("finescale")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with one study, smoke, in which the test runs."""
    shutil.copytree(ROOT / "workflow/schemas", tmp_path / "workflow/schemas")
    (tmp_path / "config").mkdir()
    for name in ("smoke", "sources"):
        shutil.copy(ROOT / f"config/{name}.yaml", tmp_path / "config")
    (tmp_path / "config" / "notes.yaml").write_text("gpus: [a100]\n")
    (tmp_path / "results" / "store").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(folder) -> Store:
    return Store("results/store")


def make(store: Store, recipe: Recipe, label: str, *names: str) -> Path:
    with scratch_folder(store, recipe) as scratch:
        for name in names or ("data",):
            (scratch / name).parent.mkdir(exist_ok=True)
            (scratch / name).write_text(name)
        publish(store, recipe, scratch, [], {"label": label})
    return store.folder(recipe.reference)


@pytest.fixture
def planned(store):
    """Raw files, a base model and two finetunings of the smoke study."""
    plan = plan_file(Path("config/smoke.yaml"))
    wanted = {"source": 14, "pretrain": 1, "finetune": 2}
    for reference, recipe in plan.recipes.items():
        if wanted.get(recipe.stage, 0):
            wanted[recipe.stage] -= 1
            names = (
                ("data",) if recipe.stage == "source" else ("model/a.safetensors", "result.json")
            )
            make(store, recipe, plan.labels[reference], *names)
    return plan


@pytest.fixture
def old(store, planned) -> list[Path]:
    """What earlier studies left: three figures."""
    recipes = [Recipe("figure", 1, {"number": number}, {}) for number in range(3)]
    return [make(store, recipe, f"old figure {recipe.parameters['number']}") for recipe in recipes]


def answer(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [FINESCALE, "gc", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def test_it_shows_what_no_study_needs_and_removes_that(store, planned, old, capsys):
    assert main(["gc", "--yes"]) == 0
    out = capsys.readouterr().out
    assert "needed: what config/smoke.yaml plans" in out
    row = re.search(r"^figure +3 +(\S+ \w+) +(.*)$", out, re.M)
    assert re.fullmatch(r"old figure \d; old figure \d; old figure \d", row[2])
    assert out.endswith(f"Removed {row[1]}.\n")
    assert not any(path.exists() for path in old)
    assert len(list(store.artifacts())) == 17
    assert main(["gc", "--yes"]) == 0
    assert "There is nothing to remove." in capsys.readouterr().out


@pytest.mark.parametrize(("text", "gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_it_asks_first(old, text, gone):
    done = answer(text)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"Remove these 3, \d\S* \w+\? \[y/N\]", done.stdout)
    assert old[0].exists() is not gone
    assert ("Nothing was removed." in done.stdout) is not gone


def test_a_dry_run_only_shows(old, capsys):
    assert main(["gc", "--dry-run", "--yes"]) == 0
    assert "nothing was removed (--dry-run)" in capsys.readouterr().out
    assert all(path.exists() for path in old)


def test_only_the_given_studies_count(planned, old, store, tmp_path, capsys):
    text = Path("config/smoke.yaml").read_text()
    Path("config/other.yaml").write_text(text.replace("study: smoke", "study: other"))
    assert main(["gc", "--dry-run"]) == 0
    assert "needed: what config/other.yaml, config/smoke.yaml plan\n" in capsys.readouterr().out
    minimal = text.replace("learning_rate", "learning_rates")
    Path("config/other.yaml").write_text(minimal)
    assert main(["gc", "--dry-run", "config/smoke.yaml"]) == 0
    assert "figure" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("\nseeds:", "\nsedes:"), "unknown key `sedes`"),
        (lambda text: text.replace("\nstudy:", "\nstudies:"), "missing key study"),
        (lambda text: "study: [", "not valid YAML"),
    ],
)
def test_a_study_that_cannot_be_planned_stops_everything(store, old, capsys, change, said):
    path = Path("config/smoke.yaml")
    path.write_text(change(path.read_text()))
    assert main(["gc", "--yes"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: config/smoke.yaml:")
    assert said in error
    assert "Nothing was removed, because nobody can tell what this study needs." in error
    assert len(list(store.artifacts())) == 20


def test_files_of_config_that_are_no_studies(folder):
    assert studies() == [Path("config/smoke.yaml")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["config/absent.yaml"], "config/absent.yaml: no such file"),
        (["--keep", "tokens"], "--keep says what --strip leaves as it is; give both"),
        (["--strip", "--keep", "token"], "'token' is no stage that is stripped; did you mean"),
    ],
)
def test_mistakes(old, capsys, arguments, said):
    assert main(["gc", "--yes", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert all(path.exists() for path in old)


def test_without_a_study_nothing_is_removed(old, capsys):
    Path("config/smoke.yaml").unlink()
    assert main(["gc", "--yes"]) == 1
    assert "config/ holds no study: nothing would be needed" in capsys.readouterr().err
    Path("workflow/schemas/config.schema.yaml").unlink()
    assert main(["gc", "--yes"]) == 1
    assert "Run from the repository's root" in capsys.readouterr().err
    assert all(path.exists() for path in old)


def test_a_job_of_a_study_that_is_not_given(old, capsys):
    lock = Path("results/resume") / ("0" * 20) / "lock.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(f'{{"host": "elsewhere", "process": {os.getpid()}, "token": ""}}')
    assert main(["gc", "--yes"]) == 1
    error = capsys.readouterr().err
    assert "error: a job runs for a study that is not given" in error
    assert "Name its config, or wait." in error
    assert all(path.exists() for path in old)


def test_a_store_that_cannot_be_written_is_one_message(old, capsys, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(old[0]))

    monkeypatch.setattr(os, "rename", refuse)
    assert main(["gc", "--yes"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: [Errno 13] Permission denied")
    assert "then run `finescale gc` again" in error
    assert all((path / MANIFEST).exists() for path in old)


def test_strip_drops_what_nothing_unfinished_opens(store, planned, capsys):
    """At first their generations and other finetunings are still to be made."""
    assert main(["gc", "--strip", "--yes"]) == 0
    assert "There is nothing to remove." in capsys.readouterr().out
    for reference, recipe in planned.recipes.items():
        if recipe.stage not in ("source", "corpus", "tokens", "pretrain", "finetune"):
            make(store, recipe, planned.labels[reference])
    assert main(["gc", "--strip", "--keep", "pretrain", "--yes", "config/smoke.yaml"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^finetune +2 +38 bytes +help-en-de", out, re.M)
    assert out.endswith("Dropped 38 bytes; `finescale verify` knows.\n")
    stripped = {item.recipe.stage: item.stripped() for item in store.artifacts()}
    assert stripped["finetune"] == {"model/a.safetensors": 19}
    assert stripped["pretrain"] == {}
    assert main(["verify"]) == 0
    assert "(2 of them stripped), 0 problems" in capsys.readouterr().out
