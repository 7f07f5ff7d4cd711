"""Provenance: who made an artifact, when, with what. Never part of a hash."""

import importlib.metadata
import os
import platform
import resource
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "lightning", "transformers", "peft", "sentencepiece", "numpy", "scipy")


class Stopwatch:
    """Wall and CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._wall = time.monotonic()
        self._cpu = time.process_time()

    def provenance(self) -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "started": self.started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_seconds": round(time.monotonic() - self._wall, 2),
            "cpu_seconds": round(time.process_time() - self._cpu, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "python": platform.python_version(),
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
            "processor": processor_name(),
            "gpu": gpu_name(),
            "git_commit": git_commit(),
        }


def processor_name() -> str:
    """The processor's name as Linux gives it, else the machine type."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def gpu_name() -> str | None:
    """Name of the first GPU, if this process used torch with one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_name(0)


def git_commit() -> str | None:
    """Commit of the code that runs, with `-dirty` when the tree differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
