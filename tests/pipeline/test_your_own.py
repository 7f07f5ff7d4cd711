"""The example of docs/your-own.md, as it stands there: own data, and base models made elsewhere."""

import csv
import re
import shutil
import subprocess
import sys

import pytest

from tests.pipeline.conftest import ROOT, Checkout

PAGE = ROOT / "docs" / "your-own.md"
FILE = re.compile(r"^`([^`]+)`\n\n```\w+\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A checkout with the files of the page, locked, and the run of its study."""
    checkout = Checkout(tmp_path_factory.mktemp("own") / "checkout")
    for name, content in FILE.findall(PAGE.read_text(encoding="utf-8")):
        (checkout.folder / name).write_text(content, encoding="utf-8")
    subprocess.run([sys.executable, "example.py"], cwd=checkout.folder, check=True)
    locked = checkout.finescale("sources", "--config", "config/my.yaml", "--lock")
    assert locked.returncode == 0, locked.stderr
    return checkout


@pytest.fixture(scope="module")
def run(own):
    return own.snakemake(config="my")


def points(own):
    with (own.folder / "results/my/points.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_page_s_study_runs_to_its_report(own, run):
    assert run.status == 0, run.log
    assert run.finished["checkpoint"] == 3
    assert run.finished["pretrain"] == 0
    report = (own.folder / "results/my/report.html").read_text(encoding="utf-8")
    assert "base models of family toy are not trained here" in report
    own.assert_sound()
    assert own.snakemake(config="my").nothing_done


def test_checkpoints_are_pretraining_sizes_and_their_weights_are_counted(own, run):
    rows = points(own)
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["method"] for row in rows} == {"fmt", "lora", "prompt"}
    seen = {(row["nominal_size"], row["pretraining_tokens"]) for row in rows}
    assert seen == {("30000", "1000000"), ("30000", "2000000"), ("80000", "2000000")}
    counted = {row["nominal_size"]: int(row["model_parameters"]) for row in rows}
    for name, (width, nominal) in {"small": (32, "30000"), "large": (64, "80000")}.items():
        layer = 4 * width**2 + 4 * width + 2 * 2 * width**2 + 3 * width + 4 * width
        assert counted[nominal] == 2 * 320 * width + 2 * layer + 2 * width, name


def test_its_cost_is_estimated_without_dimensions(own):
    cost = own.finescale("--store", "nowhere", "cost", "config/my.yaml")
    assert cost.returncode == 0, cost.stderr
    assert "usual ones of the nominal" in " ".join(cost.stdout.split())


def test_other_bytes_than_locked_stop_the_run(own, tmp_path):
    other = Checkout(tmp_path / "other")
    for name in ("my.yaml", "my.sources.yaml", "sources.lock.json"):
        shutil.copy(own.folder / "config" / name, other.folder / "config" / name)
    shutil.copytree(own.folder / "mine", other.folder / "mine")
    weights = other.folder / "mine/large/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    stopped = other.snakemake("--until", "source", config="my")
    assert stopped.status != 0
    said = "".join(path.read_text() for path in other.folder.glob("results/logs/source/*.log"))
    assert "mine/large/model.safetensors" in said
    assert "SHA-256" in said
    assert not list(other.store.artifacts("checkpoint"))


def test_without_a_lock_the_command_is_named(own, tmp_path):
    other = Checkout(tmp_path / "other")
    for name in ("my.yaml", "my.sources.yaml"):
        shutil.copy(own.folder / "config" / name, other.folder / "config" / name)
    planned = other.snakemake("-n", config="my")
    assert planned.status == 0, planned.log
    refused = other.snakemake(config="my")
    assert refused.status != 0
    assert "finescale sources" in refused.log
    assert "--lock" in refused.log
