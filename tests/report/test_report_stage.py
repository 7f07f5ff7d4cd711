"""The report stage as the pipeline runs it: artifacts in, one page out, and no torch."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.laws import write_points
from finescale.store import Recipe, Store, make_artifact

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "report.py"
SIZES = (100, 200, 400, 800)


@pytest.fixture
def recipe(made_up, tmp_path) -> Recipe:
    """A report whose inputs are in the store."""
    store = Store(tmp_path / "store")

    def add(stage, write) -> tuple[str, ...]:
        made = Recipe(stage, 1, {"name": stage}, {})
        make_artifact(store, made, lambda job: write(job.out))
        return (made.reference,)

    def drawing(stem):
        def write(out):
            (out / f"{stem}.svg").write_text(made_up.SVG)
            (out / f"{stem}.csv").write_text("task,value\nhelp,1.5\n")

        return write

    points = [
        made_up.point(nominal_size=size, loss=4 - size / 400, finetuning_examples=64)
        for size in SIZES
    ]
    about = {"task": "help", "title": "Help", "suite": "test", "score": "chrf"}
    about |= {"base": vars(made_up.BASE), "model_size_as": "nominal"}
    parameters = {
        "study": "small",
        "config": "study: small\n",
        "unsupported": {},
        "figures": ["figure2"],
        "tables": ["table4"],
        "scores": [about],
    }
    inputs = {
        "fits": add("fit", made_up.task_fit(made_up.law(resamples={"beta": [0.4, 0.6]})).save),
        "points": add("joined_points", lambda out: write_points(out / "points.csv", points)),
        "figures": add("figure", drawing("figure")),
        "tables": add("table", drawing("table")),
        "scores": add("score", write_scores),
        "cards": add(
            "card", lambda out: (out / "card.json").write_text(json.dumps(made_up.card()))
        ),
    }
    return Recipe("report", 1, parameters, inputs)


def write_scores(out: Path) -> None:
    labels = ["method", "nominal_size", "pretraining_tokens", "pet_parameter_size"]
    columns = [*labels, "finetuning_examples", "seed", "baseline", "status"]
    with (out / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, "chrf", "chrf_low", "chrf_high"])
        for size in SIZES:
            writer.writerow(["fmt", size, 8000, "", 64, 0, False, "ok", size / 10, 1, 90])


def run(recipe: Recipe, store: Path) -> list[str]:
    """Run the program; its last line says whether it imported torch."""
    file = store.parent / "recipe.json"
    file.write_text(json.dumps({"label": "small", "recipe": recipe.to_dict()}))
    code = (
        f"import runpy, sys; sys.argv = ['report.py', {str(file)!r}, '--store', {str(store)!r}]\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_report_is_made_of_everything_and_the_same_again(recipe, tmp_path):
    *verdicts, torch = run(recipe, tmp_path / "store")
    assert torch == "False"
    assert len(verdicts) == 8
    assert verdicts[-1] == "supported: Perplexity follows the score"
    artifact = Store(tmp_path / "store").open(recipe.reference)
    page = artifact.file("report.html").read_text()
    assert all(f'<article id="{name}">' in page for name in ("figure2", "table4", "data-help"))

    first = artifact.content_sha256
    (artifact.folder / "artifact.json").unlink()
    (artifact.folder / "artifact.copy.json").unlink()
    run(recipe, tmp_path / "store")
    assert Store(tmp_path / "store").open(recipe.reference).content_sha256 == first
