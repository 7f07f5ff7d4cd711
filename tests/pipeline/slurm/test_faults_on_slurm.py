"""What happens to jobs on a SLURM cluster, and what becomes of their artifacts."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.pipeline.conftest import Checkout
from tests.pipeline.slurm.conftest import run as slurm
from tests.pipeline.slurm.studies import (
    FINETUNING,
    command,
    content,
    environment,
    on_cluster,
    planned,
)

STEPS = 8000  # about a minute
INVOCATIONS = 4  # of Snakemake: on a busy machine a job may have no time to train


@pytest.fixture(scope="module")
def undisturbed(smoke_run, tmp_path_factory) -> Iterator[Checkout]:
    """A long finetuning, run here: what it is without any fault."""
    folder = tmp_path_factory.mktemp("long") / "checkout"
    checkout = longer(Checkout(folder, smoke_run[0].folder))
    run = checkout.snakemake(target_of(checkout))
    assert run.status == 0, run.log
    yield checkout
    shutil.rmtree(folder)


@pytest.fixture
def long(smoke, undisturbed) -> Checkout:
    return longer(smoke)


def longer(checkout: Checkout) -> Checkout:
    checkout.edit_config(lambda config: config["methods"]["fmt"].update(max_steps=STEPS))
    return checkout


def target_of(checkout: Checkout) -> str:
    return planned(checkout, "finetune", FINETUNING)


def assert_same(checkout: Checkout, undisturbed: Checkout) -> None:
    target = target_of(checkout)
    assert content(checkout, target) == content(undisturbed, target)
    checkout.assert_sound()


def test_a_run_longer_than_the_time_limit(cluster, long, undisturbed):
    last = cluster.last
    for _ in range(INVOCATIONS):
        run = on_cluster(long, target_of(long), queue_limit_hours=1 / 60)
        if run.status == 0:
            break
    states = [job["state"] for job in cluster.since(last)]
    assert run.status == 0, (run.log, states)
    assert len(states) > 1 and states[-1] == "COMPLETED"
    assert set(states[:-1]) == {"CANCELLED"}, states
    assert "Trying to restart job" in run.log or len(states) == 2
    assert_same(long, undisturbed)


def test_cancelled_drained_and_killed(cluster, long, undisturbed):
    """scancel of a job, a drained node, then kill -9 of Snakemake while a job runs; it goes on."""
    last = cluster.last
    first = start(long)
    cancelled = cluster.wait_for_job("RUNNING", after=last)
    node = ("scontrol", "update", f"NodeName={cluster.node}")
    slurm(*node, "State=DRAIN", "Reason=test")
    slurm("scancel", cancelled)
    waiting = cluster.wait_for_job("PENDING", after=cancelled)
    slurm(*node, "State=RESUME")
    cluster.wait_for_job("RUNNING", after=cancelled)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert [job["state"] for job in cluster.since(last)] == ["CANCELLED", "RUNNING"]
    assert waiting in [job["id"] for job in cluster.jobs() if job["state"] == "RUNNING"]
    assert on_cluster(long, "--unlock").status == 0
    second = on_cluster(long, target_of(long))
    assert second.status == 0, second.log
    cluster.wait_until_done()
    assert_same(long, undisturbed)
    assert not list((long.folder / "results/resume").glob("*/*"))


def start(checkout: Checkout) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(checkout, target_of(checkout)),
        cwd=checkout.folder,
        env=environment(checkout),
        stdout=(checkout.folder / "snakemake.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
