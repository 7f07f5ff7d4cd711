"""Wall seconds, CPU seconds and peak memory of a command, as the operating system accounts them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))


@dataclass(frozen=True)
class Usage:
    """What one command took, with the processes that it waited for."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    output: str

    def __str__(self) -> str:
        return (
            f"{self.wall_seconds:6.2f} s wall  {self.cpu_seconds:6.2f} s CPU  "
            f"{self.peak_memory_mb:5.0f} MB"
        )


def measure(command: Sequence[str], folder: Path = ROOT, **environment: str) -> Usage:
    """Run a command to its end. CalledProcessError, with its output, when it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command, output)
    wall = time.monotonic() - started
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, output)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}
