"""`finescale verify`, `trace` and `invalidate`, as a person or a shell script uses them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.cli import main
from finescale.store import Recipe, Store, make_artifact

FINESCALE = Path(sys.executable).with_name("finescale")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with results/store, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    Path("results/store").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def chain(folder) -> dict[str, Recipe]:
    """raw -> points -> figure, and one more point that has nothing to do with them."""
    raw = Recipe("source", 1, {"of": "raw"}, {})
    points = Recipe("points", 1, {}, {"runs": (raw.reference,)})
    figure = Recipe("figure", 1, {}, {"points": (points.reference,)})
    recipes = {"raw": raw, "points": points, "figure": figure}
    recipes["other"] = Recipe("points", 1, {"of": "other"}, {})
    for label, recipe in recipes.items():
        make_artifact(Store("results/store"), recipe, write_data, label=f"my {label}")
    return recipes


def write_data(job) -> None:
    assert len(job.opened) == len(list(job.recipe.input_references()))
    (job.out / "data").write_text("content")


def place(recipe: Recipe) -> Path:
    return Store("results/store").folder(recipe.reference)


def labels(output: str) -> list[str]:
    return [line.rpartition("  ")[2].removeprefix("my ") for line in output.splitlines()]


def test_verify_a_sound_store(chain, capsys):
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == "4 artifacts, 0 problems\n"


def test_verify_says_what_is_wrong_and_fails(chain, capsys):
    (place(chain["points"]) / "data").write_text("Content")
    (place(chain["other"]) / "data").unlink()
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert f"{place(chain['points'])}/data: corrupted" in out
    assert f"{place(chain['other'])}/data: missing" in out
    assert out.endswith("4 artifacts, 2 problems\n")


@pytest.mark.parametrize("named_by", ["view", "file", "digest"])
def test_trace_leads_from_a_figure_to_the_raw_data(chain, capsys, named_by):
    figure = chain["figure"]
    view = Path("results/demo/figures/figure1.pdf")
    view.parent.mkdir(parents=True)
    view.symlink_to(Path("../../..") / place(figure) / "data")
    name = {"view": view, "file": place(figure) / "data", "digest": figure.digest[:10]}[named_by]
    assert main(["trace", str(name)]) == 0
    assert labels(capsys.readouterr().out) == ["figure", "points", "raw"]


def test_invalidate_shows_and_removes_exactly_the_chain(chain, capsys):
    assert main(["invalidate", "--yes", chain["points"].digest[:12]]) == 0
    assert labels(capsys.readouterr().out)[:2] == ["points", "figure"]
    there = {name for name, recipe in chain.items() if place(recipe).exists()}
    assert there == {"raw", "other"}
    assert main(["verify"]) == 0


@pytest.mark.parametrize(
    ("answer", "gone"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_invalidate_asks_before_it_removes(chain, answer, gone):
    command = [FINESCALE, "invalidate", chain["raw"].digest]
    done = subprocess.run(command, input=answer, capture_output=True, text=True)
    assert done.returncode == 0
    assert "Remove these 3 artifacts? [y/N]" in done.stdout
    assert ("Nothing was removed" in done.stdout) is not gone
    assert place(chain["figure"]).exists() is not gone


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trace", "results/demo/figures/figure9.pdf"], "figure9.pdf: no such file. Give a figure"),
        (["trace", "0123abc"], "no artifact in results/store with a digest that starts with"),
        (["trace", "results"], "results is not part of an artifact"),
        (["invalidate", "0000"], "index.csv"),
        (["invalidate", ""], "4 artifacts in results/store with a digest that starts with ''"),
        (["--store", "elsewhere", "verify"], "elsewhere: no store here"),
    ],
)
def test_mistakes_get_a_message_and_nothing_is_removed(chain, capsys, arguments, said):
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert all(place(recipe).exists() for recipe in chain.values())


def test_trace_names_what_is_missing_on_the_way(chain, capsys):
    shutil.rmtree(place(chain["raw"]))
    assert main(["trace", chain["figure"].digest]) == 1
    assert f"{place(chain['raw'])}/artifact.json is missing" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(chain):
    reader, writer = os.pipe()
    os.close(reader)
    command = [FINESCALE, "trace", chain["figure"].digest]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
