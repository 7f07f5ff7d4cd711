"""Which earlier run a pretraining goes on from."""

import importlib.util
from pathlib import Path

import pytest

from finescale.store import Job, Recipe, Store, make_artifact
from finescale.training.state import STATE_FILE

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "pretrain.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("pretrain_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recipe(tokens, seed=0, stream="a"):
    parameters = {"tokens": tokens, "schedule_tokens": 100, "seed": seed}
    return Recipe("pretrain", 1, parameters, {"tokens": (f"tokens/{stream}",)})


@pytest.fixture
def store(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    monkeypatch.setattr(Store, "open", lambda self, reference: None)  # inputs are not read here
    monkeypatch.setattr(Job, "opened", [])

    def write_state(job):
        if job.recipe.parameters["tokens"] != 60:  # as if that one had diverged
            (job.out / STATE_FILE).write_text(str(job.recipe.parameters))

    for each in (recipe(20), recipe(40), recipe(60), recipe(80), recipe(50, 1), recipe(50, 0, "b")):
        make_artifact(store, each, write_state)
    return store


def test_the_longest_shorter_run_of_the_same_trajectory(script, store, tmp_path):
    def found(wanted):
        path = script.predecessor(Job(store, wanted, tmp_path, tmp_path))
        return path and path.read_text()

    assert found(recipe(70)) == str(recipe(40).parameters)
    assert found(recipe(100)) == str(recipe(80).parameters)
    assert found(recipe(40)) == str(recipe(20).parameters)
    assert found(recipe(20)) is None
    assert found(recipe(100, seed=2)) is None
