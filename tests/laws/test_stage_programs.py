"""The stage programs of points and fits, as the pipeline calls them."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from finescale.laws import TaskFit, read_points, write_points

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


def test_fit_writes_the_laws_and_names_those_not_identified(grids, tmp_path, capsys):
    write_points(tmp_path / "points.csv", [grids.point(), grids.point(finetuning_examples=200)])
    parameters = json.loads(json.dumps(TaskFit(grids.SETTINGS, {}, ()).to_json()))
    program("fit").make(FakeJob(parameters=parameters, roles={"points": [tmp_path]}, out=tmp_path))
    fit = TaskFit.from_json(json.loads((tmp_path / "fit.json").read_text()))
    assert fit.counts["ok"] == 2
    assert "not identified: fmt, multiplicative, llm_model_size" in capsys.readouterr().out


@pytest.mark.parametrize("package", ["finescale.laws", "finescale.figures"])
def test_laws_and_figures_do_not_import_torch(package):
    code = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
