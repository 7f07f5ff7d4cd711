"""A job that is killed or interrupted before any of its file operations."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "programs" / "interrupted.py"


@pytest.mark.slow
@pytest.mark.parametrize("before", ["nothing", "corrupted"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_whole_artifacts_or_nothing_wherever_a_job_is_struck(tmp_path, how, before):
    command = [sys.executable, PROGRAM, tmp_path / "store", str(int(how)), before]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    strikes = int(done.stdout.splitlines()[-1].removeprefix("strikes: "))
    assert strikes > 30
