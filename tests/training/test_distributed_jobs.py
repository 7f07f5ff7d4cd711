"""Jobs of one or two processes that get signals, die, or find their work done."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finescale import interruption
from finescale.errors import UserError
from finescale.store import Recipe, Store
from finescale.training.distributed import meeting_point
from finescale.training.schedule import Schedule
from finescale.training.state import STATE_FILE, load_state

PROGRAM = Path(__file__).with_name("stage.py")
STEPS = 100
LOOK = f"step {STEPS // 5}/"  # the first line of progress
SECONDS = 150  # for anything here; a job that loses a process has to end within 60


class Jobs:
    """A store, and jobs that make one artifact in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.store = Store(folder / "results" / "store")
        tokens = 4 * 32 * STEPS
        self.recipe = Recipe("toy", 1, {"tokens": tokens, "schedule_tokens": tokens}, {})
        self.file = folder / "recipe.json"
        folder.mkdir(exist_ok=True)
        self.file.write_text(json.dumps({"label": "", "recipe": self.recipe.to_dict()}))

    def start(self, ranks: int, *options: str) -> list[subprocess.Popen]:
        """As srun starts them: a process for each task of a step."""
        command = [sys.executable, PROGRAM, self.file, "--store", self.store.root, *options]
        step = {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SLURM_STEP_NUM_TASKS": str(ranks),
            "SLURM_STEP_NODELIST": "localhost",
            "SLURM_JOB_ID": str(os.getpid() * 1000 + time.time_ns() % 1000),
            "SLURM_STEP_ID": "0",
        }
        return [
            subprocess.Popen(
                command,
                env={**os.environ, **step, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(ranks)
        ]

    def run(self, ranks: int, *options: str) -> list[tuple[int, str]]:
        return ends(self.start(ranks, *options))

    @property
    def artifact(self) -> Path:
        return self.store.folder(self.recipe.reference)

    @property
    def state(self) -> Path:
        return self.folder / "results" / "resume" / self.recipe.digest[:20] / STATE_FILE


def ends(processes: list[subprocess.Popen]) -> list[tuple[int, str]]:
    """Exit status and messages of each."""
    deadline = time.monotonic() + SECONDS
    found = []
    for process in processes:
        messages = process.communicate(timeout=deadline - time.monotonic())[1]
        found.append((process.returncode, messages))
    return found


def wait_for(process: subprocess.Popen, start: str) -> None:
    line = next((line for line in process.stderr if line.startswith(start)), None)
    assert line, "the program ended before"


def files(folder: Path) -> dict[Path, bytes]:
    """All but the manifests, which say when and where."""
    found = (path for path in folder.rglob("*.*") if not path.name.startswith("artifact"))
    return {path.relative_to(folder): path.read_bytes() for path in found}


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "strategy"), [(1, "ddp"), (2, "ddp"), (2, "fsdp")])
def test_a_signal_saves_the_state_and_the_next_job_ends_with_the_same_bytes(
    ranks, strategy, tmp_path
):
    whole, jobs = Jobs(tmp_path / "whole"), Jobs(tmp_path / "jobs")
    assert [status for status, _ in whole.run(ranks, "--strategy", strategy)] == [0] * ranks

    processes = jobs.start(ranks, "--strategy", strategy)
    wait_for(processes[0], LOOK)
    processes[-1].send_signal(signal.SIGUSR1)  # to one alone: the others hear of it
    found = ends(processes)
    assert [status for status, _ in found] == [os.EX_TEMPFAIL] * ranks
    saved = load_state(jobs.state)[0].step
    assert STEPS // 5 <= saved < STEPS
    said = f"interrupted by SIGUSR1 at step {saved}: state saved in {jobs.state}\n"
    assert [messages.count(said) for _, messages in found] == [1] + [0] * (ranks - 1)
    assert not jobs.artifact.exists()
    assert list(jobs.store.root.rglob(".tmp-*")) == []

    found = jobs.run(ranks, "--strategy", strategy)
    assert [status for status, _ in found] == [0] * ranks
    first = next(line for line in found[0][1].splitlines() if line.startswith("step"))
    assert int(first.split()[1].split("/")[0]) > saved
    assert files(jobs.artifact) == files(whole.artifact)
    assert not jobs.state.exists()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_job(tmp_path, killed):
    jobs = Jobs(tmp_path)
    processes = jobs.start(2)
    wait_for(processes[0], LOOK)
    processes[killed].kill()
    killed_at = time.monotonic()
    found = ends(processes)
    assert time.monotonic() - killed_at < 60
    assert found[killed][0] == -signal.SIGKILL
    assert found[1 - killed][0] == 1
    assert "because another one of this job is gone" in found[1 - killed][1]
    assert "Traceback" not in found[1 - killed][1]
    assert not jobs.artifact.exists()
    assert load_state(jobs.state)[0].step >= STEPS // 5 - 1
    if killed:
        assert jobs.run(1)[0][0] == 0  # goes on alone
        assert jobs.run(2) == [(0, "")] * 2  # nothing left to do for either


@pytest.mark.slow
def test_a_mistake_is_one_message_and_ends_all(tmp_path):
    jobs = Jobs(tmp_path)
    jobs.file.unlink()
    (leading, other) = jobs.run(2)
    assert (leading[0], other[0]) == (1, 1)
    assert f"error: {jobs.file}: no such recipe" in leading[1]
    assert "recipe" not in other[1]
    assert "Traceback" not in leading[1] + other[1]


STEP = {"SLURM_STEP_NODELIST": "node[07-09],other3", "SLURM_JOB_ID": "1", "SLURM_STEP_ID": "2"}


def test_processes_meet_where_torchrun_says_or_on_the_first_host_of_a_step():
    assert meeting_point(STEP) == "tcp://node07:15063"
    assert meeting_point({**STEP, "SLURM_STEP_ID": "3"}) == "tcp://node07:15064"
    assert meeting_point({**STEP, "MASTER_ADDR": "host", "MASTER_PORT": "29500"}) == "env://"
    with pytest.raises(UserError, match="start them with torchrun or srun"):
        meeting_point({"MASTER_ADDR": "host"})


@pytest.fixture
def watching(monkeypatch):
    """Heed signals in this process for the time of a test."""
    before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    monkeypatch.setattr(interruption, "_received", 0)
    monkeypatch.setattr(interruption, "_training", False)
    interruption.watch()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_before_training_a_signal_stops_at_once(watching, capfd):
    with pytest.raises(SystemExit) as leaving:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert leaving.value.code == os.EX_TEMPFAIL
    assert capfd.readouterr().err == "interrupted by SIGTERM before training: nothing is lost\n"


def test_after_training_a_signal_loses_nothing_and_the_job_ends(
    watching, tiny, base, tmp_path, monkeypatch
):
    def measure(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    module = importlib.import_module("finescale.training.finetune")
    original = module._test
    tiny.finetune_tiny(base, tmp_path / "a", tmp_path / "ra")
    monkeypatch.setattr(module, "_test", measure)
    tiny.finetune_tiny(base, tmp_path / "b", tmp_path / "rb")
    assert interruption.received() == signal.SIGTERM
    assert files(tmp_path / "b") == files(tmp_path / "a")


def test_in_the_last_step_a_signal_saves_the_state_before_the_rest(
    watching, tiny, base, tmp_path, monkeypatch
):
    def rate(schedule, step):
        if step == 11:
            os.kill(os.getpid(), signal.SIGTERM)
        return 0.01

    monkeypatch.setattr(Schedule, "rate", rate)
    result = tiny.finetune_tiny(base, tmp_path / "a", tmp_path / "r")
    assert result["test_log_perplexity"] > 0
    assert load_state(tmp_path / "r" / STATE_FILE)[0].step == result["steps"] == 12
