"""Two processes, sharing the data or the model too, end where one process ends."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from finescale.launch import Hardware
from finescale.training.state import STATE_FILE

CASES = Path(__file__).with_name("cases.py")
spec = importlib.util.spec_from_file_location("cases", CASES)
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

WAYS = ["ddp", "fsdp", "ddp-small", "fsdp-small"]
FINETUNINGS = [
    f"{method}{precision}" for method in cases.tiny.METHODS for precision in ("", "-bf16")
]


@pytest.fixture(scope="module")
def one(base, tmp_path_factory) -> Path:
    """What one process makes of each case."""
    out = tmp_path_factory.mktemp("one")
    cases.run(out, base, Hardware())
    return out


@pytest.fixture(scope="module")
def two(one, base, tmp_path_factory) -> Path:
    """What two processes make of them, each way."""
    out = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, CASES, out, base, one / "short"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return out


def numbers(value, path=""):
    """Every value of nested JSON by its path."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from numbers(item, f"{path}/{key}")
    else:
        yield path, value


def assert_same_end(found: Path, expected: Path, tolerance: float = 3e-5) -> None:
    """The same files, the same counts and steps, and all that is computed nearly so."""
    names = sorted(path.relative_to(expected) for path in expected.rglob("*.*"))
    assert sorted(path.relative_to(found) for path in found.rglob("*.*")) == names
    results = [json.loads((folder / "result.json").read_text()) for folder in (found, expected)]
    a, b = (dict(numbers(result)) for result in results)
    assert a.keys() == b.keys()
    for path, value in b.items():
        if isinstance(value, float):
            assert a[path] == pytest.approx(value, rel=tolerance), path
        else:
            assert a[path] == value, path
    for name in names:
        if name.suffix == ".safetensors":
            x, y = load_file(found / name), load_file(expected / name)
            assert x.keys() == y.keys()
            for key in y:
                np.testing.assert_allclose(x[key], y[key], atol=3 * tolerance, err_msg=key)
        elif name.name != "result.json":
            assert (found / name).read_bytes() == (expected / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", cases.PRETRAININGS)
def test_pretraining(one, two, name, way):
    tolerance = 0.01 if name == "bf16" else 3e-5
    assert_same_end(two / way / name, one / name, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FINETUNINGS)
def test_finetuning(one, two, name, way):
    tolerance = 0.02 if name.endswith("bf16") else 3e-5
    assert_same_end(two / way / name, one / name, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_two_processes_go_on_from_the_state_of_one(one, two, way):
    assert_same_end(two / way / "long", one / "base")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_one_process_goes_on_from_the_state_of_two(one, two, way, tiny, tmp_path):
    predecessor = two / way / "short" / STATE_FILE
    tiny.pretrain_tiny(tmp_path / "long", tmp_path / "r", predecessor=predecessor)
    assert_same_end(tmp_path / "long", one / "base")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", cases.tiny.METHODS)
def test_the_best_weights_in_a_state_of_two_are_whole(one, two, base, way, method, tiny, tmp_path):
    """A finished run's state holds all that one process needs to measure and to publish it."""
    settings = {**tiny.METHODS[method], "data": cases.seventeen()}
    tiny.finetune_tiny(base, tmp_path / "out", two / way / "resume" / method, **settings)
    assert_same_end(tmp_path / "out", two / way / method, 1e-6)


@pytest.mark.parametrize(
    "hardware",
    [
        Hardware(micro_batch_tokens=33),
        Hardware(activation_checkpointing=True),
        Hardware(attention="eager"),
    ],
)
def test_one_process_on_other_hardware(one, base, hardware, tiny, tmp_path):
    on = {"on": (hardware,)}
    tiny.pretrain_tiny(tmp_path / "base", tmp_path / "r", **on)
    assert_same_end(tmp_path / "base", one / "base")
    for method, changes in tiny.METHODS.items():
        out, resume = tmp_path / method, tmp_path / f"r{method}"
        tiny.finetune_tiny(base, out, resume, data=cases.seventeen(), **changes, **on)
        assert_same_end(out, one / method)
