"""The whole smoke study, from raw text to figures, by real Snakemake."""

import csv
import json
import math
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from finescale.store import MANIFEST

COLUMNS = [
    *("study", "task", "method", "family", "nominal_size", "model_parameters"),
    *("non_embedding_parameters", "pretraining_tokens", "pet_parameter_size"),
    *("finetuning_examples", "seed", "split", "status", "dev_log_perplexity"),
    *("test_log_perplexity", "target_tokens", "digest"),
]
EVERYTHING = {
    **{"source": 14, "corpus": 11, "tokenizer": 2, "tokens": 8, "pretrain": 5, "finetune": 35},
    **{"generate": 49, "score": 4, "search": 1},
    **{"points": 3, "joined_points": 1, "fit": 3, "pretraining_law": 2, "figure": 12, "table": 7},
    **{"figure_view": 13, "table_view": 7, "points_view": 1},
    **{"study_report": 1, "report_view": 1, "all": 1},
}


def read_points(checkout) -> list[dict[str, str]]:
    with (checkout.folder / "results/smoke/points.csv").open() as stream:
        return list(csv.DictReader(stream))


def weights_of(artifact) -> Path:
    return artifact.folder / "model" / "model.safetensors"


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# What one run leaves


def test_every_job_ran_once_and_the_end_says_where_to_look(smoke_run):
    _, run = smoke_run
    assert run.finished == EVERYTHING
    assert "finetune: help-en-de lora 4 on XXS 20.5k tokens, 32 examples, seed 0" in run.log
    assert "study smoke: every figure and table is in results/smoke/" in run.log


def test_every_figure_and_table_is_there(smoke_run):
    checkout, _ = smoke_run
    folder = checkout.folder / "results" / "smoke"
    names = ["figures/search", *(f"figures/figure{number}" for number in range(1, 13))]
    names += [f"tables/table{number}" for number in range(1, 8)]
    expected = {f"{name}.{ending}" for name in names for ending in ("pdf", "png", "svg", "csv")}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert found == expected | {"points.csv", "index.csv", "report.html"}
    starts = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}
    for name in expected:
        content = (folder / name).read_bytes()
        assert len(content) > 30
        assert content.startswith(starts.get(name[-3:], b""))


def test_points_are_the_runs_results(smoke_run):
    checkout, _ = smoke_run
    points = read_points(checkout)
    assert list(points[0]) == COLUMNS
    assert len(points) == 34
    assert Counter(point["task"] for point in points) == {
        "help-en-de": 22,
        "help-en-zh": 8,
        "help-summaries": 4,
    }
    for point in points:
        artifact = checkout.store.open(f"finetune/{point['digest']}")
        result, parameters = artifact.json("result.json"), artifact.recipe.parameters
        assert point["status"] == result["status"] == "ok"
        for name in ("dev_log_perplexity", "test_log_perplexity"):
            assert float(point[name]) == result[name]
            assert 0 < float(point[name]) < 2 * math.log(3072)
        for name in ("model_parameters", "non_embedding_parameters", "target_tokens"):
            assert int(point[name]) == result[name]
        for name in ("task", "method", "finetuning_examples", "seed"):
            assert point[name] == str(parameters[name])
        assert point["pet_parameter_size"] == str(parameters["pet_parameter_size"] or "")
        base = checkout.store.open(artifact.recipe.inputs["base"][0])
        assert int(point["pretraining_tokens"]) == base.recipe.parameters["tokens"]


def read_scores(artifact) -> list[dict[str, str]]:
    with artifact.file("scores.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_scores_are_of_the_outputs_of_every_drawn_model(smoke_run):
    checkout, _ = smoke_run
    counts = {}
    for artifact in checkout.store.artifacts("score"):
        rows = read_scores(artifact)
        counts[artifact.label] = Counter(row["baseline"] for row in rows)
        for row in rows:
            made = checkout.store.open(f"generate/{row['digest']}")
            lines = made.file("outputs.jsonl").read_text(encoding="utf-8").splitlines()
            assert row["status"] == made.json("summary.json")["status"] == "ok"
            assert int(row["examples"]) == len(lines) == 4
            for name in artifact.recipe.parameters["metrics"]:
                low, score, high = (float(row[name + end]) for end in ("_low", "", "_high"))
                assert 0 <= low <= high <= 100
                assert 0 <= score <= 100
    assert counts == {
        "help-en-de test": {"False": 22},
        "help-en-de zero-shot": {"False": 12},
        "help-en-zh five-shot": {"False": 8, "True": 2},
        "help-summaries one-shot": {"False": 4, "True": 1},
    }


def test_zero_shot_examples_are_of_the_other_source_languages(smoke_run):
    checkout, _ = smoke_run
    for artifact in checkout.store.artifacts("generate"):
        lines = artifact.file("outputs.jsonl").read_text(encoding="utf-8").splitlines()
        languages = Counter(json.loads(line)["source_language"] for line in lines)
        if artifact.recipe.parameters["suite"] == "zero-shot":
            assert languages == {"fr": 2, "zh": 2}


def test_the_search_compares_its_runs_on_the_dev_set(smoke_run):
    checkout, _ = smoke_run
    with (checkout.folder / "results/smoke/figures/search.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["learning_rate"] for row in rows] == ["0.001", "0.002"]
    for row in rows:
        result = checkout.store.open(f"finetune/{row['digest']}").json("result.json")
        assert float(row["dev_log_perplexity"]) == result["dev_log_perplexity"]
    (best,) = [row for row in rows if row["best"] == "True"]
    assert best == min(rows, key=lambda row: float(row["dev_log_perplexity"]))
    assert [row["used"] for row in rows] == ["True", "False"]


def test_the_store_is_sound_and_holds_what_was_planned_and_nothing_else(smoke_run):
    checkout, _ = smoke_run
    checkout.assert_sound()
    with (checkout.folder / "results/smoke/index.csv").open() as stream:
        planned = {(row["stage"], row["digest"][:20]) for row in csv.DictReader(stream)}
    store = checkout.folder / "results" / "store"
    assert {(path.parent.name, path.name) for path in store.glob("*/*")} == planned
    assert list((checkout.folder / "results/resume").iterdir()) == []


def test_adapters_are_stored_alone_and_full_tuning_as_a_model(smoke_run):
    checkout, _ = smoke_run
    for artifact in checkout.store.artifacts("finetune"):
        names = {entry["name"] for entry in artifact.manifest["files"]}
        if artifact.recipe.parameters["method"] == "fmt":
            assert {"model/config.json", "model/model.safetensors"} <= names
        else:
            assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} <= names
            assert not any(name.startswith("model/") for name in names)
        for name in names:
            if name.endswith(".json"):
                assert str(checkout.folder) not in (artifact.folder / name).read_text()


def test_trace_leads_from_a_figure_to_the_archive_members(smoke_run):
    checkout, _ = smoke_run
    lines = checkout.finescale("trace", "results/smoke/figures/figure2.pdf").stdout.splitlines()
    stages = {line.split()[0].partition("/")[0] for line in lines}
    expected = {"figure", "fit", "points", "finetune", "pretrain", "tokens", "tokenizer", "corpus"}
    assert stages == expected | {"source"}
    assert lines[0].endswith("figure2")
    assert sum("help-corpus:" in line for line in lines) == 12
    assert sum("finetune/" in line for line in lines) == 34


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
    # figure 12 shows what it writes after five demonstrations
    chain = {"finetune": 1, "points": 1, "joined_points": 1, "fit": 1, "figure": 5, "table": 3}
    chain |= {"generate": 1, "score": 1, "study_report": 1}
    assert f"Removed {sum(chain.values())} artifacts" in said
    run = smoke.snakemake()
    views = {"figure_view": 5, "table_view": 3, "points_view": 1, "report_view": 1, "all": 1}
    assert run.finished == chain | views, run.log
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
    untouched = {"finetune", "pretrain", "generate", "score", "search", "points", "points_view"}
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


# Training that diverges


def keep_one_small_task(config) -> None:
    """The finetunings of help-en-zh by full tuning and LoRA on one size."""
    config["tasks"] = {"help-en-zh": config["tasks"]["help-en-zh"]}
    config["families"] = {"en-zh": config["families"]["en-zh"]}
    config["tasks"]["help-en-zh"]["grid"]["llm_model_size"]["values"] = ["XXS"]


def test_diverged_finetunings_are_published_shown_and_left_out_of_fits(smoke):
    def diverge(config):
        keep_one_small_task(config)
        config["methods"]["lora"]["learning_rate"] = 1.0e30

    smoke.edit_config(diverge)
    run = smoke.snakemake()
    assert run.status == 0, run.log
    points = {(point["method"], point["status"]) for point in read_points(smoke)}
    assert points == {("fmt", "ok"), ("lora", "diverged")}
    for artifact in smoke.store.artifacts("finetune"):
        if artifact.recipe.parameters["learning_rate"] == 1.0e30:
            result = artifact.json("result.json")
            assert result["status"] == "diverged"
            assert result["reason"]
            assert result["loss_curve"]
            assert not any("safetensors" in e["name"] for e in artifact.manifest["files"])
    (fit,) = [
        a for a in smoke.store.artifacts("fit") if "2 diverged runs left out" in smoke.log_of(a)
    ]
    assert fit.recipe.parameters["task"] == "help-en-zh"
    smoke.assert_sound()


def test_what_is_finetuned_from_a_diverged_base_model_is_published_as_that(smoke):
    def diverge(config):
        keep_one_small_task(config)
        config["pretraining"]["learning_rate"] = 1.0e30
        config["pretraining"]["final_learning_rate"] = 1.0e30

    smoke.edit_config(diverge)
    run = smoke.snakemake()
    assert run.status == 0, run.log
    (base,) = [
        artifact
        for artifact in smoke.store.artifacts("pretrain")
        if artifact.recipe.parameters["learning_rate"] == 1.0e30
    ]
    result = base.json("result.json")
    assert result["status"] == "diverged"
    assert result["reason"]
    points = read_points(smoke)
    assert len(points) == 4
    assert {point["status"] for point in points} == {"base diverged"}
    assert all(point["test_log_perplexity"] == "" for point in points)
    smoke.assert_sound()
