"""Unfinished work belongs to one process at a time, and outlives it."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from finescale.store import resume


def wait_until(condition, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.01)


def write_lock(folder, **holder):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"host": socket.gethostname(), "process": os.getpid(), "token": "x", "beats": 0}
    (folder / "lock.json").write_text(json.dumps(content | holder))


@pytest.fixture
def dead_process() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_process_waits_and_finds_the_artifact_made(workshop):
    recipe = workshop.recipe()
    first = workshop.start_paused(recipe, after="data")
    second = workshop.start(recipe)
    assert f"process {first.pid} holds" in second.stdout.readline()
    said, _ = first.communicate("go on\n", timeout=60)
    assert said == "made\n"
    rest, _ = second.communicate(timeout=60)
    assert (rest, first.returncode, second.returncode) == ("", 0, 0)


def test_a_waiting_process_takes_over_from_a_killed_one_and_goes_on_from_its_state(workshop):
    recipe = workshop.recipe(data="text", more="more")
    first = workshop.start_paused(recipe, after="data")
    second = workshop.start(recipe)
    assert "waiting" in second.stdout.readline()
    first.kill()
    first.wait()
    said, _ = second.communicate(timeout=60)
    assert said == "goes on from data\nmade\n"
    assert workshop.store.open(recipe.reference).file("more").read_text() == "more"


def test_a_process_started_later_goes_on_from_the_state_of_a_killed_one(workshop):
    recipe = workshop.recipe(data="text", more="more")
    first = workshop.start_paused(recipe, after="more")
    first.kill()
    first.wait()
    assert workshop.run(recipe).stdout == "goes on from more\nmade\n"


def test_state_is_kept_when_the_job_fails_and_gone_when_it_is_published(workshop):
    recipe = workshop.recipe(data="text", **{"data/below-a-file": "cannot be"})
    folder = workshop.store.root.parent / "resume" / recipe.digest[:20]
    assert workshop.run(recipe).returncode != 0
    assert [path.name for path in folder.iterdir()] == ["state"]
    good = workshop.recipe(data="text")
    assert workshop.run(good).returncode == 0
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_only_one_process_at_a_time_holds_a_folder(tmp_path, team, dead_process):
    folder = tmp_path / "resume"
    holders = team(4, "holder.py", folder, 60)
    for _ in range(5):
        write_lock(folder, process=dead_process)  # all four find a dead holder at once
        assert holders.round() == ["alone"] * 4


def test_a_holder_on_another_host_is_respected_while_its_heart_beats(tmp_path, team):
    folder = tmp_path / "resume"
    write_lock(folder, host="elsewhere", process=1)
    (member,) = team(1, "holder.py", folder, 2).members
    answered = threading.Event()

    def listen():
        assert member.stdout.readline() == "alone\n"
        answered.set()

    listening = threading.Thread(target=listen)
    member.stdin.write("\n")
    member.stdin.flush()
    listening.start()
    for beats in range(50):  # four seconds: twice as long as a silent holder is respected
        assert json.loads((folder / "lock.json").read_text())["host"] == "elsewhere"
        write_lock(folder, host="elsewhere", process=1, beats=beats)
        assert not answered.wait(0.08)
    listening.join(timeout=60)
    assert answered.is_set()


def test_the_heart_beats_while_a_folder_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "HEARTBEAT_SECONDS", 0.01)
    lock = tmp_path / "resume" / "lock.json"
    with resume.hold(lock.parent):
        wait_until(lambda: json.loads(lock.read_text())["beats"] >= 3)
    assert not lock.exists()


def test_a_holder_that_was_taken_over_leaves_the_new_lock_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "HEARTBEAT_SECONDS", 0.01)
    lock = tmp_path / "resume" / "lock.json"
    with resume.hold(lock.parent):
        write_lock(lock.parent, token="another's")
        time.sleep(0.1)
    assert json.loads(lock.read_text())["token"] == "another's"
