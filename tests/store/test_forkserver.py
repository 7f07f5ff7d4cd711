"""A program run through the fork server is the same program: arguments, output, status, end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finescale.store import forkserver

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from finescale.store.forkserver import run_forked

if (status := run_forked(["json.tool"])) is not None:
    sys.exit(status)
Path("ran").write_text(f"{os.getpid()} {'json.tool' in sys.modules} {os.environ['WORD']}")
def note(number, frame):
    Path("heard").write_text(str(number))
    sys.exit(75)

if sys.argv[1] == "listen":
    signal.signal(signal.SIGUSR1, note)
try:
    print("out", *sys.argv[1:], flush=True)
    if sys.argv[1] in ("sleep", "listen"):
        time.sleep(60)
except KeyboardInterrupt:
    Path("cleaned").touch()
    raise
print("err", file=sys.stderr)
if sys.argv[1] == "break":
    raise ValueError("broken")
sys.exit({"message": "error: a message", "three": 3}.get(sys.argv[1]))
"""


@pytest.fixture
def program(tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAM)

    def start(word: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "program.py", word],
            cwd=tmp_path,
            env={**os.environ, "WORD": word, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv(forkserver.SOCKET_VARIABLE, raising=False)
    forkserver.start()
    process = forkserver._servers.pop()
    path = Path(os.environ[forkserver.SOCKET_VARIABLE])
    wait_for(path.exists)
    yield process
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    assert not path.parent.exists()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in 20 seconds"
        time.sleep(0.02)


def outcome(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("word", ["fine", "message", "three", "break"])
def test_status_output_and_messages_are_the_programs_own(program, server, tmp_path, word):
    status, out, err = outcome(program(word))
    assert (tmp_path / "ran").read_text().split()[1:] == ["True", word]
    alone = outcome(program(word, FINESCALE_FORKSERVER="/nowhere"))
    assert (tmp_path / "ran").read_text().split()[1:] == ["False", word]
    assert (status, out) == alone[:2]
    assert err.splitlines()[0] == alone[2].splitlines()[0] == "err"
    assert err.splitlines()[-1] == alone[2].splitlines()[-1]


def test_programs_run_side_by_side_in_processes_of_their_own(program, server, tmp_path):
    running = [program("fine") for _ in range(4)]
    assert [outcome(process)[0] for process in running] == [0] * 4
    assert int((tmp_path / "ran").read_text().split()[0]) not in {p.pid for p in running}


def test_a_schedulers_job_stays_in_its_own_process(program, server, tmp_path):
    process = program("fine", SLURM_JOB_ID="7")
    assert outcome(process)[0] == 0
    assert int((tmp_path / "ran").read_text().split()[0]) == process.pid


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_program_stops_with_its_caller_and_cleans_up(program, server, tmp_path, how):
    process = program("sleep")
    assert process.stdout.readline() == "out sleep\n"
    process.send_signal(how)
    wait_for((tmp_path / "cleaned").exists)
    outcome(process)
    child = int((tmp_path / "ran").read_text().split()[0])
    wait_for(lambda: not Path(f"/proc/{child}").exists())


def test_a_program_gets_the_signals_that_it_handles(program, server, tmp_path):
    process = program("listen")
    assert process.stdout.readline() == "out listen\n"
    process.send_signal(signal.SIGUSR1)
    assert outcome(process)[0] == 75
    assert (tmp_path / "heard").read_text() == str(int(signal.SIGUSR1))
    assert not (tmp_path / "cleaned").exists()


def test_a_killed_program_is_reported_as_killed(program, server, tmp_path):
    process = program("sleep")
    assert process.stdout.readline() == "out sleep\n"
    os.kill(int((tmp_path / "ran").read_text().split()[0]), signal.SIGKILL)
    assert outcome(process)[0] == 137
