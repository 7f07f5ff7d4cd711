"""kill -9 of a local Snakemake whose jobs are running."""

import os
import signal
import subprocess
import time

TIMEOUT_SECONDS = 120


def kill_in_the_middle_of(stage, smoke) -> None:
    """Start a run, and kill -9 Snakemake alone when two jobs of the stage have begun to write."""
    with (smoke.folder / "killed.log").open("w") as log:
        process = subprocess.Popen(smoke.command(), cwd=smoke.folder, stdout=log, stderr=log)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(list(smoke.store.root.glob(f"{stage}/.tmp-*"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def test_after_a_kill_the_next_run_goes_on_beside_the_jobs_that_still_run(smoke):
    before = smoke.contents()
    tokens = smoke.artifact("tokens", "help-summaries train+dev")
    smoke.finescale("invalidate", tokens.recipe.digest, "--yes")
    kill_in_the_middle_of("finetune", smoke)
    orphans = [pid for pid in smoke.processes() if pid != os.getpid()]
    assert orphans
    assert smoke.contents().items() < before.items()
    locked = smoke.snakemake()
    assert locked.status == 1 and "--unlock" in locked.log
    assert smoke.snakemake("--unlock").status == 0
    run = smoke.snakemake()
    assert run.status == 0, run.log
    assert smoke.contents() == before
    smoke.assert_sound()
    assert not list(smoke.store.root.glob("*/.aside-*"))
    assert not list(smoke.folder.glob("results/resume/*"))
    assert smoke.snakemake().nothing_done
