"""kill -9 of a training program at 20 random moments: the same bytes, a step lost at the most.

The state is saved between any two steps, so a checkpoint interval is one step here.
"""

import os
import random
import shutil
import signal
import time
from glob import glob  # Path.glob fails when a folder goes meanwhile
from pathlib import Path

import pytest

from finescale.store.lineage import verify
from finescale.training.state import STATE_FILE, is_whole
from tests.faults.conftest import STEPS, steps, wait_for

pytestmark = pytest.mark.slow
IMPORTS_SECONDS = 4.0  # on an idle machine; before them nothing is there to be harmed
WHERE = ["start"] * 4 + ["training"] * 6 + ["saving"] * 5 + ["publishing"] * 5
STAGES = ["pretrain", "finetune"]
MOMENTS = [(number, where, STAGES[number % 2]) for number, where in enumerate(WHERE)]


def forked_by(server: int) -> list[int]:
    """The processes that the server has forked."""
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]


def kill(process: int) -> bool:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def kill_early(bench, recipe, chance) -> bool:
    """A program of its own, while it imports its libraries or a little later."""
    process = bench.start(recipe, forked=False)
    time.sleep(chance.uniform(0, IMPORTS_SECONDS))
    return kill(process.pid) and process.wait() == -signal.SIGKILL


def kill_later(bench, recipe, chance, where, server) -> bool:
    """A forked program, a moment after a random sign of what it does."""
    part = (bench.resume(recipe) / STATE_FILE).with_suffix(".part")
    line = f"step {chance.randrange(1, STEPS)}/"
    results = bench.store.root / recipe.stage
    signs = {
        "training": (lambda: line in bench.log.read_text(), 0.02),
        "saving": (lambda: line in bench.log.read_text() and part.exists(), 0.002),
        "publishing": (lambda: glob(f"{results}/.tmp-*/*/*.safetensors"), 0.015),
    }
    sign, most_seconds = signs[where]
    process = bench.start(recipe)
    assert wait_for(lambda: forked_by(server), process)
    (child,) = forked_by(server)
    happened = wait_for(sign, process)
    time.sleep(chance.uniform(0, most_seconds))
    killed = happened and kill(child)
    return process.wait() == 137 and killed


@pytest.mark.parametrize(("number", "where", "stage"), MOMENTS)
def test_a_killed_training_ends_with_the_same_bytes(bench, whole, server, number, where, stage):
    recipe, chance = bench.recipes[stage], random.Random(number)
    shutil.rmtree(bench.store.folder(recipe.reference), ignore_errors=True)
    if where == "start":
        assert kill_early(bench, recipe, chance)
    else:
        while not kill_later(bench, recipe, chance, where, server[1]):
            shutil.rmtree(bench.store.folder(recipe.reference))  # it was faster: once more
    reached, saved = steps(bench.log.read_text()), bench.saved_step(recipe)
    assert saved == 0 or is_whole(bench.resume(recipe) / STATE_FILE)
    assert max(reached, default=0) - saved <= 1
    assert all("half-written" in problem for problem in verify(bench.store))

    status, log = bench.run(recipe)
    assert status == 0, log
    assert steps(log)[:1] == list(range(saved + 1, STEPS + 1))[:1]
    assert bench.artifact(recipe).content_sha256 == whole[1][stage]
    assert list(verify(bench.store)) == []
    assert not bench.resume(recipe).exists()
