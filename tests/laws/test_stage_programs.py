"""The stage programs of points and fits, as the pipeline calls them."""

import csv
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from finescale.laws import TaskFit, fit_task, read_points, write_points

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def program(name):
    spec = importlib.util.spec_from_file_location(f"stage_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeJob(SimpleNamespace):
    """Stands for finescale.store.Job: inputs are folders of plain files."""

    def inputs(self, role):
        return [
            SimpleNamespace(
                file=lambda name, folder=folder: folder / name,
                recipe=SimpleNamespace(digest=folder.name),
            )
            for folder in self.roles[role]
        ]

    def input(self, role):
        (artifact,) = self.inputs(role)
        return artifact


def run_folder(tmp_path, name, **result):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_points_lists_every_run_and_counts_those_that_failed(tmp_path, capsys):
    counts = {"model_parameters": 120, "non_embedding_parameters": 60}
    measured = {"dev_log_perplexity": 2.1, "test_log_perplexity": 2.2, "target_tokens": 99}
    runs = [
        run_folder(tmp_path, "a1", status="ok", reason=None, **counts, **measured),
        run_folder(tmp_path, "b2", status="diverged", dev_log_perplexity=9.9, **counts),
        run_folder(tmp_path, "c3", status="base diverged"),
    ]
    labels = {
        "size": "XS",
        "nominal_size": 100,
        "pretraining_tokens": 1000,
        "method": "fmt",
        "pet_parameter_size": None,
        "finetuning_examples": 32,
        "split": "fit",
    }
    parameters = {"study": "s", "task": "t", "family": "f"}
    parameters["rows"] = [labels | {"seed": seed} for seed in range(3)]
    program("points").make(FakeJob(parameters=parameters, roles={"runs": runs}, out=tmp_path))
    rows = read_points(tmp_path / "points.csv")
    assert [(row.digest, row.seed, row.status) for row in rows] == [
        ("a1", 0, "ok"),
        ("b2", 1, "diverged"),
        ("c3", 2, "base diverged"),
    ]
    assert [row.test_log_perplexity for row in rows] == [2.2, None, None]
    assert [row.dev_log_perplexity for row in rows] == [2.1, None, None]
    assert [row.model_parameters for row in rows] == [120, 120, None]
    assert "3 runs: 1 ok, 1 diverged, 1 base diverged" in capsys.readouterr().out


def test_joined_points_keeps_the_order_of_the_tasks(grids, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    tables = [[grids.point(seed=1)], [grids.point(seed=2), grids.point(seed=3)]]
    for folder, table in zip(folders, tables, strict=True):
        folder.mkdir()
        write_points(folder / "points.csv", table)
    program("joined_points").make(FakeJob(parameters={}, roles={"points": folders}, out=tmp_path))
    assert read_points(tmp_path / "points.csv") == [*tables[0], *tables[1]]


def fit_parameters(grids):
    """Those of a fit recipe, as `finescale.study` plans them."""
    settings = grids.SETTINGS
    names = ("task", "title", "model_size_as", "resamples")
    parameters = {name: getattr(settings, name) for name in names}
    base = json.loads(json.dumps(vars(settings.base)))
    return parameters | {"huber_delta": settings.objective.huber_delta, "base": base}


def run_fit(folder, grids, points):
    write_points(folder / "points.csv", points)
    job = FakeJob(parameters=fit_parameters(grids), roles={"points": [folder]}, out=folder)
    program("fit").make(job)
    return TaskFit.load(folder / "fit.json", folder / "resamples.npz")


def test_fit_writes_the_laws_and_names_those_not_identified(grids, tmp_path, capsys):
    points = [grids.point(), grids.point(finetuning_examples=200)]
    fit = run_fit(tmp_path, grids, points)
    assert fit.settings == grids.SETTINGS
    assert fit.counts["ok"] == 2
    assert "not identified: fmt, multiplicative, llm_model_size" in capsys.readouterr().out


def test_fit_writes_what_the_figures_draw(grids, tmp_path):
    points = grids.grid("fmt", lambda factor, x, examples: loss_of(grids, factor, x, examples))
    fit = run_fit(tmp_path, grids, points)
    law = fit.law("fmt", "multiplicative", "llm_model_size")
    expected = fit_task(points, grids.SETTINGS).law("fmt", "multiplicative", "llm_model_size")
    assert law.fit == expected.fit
    assert law.intervals() == expected.intervals()
    folder = tmp_path / "drawn"
    folder.mkdir()
    roles = {"fits": [tmp_path], "points": [tmp_path]}
    job = FakeJob(
        parameters={"name": "figure2"},
        roles=roles,
        recipe=SimpleNamespace(inputs=roles),
        out=folder,
    )
    program("figure").make(job)
    job.parameters = {"name": "table2"}
    program("table").make(job)
    assert {path.name for path in folder.iterdir()} == {
        f"{stem}.{suffix}"
        for stem in ("figure", "table")
        for suffix in ("pdf", "png", "svg", "csv")
    }
    with open(folder / "table.csv", newline="") as file:
        errors = [row["mean_absolute_deviation"] for row in csv.DictReader(file)]
    assert str(law.deviation_held_out) in errors


def loss_of(grids, factor, x, examples):
    base = {"llm_model_size": 10_000, "pretraining_tokens": 800_000}[factor]
    wiggle = 0.002 * math.sin(7 * math.log(x / base) + 3 * math.log(examples))
    return (3.0 * (x / base) ** -0.3 * examples**-0.1 + 1.5) * (1 + wiggle)


def test_pretraining_law_writes_what_figure10_draws(tmp_path):
    sizes = {"XS": 1000, "S": 2000, "M": 4000, "L": 8000, "XL": 16_000}
    curve = [{"tokens": t, "log_perplexity": 3 + 9 * t**-0.3} for t in range(1000, 9000, 1000)]
    models = [
        run_folder(
            tmp_path,
            name,
            status="ok",
            model_parameters=size,
            log_perplexity=2 + 40 * size**-0.4 + 0.01 * (-1) ** number,
            curve=curve,
        )
        for number, (name, size) in enumerate(sizes.items())
    ]
    parameters = {
        "family": "en-de",
        "rows": [
            {"size": name, "nominal_size": size, "pretraining_tokens": 8000}
            for name, size in sizes.items()
        ],
        "base_size": "XS",
        "model_size_as": "total",
        "huber_delta": 1e-3,
        "resamples": 10,
        "held_out": {},
    }
    job = FakeJob(parameters=parameters, roles={"models": models}, out=tmp_path)
    program("pretraining_law").make(job)
    roles = {"laws": [tmp_path]}
    recipe = SimpleNamespace(inputs=roles)
    job = FakeJob(parameters={"name": "figure10"}, roles=roles, recipe=recipe, out=tmp_path)
    program("figure").make(job)
    with open(tmp_path / "figure.csv", newline="") as file:
        law, _ = (row for row in csv.DictReader(file) if row["record"] == "law")
    assert float(law["alpha_low"]) < float(law["alpha"]) < float(law["alpha_high"])


@pytest.mark.parametrize("package", ["finescale.laws", "finescale.figures"])
def test_laws_and_figures_do_not_import_torch(package):
    code = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
