"""Figures 6-9 and 11-14 and Table 7, from hand-made scores.csv and points.csv."""

import csv
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy import stats

from finescale.figures import TaskScores, draw
from finescale.figures.score_lines import score_content
from finescale.figures.scores import _draw_scores, _draw_shares, _set_share_axis
from finescale.figures.style import sequential
from finescale.laws import Point, read_points, write_points
from finescale.store import Recipe, Store, make_artifact

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
LABELS = (
    *("method", "nominal_size", "pretraining_tokens", "pet_parameter_size"),
    *("finetuning_examples", "seed", "baseline", "status"),
)
BASE = {"llm_model_size": 100, "pretraining_tokens": 1000, "pet_parameter_size": {"lora": 4}}
SUITES = {
    **{"figure6": "zero-shot", "figure7": "test", "figure8": "test", "figure9": "test"},
    **{"figure11": "one-shot", "figure12": "five-shot"},
    **{"figure13": "one-shot", "figure14": "five-shot"},
}
STARTS = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}


def run(method="fmt", size=100, tokens=1000, pet=None, examples=32, seed=0, score=20.0, **more):
    """A row of scores.csv; `loss` is for points.csv."""
    labels = dict(
        zip(LABELS, (method, size, tokens, pet, examples, seed, False, "ok"), strict=True)
    )
    scores = {"chrf": score, "chrf_low": score - 1, "chrf_high": score + 2}
    return labels | scores | {"wrong_language": 0.25, "loss": 5 - score / 10} | more


def unscored(row, status):
    nothing = dict.fromkeys(("chrf", "chrf_low", "chrf_high", "wrong_language", "loss"), "")
    return row | nothing | {"status": status}


def baseline(size, tokens=1000, score=12.0):
    row = run(None, size, tokens, None, None, None, score)
    return row | {"baseline": True, "wrong_language": 0.75}


ROWS = [
    *(run(size=size, examples=d, score=s) for size, d, s in [(50, 32, 10), (50, 64, 11.5)]),
    run(examples=32, score=20),
    *(run(examples=64, seed=seed, score=s) for seed, s in enumerate([21.0, 23.0, 25.0])),
    unscored(run(size=50, examples=128), "diverged"),
    unscored(run(examples=128), "base diverged"),
    *(
        run("lora", size, 1000, 4, d, score=size / 10 + d / 16)
        for size in (50, 100)
        for d in (32, 64)
    ),
    run("lora", 100, 1000, 8, 32, score=13),
    run("lora", 100, 500, 4, 32, score=9),
    baseline(50),
    baseline(100, score=14),
]


def read(folder, rows=ROWS, task="help", metric="chrf", model_size_as="total"):
    """The scores, through the files of both stages."""
    folder.mkdir(exist_ok=True)
    columns = [name.replace("chrf", metric) for name in rows[0] if name != "loss"]
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            named = {name.replace("chrf", metric): value for name, value in row.items()}
            writer.writerow({name: named[name] for name in columns})
    names = ("method", "nominal_size", "pretraining_tokens", "pet_parameter_size", "seed")
    points = [
        Point(
            task=task,
            status=row["status"],
            model_parameters=None if row["status"] == "base diverged" else 11 * row["nominal_size"],
            finetuning_examples=row["finetuning_examples"],
            test_log_perplexity=row["loss"] or None,
            **{name: row[name] for name in names},
        )
        for row in rows
        if not row["baseline"]
    ]
    write_points(folder / "points.csv", points)
    about = {"task": task, "title": task.title(), "score": metric, "base": BASE}
    return TaskScores.read(
        folder / "scores.csv",
        about | {"model_size_as": model_size_as},
        read_points(folder / "points.csv"),
    )


@pytest.fixture
def help_scores(tmp_path):
    return read(tmp_path / "help")


def drawn(name, scores, folder):
    folder.mkdir(exist_ok=True)
    draw(name, {}, folder, scores=scores)
    stem = "table" if name.startswith("table") else "figure"
    for suffix, start in STARTS.items():
        assert (folder / f"{stem}.{suffix}").read_bytes().startswith(start)
    text = (folder / f"{stem}.csv").read_text()
    assert "nan" not in text.lower()
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder and the rows of each drawing of `ROWS`, drawn when first asked for."""
    root = tmp_path_factory.mktemp("scores")
    scores, done = read(root / "help"), {}

    def folder_and_rows(name):
        if name not in done:
            done[name] = root / name, drawn(name, [scores], root / name)
        return done[name]

    return folder_and_rows


def shown(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_the_csv_of_a_figure_to_the_letter(shared):
    fmt = [
        "mean,help,one-shot,fmt,llm_model_size,550.0,32,1,chrF,10.0,9.0,12.0,0.25,",
        "mean,help,one-shot,fmt,llm_model_size,550.0,64,1,chrF,11.5,10.5,13.5,0.25,",
        "failed,help,one-shot,fmt,llm_model_size,550.0,128,,chrF,,,,,diverged",
        "baseline,help,one-shot,fmt,llm_model_size,550.0,,,chrF,12.0,11.0,14.0,0.75,ok",
        "mean,help,one-shot,fmt,llm_model_size,1100.0,32,1,chrF,20.0,19.0,22.0,0.25,",
        "mean,help,one-shot,fmt,llm_model_size,1100.0,64,3,chrF,23.0,,,0.25,",
        "run,help,one-shot,fmt,llm_model_size,1100.0,64,,chrF,21.0,,,,",
        "run,help,one-shot,fmt,llm_model_size,1100.0,64,,chrF,23.0,,,,",
        "run,help,one-shot,fmt,llm_model_size,1100.0,64,,chrF,25.0,,,,",
        "failed,help,one-shot,fmt,llm_model_size,1100.0,128,,chrF,,,,,base diverged",
        "baseline,help,one-shot,fmt,llm_model_size,1100.0,,,chrF,14.0,13.0,16.0,0.75,ok",
    ]
    lora = [
        "mean,help,one-shot,lora,llm_model_size,550.0,32,1,chrF,7.0,6.0,9.0,0.25,",
        "mean,help,one-shot,lora,llm_model_size,550.0,64,1,chrF,9.0,8.0,11.0,0.25,",
        "baseline,help,one-shot,lora,llm_model_size,550.0,,,chrF,12.0,11.0,14.0,0.75,ok",
        "mean,help,one-shot,lora,llm_model_size,1100.0,32,1,chrF,12.0,11.0,14.0,0.25,",
        "mean,help,one-shot,lora,llm_model_size,1100.0,64,1,chrF,14.0,13.0,16.0,0.25,",
        "baseline,help,one-shot,lora,llm_model_size,1100.0,,,chrF,14.0,13.0,16.0,0.75,ok",
    ]
    header = (
        "record,task,suite,method,factor,x,finetuning_examples,seeds,score,value,value_low,"
        "value_high,wrong_language,status"
    )
    lines = (shared("figure11")[0] / "figure.csv").read_text().splitlines()
    assert lines == [header, *fmt, *lora]


@pytest.mark.parametrize("name", SUITES)
def test_every_figure_is_drawn_over_its_factor_and_suite(shared, name):
    rows = shared(name)[1]
    assert {row["suite"] for row in rows} == {SUITES[name]}
    factor = {"figure8": "pretraining_tokens", "figure13": "pretraining_tokens"}.get(name)
    factor = factor or {"figure9": "pet_parameter_size", "figure14": "pretraining_tokens"}.get(name)
    assert {row["factor"] for row in rows} == {factor or "llm_model_size"}
    lora = {row["x"] for row in rows if row["method"] == "lora"}
    values = {"pretraining_tokens": {"500.0", "1000.0"}, "pet_parameter_size": {"4.0", "8.0"}}
    assert lora == values.get(factor, {"550.0", "1100.0"})
    assert ("fmt" in {row["method"] for row in rows}) == (factor != "pet_parameter_size")


@pytest.mark.parametrize("name", ["figure11", "table7"])
def test_drawn_twice_the_bytes_are_equal(shared, help_scores, tmp_path, name):
    drawn(name, [help_scores], tmp_path / "again")
    for path in shared(name)[0].iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def lines_of(axes, style=None):
    return [line for line in axes.get_lines() if style in (None, line.get_linestyle())]


def test_a_panel_shows_baselines_seeds_intervals_and_failures(help_scores):
    axes = Figure().subplots()
    _draw_scores(axes, score_content(help_scores, "fmt", "llm_model_size"))
    colours = sequential(2)
    dashed = [(line.get_ydata()[0], line.get_color()) for line in lines_of(axes, "--")]
    assert dashed == list(zip([12.0, 14.0], colours, strict=True))
    seeds = next(line for line in lines_of(axes) if line.get_marker() == "_")
    assert (list(seeds.get_xdata()), list(seeds.get_ydata())) == ([64] * 3, [21.0, 23.0, 25.0])
    bars = [tuple(line.get_ydata()) for line in lines_of(axes) if line.get_linewidth() == 0.7]
    assert {(9, 12), (10.5, 13.5), (19, 22), (11, 14), (13, 16)} <= set(bars)
    assert (21, 25) in bars  # the range of the seeds, which have no other bar
    crosses = [line for line in lines_of(axes) if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], to_hex(line.get_color())) for line in crosses] == [
        (128, colours[0]),
        (128, colours[1]),
    ]
    joined = [list(line.get_ydata()) for line in lines_of(axes, "-") if len(line.get_xdata()) == 2]
    assert [10.0, 11.5] in joined
    assert [20.0, 23.0] in joined


def test_the_strip_shows_the_share_in_a_wrong_language(help_scores):
    axes, strip = Figure().subplots(2)
    content = score_content(help_scores, "lora", "llm_model_size")
    _draw_scores(axes, content)
    _draw_shares(strip, axes, content)
    finetuned, before = lines_of(strip, "-")[0], lines_of(strip, "--")[0]
    assert list(finetuned.get_xdata()) == [32, 64]
    assert list(finetuned.get_ydata()) == [0.25, 0.25]
    assert before.get_ydata()[0] == 0.75
    assert strip.get_xlim() == axes.get_xlim()


@pytest.mark.parametrize(("largest", "top"), [(0.0, 0.1), (0.1, 0.1), (0.11, 0.2), (0.9, 1.0)])
def test_the_strips_of_a_task_share_an_axis_no_higher_than_needed(largest, top):
    strips = Figure().subplots(1, 2)
    _set_share_axis(strips, largest)
    for strip in strips:
        assert strip.get_ylim()[1] == pytest.approx(1.06 * top)
        assert list(strip.get_yticks()) == [0, top / 2, top]


def test_the_picture_and_the_csv_name_the_score(shared, tmp_path):
    assert {row["score"] for row in shared("figure7")[1]} == {"chrF"}
    assert "<!-- chrF, -->" in words(shared("figure7")[0])
    scores = read(tmp_path / "help", metric="rougeL_unicode")
    rows = drawn("figure7", [scores], tmp_path / "out")
    assert {row["score"] for row in rows} == {"RougeL (Unicode words)"}
    assert "<!-- RougeL (Unicode words), -->" in words(tmp_path / "out")
    table = drawn("table7", [scores], tmp_path / "table")
    assert {row["score"] for row in table} == {"RougeL (Unicode words)"}


def words(folder):
    return (folder / "figure.svg").read_text()


def test_all_runs_diverged(tmp_path):
    rows = [unscored(row, "diverged") if not row["baseline"] else row for row in ROWS]
    scores = read(tmp_path / "help", rows)
    found = drawn("figure11", [scores], tmp_path / "out")
    assert {row["record"] for row in found} == {"failed", "baseline"}
    assert "all runs diverged" in words(tmp_path / "out")
    assert "Runs without a score: 12 diverged" in words(tmp_path / "out")
    table = drawn("table7", [scores], tmp_path / "table")
    assert {(row["cells"], row["reason"], row["pearson_r"]) for row in table} == {
        ("0", "fewer than 3 cells", "")
    }


def test_the_size_of_a_model_that_diverged_is_its_twins_or_nominal(tmp_path):
    rows = [unscored(run(size=50), "base diverged"), run(examples=64), run(size=100)]
    found = drawn("figure7", [read(tmp_path / "help", rows)], tmp_path / "out")
    assert shown(found, "record", "x") == [
        ("failed", "50.0"),
        ("mean", "1100.0"),
        ("mean", "1100.0"),
    ]
    twins = [*rows, run(size=50, examples=64)]
    found = drawn("figure7", [read(tmp_path / "help", twins)], tmp_path / "out")
    assert shown(found[:2], "record", "x") == [("mean", "550.0"), ("failed", "550.0")]


def test_models_that_were_asked_nothing(tmp_path):
    rows = [run(), run(examples=64) | dict.fromkeys(("chrf", "chrf_low", "chrf_high"), "")]
    found = drawn("figure7", [read(tmp_path / "help", rows)], tmp_path / "out")
    assert shown(found, "record", "status") == [("mean", ""), ("failed", "no examples")]
    assert "Runs without a score: 1 no examples" in words(tmp_path / "out")


def test_a_method_that_one_task_lacks(help_scores, tmp_path):
    other = read(tmp_path / "few", [row for row in ROWS if row["method"] == "lora"], task="few")
    rows = drawn("figure7", [help_scores, other], tmp_path / "out")
    assert set(shown(rows, "task", "method")) == {
        ("help", "fmt"),
        ("help", "lora"),
        ("few", "lora"),
    }
    assert "no points" in words(tmp_path / "out")


def test_scores_without_intervals_languages_and_baselines(tmp_path):
    plain = [
        {name: value for name, value in row.items() if name != "wrong_language"}
        | {"chrf_low": "", "chrf_high": ""}
        for row in ROWS
        if not row["baseline"]
    ]
    rows = drawn("figure7", [read(tmp_path / "help", plain)], tmp_path / "out")
    assert {(row["value_low"], row["wrong_language"]) for row in rows} == {("", "")}
    for word in ("interval", "not finetuned", "language"):
        assert word not in words(tmp_path / "out")


def test_the_table_correlates_means_over_seeds(shared):
    rows = shared("table7")[1]
    assert shown(rows, "factor", "method", "cells", "reason") == [
        ("llm_model_size", "fmt", "4", ""),
        ("llm_model_size", "lora", "4", ""),
        ("pretraining_tokens", "lora", "3", ""),
        ("pet_parameter_size", "lora", "3", ""),
    ]
    for row in rows:
        assert float(row["pearson_r"]) == pytest.approx(-1)  # as the losses were made
        assert row["significant"] == "True"


def test_the_table_against_scipy(tmp_path):
    rng = np.random.default_rng(1)
    rows = [
        run(size=size, examples=d, seed=seed, score=s, loss=5 - s / 10 + rng.normal(0, 0.3))
        for size in (50, 100)
        for d, s in ((32, 10.0), (64, 12.0), (128, 17.0))
        for seed in (0, 1)
    ]
    rows.append(unscored(run(size=50, examples=256), "diverged"))
    (row,) = drawn("table7", [read(tmp_path / "help", rows)], tmp_path / "out")
    losses = [np.mean([rows[2 * cell]["loss"], rows[2 * cell + 1]["loss"]]) for cell in range(6)]
    expected = stats.pearsonr(losses, [rows[2 * cell]["chrf"] for cell in range(6)])
    assert float(row["pearson_r"]) == pytest.approx(expected.statistic)
    assert float(row["p_value"]) == pytest.approx(expected.pvalue)
    bounds = float(row["fisher_low"]), float(row["fisher_high"])
    assert bounds == pytest.approx(tuple(expected.confidence_interval()))
    assert row["cells"] == "6"
    assert float(row["bootstrap_low"]) < expected.statistic < float(row["bootstrap_high"])


def test_scores_that_are_all_alike(tmp_path):
    rows = [run(examples=d, score=7.0, loss=5 - d / 100) for d in (32, 64, 128)]
    (row,) = drawn("table7", [read(tmp_path / "help", rows)], tmp_path / "out")
    assert (row["cells"], row["reason"], row["p_value"]) == ("3", "all alike", "")


def test_nominal_sizes_where_the_study_counts_them(tmp_path):
    rows = drawn("figure7", [read(tmp_path / "help", model_size_as="nominal")], tmp_path / "out")
    assert {row["x"] for row in rows} == {"50.0", "100.0"}


def test_names_of_lines_without_runs_stand_at_their_baselines(help_scores):
    failed = [replace(one, score=None, interval=None) for one in help_scores.runs]
    content = score_content(replace(help_scores, runs=tuple(failed)), "lora", "llm_model_size")
    assert [series.dots[0].mean for series in content.named.series] == [12.0, 14.0]
    assert not any(series.dots for series in content.panel.series)


@pytest.mark.parametrize(("stage", "name"), [("figure", "figure7"), ("table", "table7")])
def test_the_stages_draw_the_tasks_in_order(shared, tmp_path, stage, name):
    read(tmp_path / "few", task="few")
    store = Store(tmp_path / "store")

    def copy_of(file, folder):
        recipe = Recipe("test", 1, {"file": file, "task": folder.name}, {})
        content = (folder / file).read_bytes()
        make_artifact(store, recipe, lambda job: (job.out / file).write_bytes(content))
        return recipe.reference

    folders = [tmp_path / "few", shared("figure7")[0].parent / "help"]
    tasks = [
        {"task": folder.name, "title": folder.name, "score": "chrf", "family": "en-de"}
        | {"suite": "test", "base": BASE, "model_size_as": "total"}
        for folder in folders
    ]
    inputs = {
        "scores": tuple(copy_of("scores.csv", folder) for folder in folders),
        "points": tuple(copy_of("points.csv", folder) for folder in folders),
    }
    recipe = Recipe(stage, 1, {"name": name, "study": "test", "tasks": tasks}, inputs)
    program = runpy.run_path(str(SCRIPTS / f"{stage}.py"))
    make_artifact(store, recipe, program["make"])
    with store.open(recipe.reference).file(f"{stage}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(dict.fromkeys(row["task"] for row in rows)) == ["few", "help"]
    alone = [{**row, "task": "few"} for row in shared(name)[1]]
    bootstrap = ("bootstrap_low", "bootstrap_high")  # drawn by the name of the task
    few = [row for row in rows if row["task"] == "few"]
    assert [drop(row, bootstrap) for row in few] == [drop(row, bootstrap) for row in alone]


def drop(row, names):
    return {name: value for name, value in row.items() if name not in names}
