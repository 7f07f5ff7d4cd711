"""`finescale data show`: the data card of a task in the terminal."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest

from finescale.cli import main
from finescale.cli.show import columns_of
from finescale.store import Store, make_artifact
from finescale.study.files import plan_file

ROOT = Path(__file__).parents[2]
NEEDED = ("config/smoke.yaml", "config/demo.yaml", "config/sources.yaml", "workflow/schemas")


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch) -> Path:
    """What the command reads of a repository, and no results."""
    for name in NEEDED:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(ROOT / name, target)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture(scope="session")
def card() -> dict:
    """A made-up card."""
    file = ROOT / "tests" / "report" / "made_up.py"
    spec = importlib.util.spec_from_file_location("made_up", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.card("help-en-de")


def complete(stage: str, label: str, content: dict) -> None:
    """Make an artifact of the smoke study."""
    plan = plan_file(Path("config/smoke.yaml"))
    (recipe,) = [
        recipe
        for reference, recipe in plan.recipes.items()
        if (recipe.stage, plan.labels[reference]) == (stage, label)
    ]
    store = Store("results/store")
    for item in recipe.input_references():  # inputs have to be there, whatever is in them
        if not (store.folder(item) / "artifact.json").exists():
            complete(plan.recipes[item].stage, plan.labels[item], {})
    make_artifact(
        store, recipe, lambda job: (job.out / "card.json").write_text(json.dumps(content))
    )


def show(capsys, *arguments: str) -> tuple[int, str]:
    status = main(["data", "show", *arguments])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_a_card_is_shown(card, capsys):
    complete("card", "help-en-de", card)
    status, said = show(capsys, "help-en-de", "--config", "config/smoke.yaml")
    assert status == 0
    for title in (
        "Examples",
        "Lengths",
        "Overlap",
        "Raw files",
        "Licences",
        "Samples of test news",
    ):
        assert f"\n{title}\n" in said
    assert "- Of the 4 examples of test news, training holds the target of 1 (25.0%)." in said
    assert "10.0 / 9 / 20 / 21" in said
    assert "- MPL-2.0" in said
    lines = said.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("To measure on")]
    assert lines[place].endswith("Ziel")
    assert lines[place - 1].split() == ["en", "de"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_prose_and_samples_keep_to_the_width(card, capsys, width):
    one = card["sets"][0]["samples"][0]
    long = {**one, "source": "wide " * 60, "target": "宽" * 90}
    sets = [card["sets"][0] | {"samples": [long]}, *card["sets"][1:]]
    complete("card", "help-en-de", card | {"sets": sets})
    arguments = ("help-en-de", "--config", "config/smoke.yaml", "--width", str(width))
    _, said = show(capsys, *arguments)
    samples = said[said.index("Samples of train") :]
    assert samples.count("宽") == 90
    assert all(columns_of(line) <= width for line in samples.splitlines())


def test_without_a_card_it_says_what_is_there_and_what_to_run(capsys):
    complete("corpus", "help-en-de train+dev", {})
    status, said = show(capsys, "help-en-de", "--config", "config/smoke.yaml")
    assert status == 1
    needed = {line.rsplit("  ", 1)[0].rstrip(): line.split()[-1] for line in said.splitlines()}
    assert needed["corpus  help-en-de train+dev"] == "yes"
    assert needed["corpus  help-en-de test help"] == "no"
    assert needed["tokens  help-en-de test sets"] == "no"
    command = (
        "snakemake --cores all results/smoke/data/help-en-de.md --configfile config/smoke.yaml"
    )
    assert said.rstrip().endswith(command)


def test_before_anything_was_made_too(checkout, capsys):
    assert not (checkout / "results").exists()
    status, said = show(capsys, "help-en-zh")  # the demo, if no config is named
    assert status == 1 and "results/demo/data/help-en-zh.md" in said
    assert not (checkout / "results").exists()


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("help-en-d", "has no task `help-en-d`; did you mean `help-en-de`?"),
        ("news", "has no task `news` (known: help-en-de, help-en-zh, help-summaries)"),
    ],
)
def test_a_task_that_is_not_there(capsys, task, said):
    status, message = show(capsys, task, "--config", "config/smoke.yaml")
    assert status == 1 and f"error: config/smoke.yaml {said}" in message


def test_no_such_config_and_no_repository(checkout, capsys):
    assert "no such file" in show(capsys, "help-en-de", "--config", "config/none.yaml")[1]
    shutil.rmtree(checkout / "config")
    assert "Run from the repository's root" in show(capsys, "help-en-de")[1]
