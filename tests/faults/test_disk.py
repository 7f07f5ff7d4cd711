"""Training state that is corrupted or cannot be written, and results that cannot be published."""

import os
import shutil
import signal
import subprocess

import pytest

from finescale.store.lineage import verify
from finescale.training.state import STATE_FILE, is_whole
from tests.faults.conftest import STEPS, steps, wait_for

pytestmark = pytest.mark.slow
STOP = STEPS // 2


def stop_in_the_middle(bench, recipe) -> int:
    """Run until a signal is heeded; the step of the state that is saved then."""
    shutil.rmtree(bench.store.folder(recipe.reference), ignore_errors=True)
    process = bench.start(recipe)
    assert wait_for(lambda: f"step {STOP}/" in bench.log.read_text(), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == os.EX_TEMPFAIL, bench.log.read_text()
    saved = bench.saved_step(recipe)
    assert STOP <= saved < STEPS
    return saved


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def empty(content: bytes) -> bytes:
    return b""


def flip(share: float):
    def damage(content: bytes) -> bytes:
        place = round(share * (len(content) - 1))
        return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]

    damage.__name__ = f"flip_at_{share}"
    return damage


@pytest.mark.parametrize("damage", [truncate, empty, flip(0), flip(0.01), flip(0.7), flip(1)])
def test_a_corrupted_state_is_named_and_training_begins_anew(bench, whole, damage):
    recipe = bench.recipes["pretrain"]
    stop_in_the_middle(bench, recipe)
    file = bench.resume(recipe) / STATE_FILE
    assert is_whole(file)
    file.write_bytes(damage(file.read_bytes()))
    status, log = bench.run(recipe)
    assert status == 0, log
    assert f"{file}: corrupted, removed; starting from the beginning" in log
    assert steps(log) == list(range(1, STEPS + 1))
    assert bench.artifact(recipe).content_sha256 == whole[1]["pretrain"]


def test_a_corrupted_state_of_a_longer_run_gives_way_to_the_shorter_one(bench):
    long = bench.changed("pretrain", tokens=2 * bench.recipes["pretrain"].parameters["tokens"])
    status, log = bench.run(long)
    assert (status, steps(log)[0]) == (0, STEPS + 1), log
    content = bench.artifact(long).content_sha256
    shutil.rmtree(bench.store.folder(long.reference))
    state = bench.resume(long) / STATE_FILE
    state.parent.mkdir(parents=True)
    state.write_bytes(b"nothing that was saved")
    status, log = bench.run(long)
    shorter = bench.store.folder(bench.recipes["pretrain"].reference) / STATE_FILE
    assert f"{state}: corrupted, removed; starting from {shorter}" in log
    assert (status, steps(log)[0]) == (0, STEPS + 1), log
    assert bench.artifact(long).content_sha256 == content


def test_a_disk_that_is_full_when_the_state_is_saved(bench, whole, small_disk):
    """One message; the state before stays whole, and training goes on from it."""
    if not small_disk.mounted:
        pytest.skip("mounting a small disk needs root")
    small_disk.enlarge()
    recipe = bench.recipes["pretrain"]
    saved = stop_in_the_middle(bench, recipe)
    resume = bench.resume(recipe).parent
    shutil.move(resume, small_disk.folder / "resume")
    resume.symlink_to(small_disk.folder / "resume")
    small_disk.fill()
    status, log = bench.run(recipe)
    assert status == 1
    assert "No space left on device" in log
    assert "Nothing was published. Make room" in log
    assert "Traceback" not in log
    folder = small_disk.folder / "resume" / recipe.digest[:20]
    assert is_whole(folder / STATE_FILE)
    assert [path.name for path in folder.iterdir()] == [STATE_FILE]
    assert bench.saved_step(recipe) == saved
    (small_disk.folder / "fill").unlink()
    status, log = bench.run(recipe)
    assert (status, steps(log)[0]) == (0, saved + 1), log
    assert bench.artifact(recipe).content_sha256 == whole[1]["pretrain"]
    resume.unlink()


def bound(bench, option: str) -> None:
    """Show the store at its own place once more, read-only or as before."""
    command = ["mount", "-o", f"remount,bind,{option}", bench.store.root]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def bound_store(bench):
    """The store as a mount of its own."""
    root = str(bench.store.root)
    if os.getuid() or subprocess.run(["mount", "--bind", root, root]).returncode:
        pytest.skip("making a store read-only for root needs a mount, and that needs root")
    yield bench
    subprocess.run(["umount", root], check=True)


def test_a_store_that_becomes_read_only_while_training(bound_store, whole):
    """The trained state outlives the refusal: the next run publishes it without training."""
    bench = bound_store
    recipe = bench.recipes["finetune"]
    process = bench.start(recipe)
    assert wait_for(lambda: f"step {STOP}/" in bench.log.read_text(), process)
    # files that are open for writing would forbid it; while training there are none in the store
    bound(bench, "ro")
    assert process.wait() == 1
    log = bench.log.read_text()
    assert "Read-only file system" in log
    assert "Nothing was published. Make room and give leave to write below" in log
    assert "Traceback" not in log
    assert bench.saved_step(recipe) == STEPS
    bound(bench, "rw")
    assert not bench.store.folder(recipe.reference).exists()
    status, log = bench.run(recipe)
    assert (status, steps(log)) == (0, []), log
    assert bench.artifact(recipe).content_sha256 == whole[1]["finetune"]
    assert list(verify(bench.store)) == []
