"""A training that is killed and started again ends with the bytes of one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.training import module, state
from finescale.training.state import STATE_FILE, is_whole, load_state

LONG = {"tokens": 4 * 32 * 200, "schedule_tokens": 4 * 32 * 200}


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


def kill_after(line_start, *arguments):
    """Start tiny.py, and kill -9 it when it reports a line that starts so."""
    program = Path(__file__).with_name("tiny.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(
        [sys.executable, program, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    for line in process.stderr:
        if line.startswith(line_start):
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()


def first_step(log: str) -> int:
    """The first step that a training reports."""
    line = next(line for line in log.splitlines() if line.startswith("step"))
    return int(line.split()[1].split("/")[0])


def test_killed_pretraining(tiny, tmp_path, capsys):
    whole, out, resume = tmp_path / "whole", tmp_path / "out", tmp_path / "resume"
    out.mkdir()
    resume.mkdir()
    kill_after("step 40/", "pretrain", out, resume)
    saved, _, _ = load_state(resume / STATE_FILE)
    assert 39 <= saved.step < 200
    assert not list(out.iterdir())
    tiny.pretrain_tiny(out, resume, **LONG)
    assert first_step(capsys.readouterr().err) > saved.step
    tiny.pretrain_tiny(whole, tmp_path / "other", **LONG)
    assert files(out) == files(whole)


def test_killed_finetuning(tiny, base, tmp_path, capsys):
    whole, out, resume = tmp_path / "whole", tmp_path / "out", tmp_path / "resume"
    out.mkdir()
    resume.mkdir()
    kill_after("step 21/", "finetune", out, resume, base)
    saved, weights, _ = load_state(resume / STATE_FILE)
    assert 20 <= saved.step < 150
    assert saved.best.weights.keys() == weights.keys()
    assert all("lora_" in name for name in weights)  # the frozen model is not saved again
    tiny.finetune_tiny(base, out, resume, max_steps=150)
    assert first_step(capsys.readouterr().err) > saved.step
    tiny.finetune_tiny(base, whole, tmp_path / "other", max_steps=150)
    assert files(out) == files(whole)


@pytest.mark.parametrize("stop", [1, 3, 4, 5])
def test_any_state_leads_to_the_same_end(tiny, base, tmp_path, monkeypatch, stop):
    """Stopped after any number of steps, patience and best weights included."""

    class Stopped(Exception):
        pass

    def save_and_stop(path, progress, *arguments):
        original(path, progress, *arguments)
        if progress.step == stop:
            raise Stopped

    # the loss curve averages over two steps: some stops are in the middle of a pair
    monkeypatch.setattr(module, "LOSS_CURVE_POINTS", 6)
    dev = {**tiny.FINETUNING["dev"], "interval": 1, "patience": 3}
    changes = {**tiny.METHODS["fmt"], "learning_rate": 0.03, "dev": dev}
    tiny.finetune_tiny(base, tmp_path / "whole", tmp_path / "other", **changes)
    original = module.save_state
    monkeypatch.setattr(module, "save_state", save_and_stop)
    with pytest.raises(Stopped):
        tiny.finetune_tiny(base, tmp_path / "out", tmp_path / "r", seconds=0, **changes)
    monkeypatch.setattr(module, "save_state", original)
    tiny.finetune_tiny(base, tmp_path / "out", tmp_path / "r", seconds=0, **changes)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_finished_run_that_was_not_published_is_not_trained_again(tiny, tmp_path, capsys):
    first, second, resume = tmp_path / "a", tmp_path / "b", tmp_path / "resume"
    tiny.pretrain_tiny(first, resume, seconds=0, tokens=4 * 32 * 10)
    capsys.readouterr()
    tiny.pretrain_tiny(second, resume, tokens=4 * 32 * 10)
    assert capsys.readouterr().err == ""
    assert files(first) == files(second)  # the state for a longer run too


def test_a_save_cut_short_leaves_the_state_before_it(tiny, tmp_path, monkeypatch):
    def half(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("no space left")

    resume = tmp_path / "resume"
    tiny.pretrain_tiny(tmp_path / "a", resume, seconds=0, tokens=4 * 32 * 5)
    before = (resume / STATE_FILE).read_bytes()
    monkeypatch.setattr(state, "save_file", half)
    with pytest.raises(OSError, match="no space"):
        tiny.pretrain_tiny(tmp_path / "b", resume, seconds=0)
    assert [path.name for path in resume.iterdir()] == [STATE_FILE]
    assert (resume / STATE_FILE).read_bytes() == before
    assert load_state(resume / STATE_FILE)[0].step == 5


def test_a_changed_or_missing_byte_anywhere_is_noticed(tiny, tmp_path):
    resume = tmp_path / "resume"
    tiny.pretrain_tiny(tmp_path / "a", resume, seconds=0, tokens=4 * 32 * 5)
    whole, changed = resume / STATE_FILE, tmp_path / "changed"
    assert is_whole(whole)
    content = whole.read_bytes()
    header = int.from_bytes(content[:8], "little")
    places = {*range(0, header, 7), *range(header, len(content), 499), len(content) - 1}
    for place in places:
        changed.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert not is_whole(changed), place
        changed.write_bytes(content[:place])
        assert not is_whole(changed), place
    changed.write_bytes(content)
    assert is_whole(changed)
