"""What a finished study makes again after deletions, changes, damage and interruptions."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from finescale.store import MANIFEST


def weights_of(artifact) -> Path:
    return artifact.folder / "model" / "model.safetensors"


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# Nothing to do


def test_a_second_run_has_nothing_to_do_whatever_snakemake_remembers(smoke):
    assert smoke.snakemake().nothing_done
    shutil.rmtree(smoke.folder / ".snakemake")
    choose = random.Random(0)
    for path in sorted((smoke.folder / "results").rglob("*")):
        if path.is_file():
            seconds = choose.uniform(1e9, 1.7e9)
            os.utime(path, (seconds, seconds))
    run = smoke.snakemake()
    assert run.nothing_done, run.log


# Something to do


def test_invalidating_one_finetuning_reruns_exactly_its_chain_with_the_same_results(smoke):
    before = smoke.contents()
    label = "help-en-zh lora 4 on XS 20.5k tokens, 64 examples, seed 0"
    artifact = smoke.artifact("finetune", label)
    said = smoke.finescale("invalidate", artifact.recipe.digest[:12], "--yes").stdout
    assert label in said
    # figures 2 to 5 and tables 4 to 6 show all tasks, figure 1 and table 2 the first alone;
    # figure 12 shows what it writes after five demonstrations, another one the later test set
    chain = {"finetune": 1, "points": 1, "joined_points": 1, "fit": 1, "figure": 6, "table": 3}
    chain |= {"generate": 1, "score": 1, "loss": 1, "later_points": 1, "study_report": 1}
    assert f"Removed {sum(chain.values())} artifacts" in said
    run = smoke.snakemake()
    views = {"figure_view": 6, "table_view": 3, "points_view": 1, "later_points_view": 1}
    assert run.finished == chain | views | {"report_view": 1, "all": 1}, run.log
    smoke.assert_sound()
    assert smoke.contents() == before  # bit-identical, pictures too


def test_invalidating_a_score_generates_nothing(smoke):
    before = smoke.contents()
    artifact = smoke.artifact("score", "help-en-de zero-shot")
    smoke.finescale("invalidate", artifact.recipe.digest, "--yes")
    run = smoke.snakemake()
    chain = {"score": 1, "figure": 1, "study_report": 1}
    assert run.finished == chain | {"figure_view": 1, "report_view": 1, "all": 1}, run.log
    assert smoke.contents() == before


def test_a_declared_output_that_was_removed_comes_back_without_training(smoke):
    label = "help-en-zh fmt on XS 20.5k tokens, 32 examples, seed 0"
    artifact = smoke.artifact("finetune", label)
    base = smoke.artifact("pretrain", "en-zh XS, 20.5k tokens")
    points = smoke.artifact("points", "help-en-zh")
    before = smoke.contents()
    for item in (artifact, base, points):
        (item.folder / MANIFEST).unlink()
    (points.folder / "points.csv").unlink()
    written = [weights_of(item).stat().st_mtime_ns for item in (artifact, base)]
    # nothing else would need them: the fits and figures made from them are complete
    wanted = [
        str((item.folder / MANIFEST).relative_to(smoke.folder)) for item in (artifact, points)
    ]
    run = smoke.snakemake(*wanted)
    assert run.finished == {"pretrain": 1, "finetune": 1, "points": 1}, run.log
    for item, when in zip((artifact, base), written, strict=True):
        assert f"restored {MANIFEST}" in smoke.log_of(item)
        assert weights_of(item).stat().st_mtime_ns == when
    assert "moved aside" in smoke.log_of(points)
    assert smoke.contents() == before
    smoke.assert_sound()


def test_views_show_the_planned_digest_when_the_config_goes_from_a_to_b_and_back(smoke):
    figure = smoke.folder / "results/smoke/figures/figure2.pdf"
    points = smoke.folder / "results/smoke/points.csv"
    first = figure.resolve()

    def set_delta(delta):
        smoke.edit_config(lambda config: config["laws"].update(huber_delta=delta))

    set_delta(0.1)
    run = smoke.snakemake()
    assert run.status == 0, run.log
    assert (run.finished["fit"], run.finished["pretraining_law"]) == (3, 2)
    untouched = {"finetune", "pretrain", "generate", "score", "loss", "later_points", "search"}
    untouched |= {"points", "points_view", "later_points_view"}
    assert not untouched & set(run.finished)
    second = figure.resolve()
    assert second != first

    set_delta(0.001)
    run = smoke.snakemake()
    views = {"figure_view": 6, "table_view": 4, "report_view": 1, "all": 1}
    assert run.finished == views, run.log
    assert figure.resolve() == first
    assert points.resolve().is_file()
    assert smoke.snakemake().nothing_done

    set_delta(0.1)
    assert smoke.snakemake().status == 0
    assert figure.resolve() == second


def test_a_view_that_is_no_link_any_more_is_made_again(smoke):
    figure = smoke.folder / "results/smoke/figures/figure2.pdf"
    shown = figure.resolve()
    figure.unlink()
    figure.write_text("somebody's own figure")
    run = smoke.snakemake()
    assert run.finished == {"figure_view": 1, "all": 1}, run.log
    assert figure.resolve() == shown


def test_a_corrupted_base_model_is_named_and_the_remedy_works(smoke):
    before = smoke.contents()
    base = smoke.artifact("pretrain", "en-zh XS, 20.5k tokens")
    label = "help-en-zh fmt on XS 20.5k tokens, 64 examples, seed 0"
    tuned = smoke.artifact("finetune", label)
    flip_a_bit(weights_of(base))
    smoke.finescale("invalidate", tuned.recipe.digest, "--yes")

    run = smoke.snakemake()
    assert run.status != 0
    place = weights_of(base).relative_to(smoke.folder)
    assert f"error: {place}: corrupted (SHA-256" in run.log
    assert "Traceback" not in smoke.log_of(tuned)
    assert run.finished["finetune"] == 0
    assert not tuned.folder.exists() or not (tuned.folder / MANIFEST).exists()

    (remedy,) = {line for line in run.log.splitlines() if "finescale invalidate" in line}
    digest = remedy.partition("finescale invalidate ")[2].partition("`")[0]
    assert smoke.finescale("invalidate", digest, "--yes").returncode == 0
    run = smoke.snakemake()
    assert run.status == 0, run.log
    assert (run.finished["pretrain"], run.finished["finetune"]) == (1, 4)
    assert smoke.contents() == before
    smoke.assert_sound()


def interrupt_in_the_middle_of(stage: str, smoke) -> str:
    """Start a run, press Ctrl-C when a job of the stage has begun to write; return the log."""
    log = smoke.folder / "interrupted.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            smoke.command(), cwd=smoke.folder, stdout=stream, stderr=stream, start_new_session=True
        )
    while not list(smoke.store.root.glob(f"{stage}/.tmp-*")):
        assert process.poll() is None, log.read_text()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) != 0
    return log.read_text()


def test_after_ctrl_c_the_next_run_goes_on(smoke):
    before = smoke.contents()
    tokens = smoke.artifact("tokens", "help-summaries train+dev")
    smoke.finescale("invalidate", tokens.recipe.digest, "--yes")
    assert "Terminating processes on user request" in interrupt_in_the_middle_of("finetune", smoke)
    assert smoke.contents().items() < before.items()
    wait_until_quiet(smoke)
    smoke.assert_sound()  # the interrupted jobs took their scratch folders with them
    run = smoke.snakemake()
    assert run.status == 0, run.log
    assert smoke.contents() == before
    smoke.assert_sound()


def wait_until_quiet(smoke) -> None:
    """Wait until no process works in the checkout, as must be soon after Ctrl-C."""
    limit = time.monotonic() + 60
    while smoke.processes():
        assert time.monotonic() < limit, "a process goes on after Ctrl-C"
        time.sleep(0.05)
