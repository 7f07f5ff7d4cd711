"""How a program finds out what it runs on and with whom."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.errors import UserError
from finescale.launch import ALONE, OPTIONS, Hardware, Place, add_options

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
SRUN = {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "6", "SLURM_LOCALID": "2"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Place(0, 1, 0)),
        (TORCHRUN, Place(3, 8, 1)),
        (SRUN, Place(5, 6, 2)),
        (SRUN | TORCHRUN, Place(3, 8, 1)),  # torchrun inside a step
        # a batch script with four tasks to give away is one process
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"}, Place(0, 1, 0)),
    ],
)
def test_the_place_is_what_torchrun_or_srun_says(environment, expected):
    assert Place.of(environment) == expected


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK"])
def test_half_an_environment_is_refused(name):
    with pytest.raises(UserError, match="RANK, WORLD_SIZE, LOCAL_RANK"):
        Place.of({key: value for key, value in TORCHRUN.items() if key != name})


def test_one_process_agrees_with_itself():
    assert ALONE.leads
    assert ALONE.decide(lambda: "word") == "word"
    assert ALONE.gather([1, 2.5]) == [[1, 2.5]]
    assert ALONE.total(0.1) == 0.1


def parsed(*arguments, options=OPTIONS):
    parser = argparse.ArgumentParser()
    add_options(parser, options)
    return Hardware.of(parser.parse_args(arguments))


def test_hardware_is_what_the_command_line_says():
    assert parsed() == parsed(options=["accelerator"]) == Hardware()
    given = ["--accelerator", "gpu", "--strategy", "fsdp", "--activation-checkpointing"]
    given += ["--attention", "eager", "--micro-batch-tokens", "4096"]
    assert parsed(*given) == Hardware("gpu", "fsdp", True, "eager", 4096)
    assert parsed("--workers", "3", options=["workers"]) == Hardware(workers=3)


@pytest.mark.parametrize(
    "wrong", [["--micro-batch-tokens", "0"], ["--accelerator", "tpu"], ["--workers", "0"]]
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(SystemExit):
        parsed(*wrong)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_program_that_asks_for_a_gpu_and_sees_none_ends_at_once(stage):
    done = subprocess.run(
        [sys.executable, SCRIPTS / f"{stage}.py", "recipe.json", "--accelerator", "gpu"],
        env={"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: --accelerator gpu: ")
    assert "shows no CUDA device to this process" in message
