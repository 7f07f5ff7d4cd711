"""The whole smoke study, from raw text to figures, by real Snakemake."""

import csv
import json
import math
from collections import Counter

COLUMNS = [
    *("study", "task", "method", "family", "nominal_size", "model_parameters"),
    *("non_embedding_parameters", "pretraining_tokens", "pet_parameter_size"),
    *("finetuning_examples", "seed", "split", "status", "dev_log_perplexity"),
    *("test_log_perplexity", "target_tokens", "digest"),
]
EVERYTHING = {
    **{"source": 15, "corpus": 12, "tokenizer": 2, "tokens": 9, "pretrain": 5, "finetune": 35},
    **{"generate": 49, "score": 4, "loss": 8, "later_points": 1, "search": 1},
    **{"points": 3, "joined_points": 1, "fit": 3, "pretraining_law": 2, "figure": 13, "table": 7},
    **{"figure_view": 14, "table_view": 7, "points_view": 1, "later_points_view": 1},
    **{"card": 3, "card_view": 3, "study_report": 1, "report_view": 1, "all": 1},
}


# What one run leaves


def test_every_job_ran_once_and_the_end_says_where_to_look(smoke_run):
    _, run = smoke_run
    assert run.finished == EVERYTHING
    assert "finetune: help-en-de lora 4 on XXS 20.5k tokens, 32 examples, seed 0" in run.log
    assert "study smoke: every figure and table is in results/smoke/" in run.log


def test_every_figure_and_table_is_there(smoke_run):
    checkout, _ = smoke_run
    folder = checkout.folder / "results" / "smoke"
    names = ["figures/search", "figures/loss-model-size"]
    names += [f"figures/figure{number}" for number in range(1, 13)]
    names += [f"tables/table{number}" for number in range(1, 8)]
    expected = {f"{name}.{ending}" for name in names for ending in ("pdf", "png", "svg", "csv")}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    tables = {"points.csv", "later-help-en-zh.csv", "index.csv"}
    tasks = ("help-en-de", "help-en-zh", "help-summaries")
    cards = {f"data/{task}.{ending}" for task in tasks for ending in ("md", "json")}
    assert found == expected | tables | cards | {"report.html"}
    starts = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}
    for name in expected:
        content = (folder / name).read_bytes()
        assert len(content) > 30
        assert content.startswith(starts.get(name[-3:], b""))


def test_points_are_the_runs_results(smoke_run):
    checkout, _ = smoke_run
    points = checkout.points()
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


def test_later_test_sets_are_measured_for_every_run_of_their_task(smoke_run):
    checkout, _ = smoke_run
    runs = [run for run in checkout.points() if run["task"] == "help-en-zh"]
    later = checkout.points("later-help-en-zh")
    measured = {"test_log_perplexity", "target_tokens"}
    for run, row in zip(runs, later, strict=True):
        assert {name for name in COLUMNS if row[name] != run[name]} == measured
        assert 0 < float(row["test_log_perplexity"]) < 2 * math.log(3072)
    said = checkout.finescale("fit", "results/smoke/later-help-en-zh.csv")
    assert said.returncode == 0
    assert "help-en-zh: 8 runs (0 held out) of fmt, lora" in said.stdout


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
