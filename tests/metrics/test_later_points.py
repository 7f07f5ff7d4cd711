"""Losses on later test sets as the pipeline gathers them, and the laws that are fitted to them."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finescale.laws import Point, read_points, write_points
from finescale.metrics.bootstrap import draws
from finescale.metrics.losses import ExampleLosses
from finescale.store import Recipe, Store, make_artifact

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "later_points.py"
LABELS = (
    *("method", "nominal_size", "pretraining_tokens", "pet_parameter_size"),
    *("finetuning_examples", "seed"),
)


class Study:
    """Points and losses in a store, and the program that gathers them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "store")

    def add(self, stage: str, name: str, inputs: dict, write) -> str:
        recipe = Recipe(stage, 1, {"name": name}, inputs)
        make_artifact(self.store, recipe, write)
        return recipe.reference

    def run(self, name: str) -> str:
        """A finetuning; nobody looks into it."""
        return self.add("finetune", name, {}, lambda job: (job.out / "x").write_bytes(b""))

    def loss(self, name: str, model: str, losses=(), status="ok") -> str:
        """What the loss program leaves; `losses` are set, negative log-likelihood and tokens."""
        total, tokens = (sum(column) for column in list(zip(*losses, strict=True))[1:] or ((), ()))
        value = total / tokens if status == "ok" else None
        result = {"status": status, "test_log_perplexity": value, "target_tokens": tokens or None}

        def write(job) -> None:
            (job.out / "result.json").write_text(json.dumps(result))
            with (job.out / "examples.csv").open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["test_set", "index", "negative_log_likelihood", "target_tokens"])
                rows.writerows([one[0], i, *one[1:]] for i, one in enumerate(losses))

        return self.add("loss", name, {"model": (model,)}, write)

    def gather(self, points: list[Point], losses: list[str], bootstrap: int = 20):
        """Run the program; its last line says whether it imported torch."""
        made = self.add("points", "p", {}, lambda job: write_points(job.out / "points.csv", points))
        inputs = {"points": (made,), "losses": tuple(losses)}
        self.recipe = Recipe("later_points", 1, {"bootstrap": bootstrap}, inputs)
        file = self.folder / "recipe.json"
        file.write_text(json.dumps({"label": "", "recipe": self.recipe.to_dict()}))
        code = (
            f"import runpy, sys; sys.argv = ['later_points.py', {str(file)!r}, '--store', "
            f"{str(self.store.root)!r}]\n"
            f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
            "print('torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.splitlines()[-1] == "False"

    def file(self, name: str) -> Path:
        return self.store.open(self.recipe.reference).file(name)

    def scores(self) -> list[dict[str, str]]:
        with self.file("scores.csv").open() as lines:
            return list(csv.DictReader(lines))


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def point(study, name: str, **changes) -> Point:
    values = {
        "study": "made-up",
        "task": "help",
        "family": "en-de",
        "method": "fmt",
        "nominal_size": 1000,
        "model_parameters": 1100,
        "non_embedding_parameters": 900,
        "pretraining_tokens": 5000,
        "finetuning_examples": 32,
        "dev_log_perplexity": 2.5,
        "test_log_perplexity": 2.25,
        "target_tokens": 77,
        "digest": study.run(name).split("/")[1],
    }
    return Point(**values | changes)


def model(point: Point) -> str:
    return f"finetune/{point.digest}"


LOSSES = [("a", 12.0, 4), ("a", 30.0, 5), ("a", 5.0, 5), ("b", 1.0, 1), ("b", 3.0, 9)]


def test_points_have_the_loss_of_the_later_sets_and_else_stay_as_they_are(study):
    points = [point(study, "one", split="held-out"), point(study, "two", seed=1)]
    losses = [study.loss("one", model(points[0]), LOSSES)]
    losses.append(study.loss("two", model(points[1]), LOSSES[:2]))
    study.gather(points, losses)
    assert read_points(study.file("points.csv")) == [
        replace(points[0], test_log_perplexity=51 / 24, target_tokens=24),
        replace(points[1], test_log_perplexity=42 / 9, target_tokens=9),
    ]
    for row, one, loss in zip(study.scores(), points, losses, strict=True):
        assert {name: row[name] for name in LABELS} == {
            name: "" if getattr(one, name) is None else str(getattr(one, name)) for name in LABELS
        }
        assert (row["status"], row["baseline"]) == ("ok", "False")
        assert row["digest"] == loss.split("/")[1]
    first, second = study.scores()
    assert (first["examples"], first["target_tokens"], second["examples"]) == ("5", "24", "2")
    assert float(first["log_perplexity"]) == 51 / 24


def test_the_interval_resamples_the_examples_of_each_test_set(study):
    one = point(study, "one")
    study.gather([one], [study.loss("one", model(one), LOSSES)], bootstrap=300)
    (row,) = study.scores()
    a, b = draws(3, 300, "a").astype(float), draws(2, 300, "b").astype(float)
    total = a @ [12, 30, 5] + b @ [1, 3]
    tokens = a @ [4, 5, 5] + b @ [1, 9]
    low, high = np.quantile(total / tokens, [0.025, 0.975])
    found = float(row["log_perplexity_low"]), float(row["log_perplexity_high"])
    assert found == pytest.approx((low, high))
    assert low < float(row["log_perplexity"]) < high


def test_without_resamples_there_is_no_interval(study):
    one = point(study, "one")
    study.gather([one], [study.loss("one", model(one), LOSSES)], bootstrap=0)
    (row,) = study.scores()
    assert (row["log_perplexity_low"], row["log_perplexity_high"]) == ("", "")


def test_diverged_runs_are_rows_without_numbers(study):
    nothing = {"dev_log_perplexity": None, "test_log_perplexity": None, "target_tokens": None}
    points = [
        point(study, "ok"),
        point(study, "diverged", seed=1, status="diverged", **nothing),
        point(study, "base", seed=2, status="base diverged", **nothing),
    ]
    losses = [study.loss("ok", model(points[0]), LOSSES)]
    losses += [study.loss(one.status, model(one), status=one.status) for one in points[1:]]
    study.gather(points, losses)
    assert read_points(study.file("points.csv"))[1:] == points[1:]
    for row, one in zip(study.scores()[1:], points[1:], strict=True):
        assert (row["status"], row["examples"], row["log_perplexity"]) == (one.status, "0", "")


def test_laws_are_fitted_to_the_later_test_set(study):
    """Of a law that the losses follow, `finescale fit` finds the parameters."""
    sizes, amounts = (1000, 4000, 16000, 64000), (32, 128, 512, 2048)
    law = {"A": 20.0, "alpha": 0.3, "beta": 0.15, "E": 1.2}
    points, losses = [], []
    for size in sizes:
        for amount in amounts:
            name = f"{size} {amount}"
            counts = {"nominal_size": size, "finetuning_examples": amount}
            one = point(study, name, model_parameters=None, non_embedding_parameters=None, **counts)
            value = law["A"] / (size ** law["alpha"] * amount ** law["beta"]) + law["E"]
            points.append(one)
            losses.append(study.loss(name, model(one), [("a", 7 * value, 7), ("a", value, 1)]))
    study.gather(points, losses)
    program = Path(sys.executable).with_name("finescale")
    command = [program, "fit", study.file("points.csv"), "--json", "--resamples", "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = [
        one["fit"]["parameters"]
        for one in json.loads(done.stdout)["laws"]
        if (one["form"], one["factor"]) == ("multiplicative", "llm_model_size")
    ]
    assert found == pytest.approx(law, rel=1e-2)


def test_the_order_of_runs_is_checked(study):
    """A loss beside the row of another run would be a wrong table."""
    points = [point(study, "one"), point(study, "two", seed=1)]
    losses = [study.loss(one.digest, model(one), LOSSES) for one in reversed(points)]
    with pytest.raises(AssertionError, match="AssertionError"):
        study.gather(points, losses)


def test_examples_are_read_by_their_test_sets(tmp_path):
    file = tmp_path / "examples.csv"
    rows = [
        "test_set,index,negative_log_likelihood,target_tokens",
        "b,0,1.5,3",
        "a,0,2,4",
        "b,9,3,1",
    ]
    file.write_text("\n".join(rows) + "\n")
    found = ExampleLosses.read(file)
    assert {name: losses.tolist() for name, losses in found.sets.items()} == {
        "b": [[1.5, 3.0], [3.0, 1.0]],
        "a": [[2.0, 4.0]],
    }
    assert len(found) == 3
