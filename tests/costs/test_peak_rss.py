"""Memory against what the system counts of a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.costs.architecture import Architecture, Tuned
from finescale.costs.memory import Pass, TrainingMemory
from finescale.study.hardware import TrainingHardware

PROGRAM = Path(__file__).with_name("peak_rss.py")
SIZE = {"layers": 8, "heads": 8, "head_dim": 32, "ffn_dim": 1024, "model_dim": 256}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("method", "pet_size", "precision", "checkpointing"),
    [("fmt", 0, "fp32", False), ("lora", 8, "bf16", False), ("fmt", 0, "bf16", True)],
)
def test_a_process_takes_what_is_estimated(method, pet_size, precision, checkpointing):
    answer = "yes" if checkpointing else "no"
    measured = subprocess.run(
        [sys.executable, PROGRAM, method, str(pet_size), precision, answer],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    hardware = TrainingHardware(activation_checkpointing=checkpointing)
    tuned = Tuned(Architecture(**SIZE, vocabulary=16_000), method, pet_size)
    moments = list(TrainingMemory(tuned, precision, hardware, Pass(4, 256, 512))._moments())
    # the last one is evaluation, which the program has none of
    assert max(moments[:-1]) == pytest.approx(int(measured.stdout), rel=0.1)
