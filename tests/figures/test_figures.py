"""Each figure: four files, the same bytes every time, and a CSV of exactly what is drawn."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from finescale.figures import draw
from finescale.figures.laws import _joint_title, _panel, single_title
from finescale.figures.measured import measured, note_on_failures

FACTORS = {
    "figure2": "llm_model_size",
    "figure3": "pretraining_tokens",
    "figure4": "pet_parameter_size",
}


def draw_figure(name, study, folder):
    folder.mkdir(exist_ok=True)
    draw(
        name,
        {},
        folder,
        fits=study.fits,
        points=study.points,
        pretraining_laws=study.pretraining_laws,
    )
    return folder


def rows_of(folder, record=None):
    with open(folder / "figure.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if record in (None, row["record"])]


@pytest.fixture(scope="module")
def drawn(study, tmp_path_factory):
    """Each figure drawn when first asked for."""
    root, done = tmp_path_factory.mktemp("figures"), {}

    def folder(name):
        if name not in done:
            done[name] = draw_figure(name, study, root / name)
        return done[name]

    return folder


@pytest.mark.parametrize("name", ["figure1", *FACTORS, "figure5", "figure10"])
def test_four_files_that_are_what_they_say(drawn, name):
    folder = drawn(name)
    starts = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml", "csv": b"record,"}
    assert {path.name for path in folder.iterdir()} == {f"figure.{suffix}" for suffix in starts}
    for suffix, start in starts.items():
        assert (folder / f"figure.{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["figure4", "figure5", "figure10"])
def test_drawn_twice_the_bytes_are_equal(drawn, study, tmp_path, name):
    again = draw_figure(name, study, tmp_path)
    for path in drawn(name).iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(("name", "factor"), FACTORS.items())
def test_the_csv_holds_the_means_of_the_points(drawn, study, grids, name, factor):
    base = grids.SETTINGS.base
    expected = {}
    for run in study.points:
        at_base = {
            "llm_model_size": run.nominal_size == base.llm_model_size,
            "pretraining_tokens": run.pretraining_tokens == base.pretraining_tokens,
            "pet_parameter_size": run.pet_parameter_size in (None, 4),
        }
        others = all(at for other, at in at_base.items() if other != factor)
        if run.status != "ok" or not others:
            continue
        x = run.nominal_size if factor == "llm_model_size" else getattr(run, factor)
        if x is not None:
            key = (run.task, run.method, float(x), run.finetuning_examples, run.split)
            expected.setdefault(key, []).append(run.test_log_perplexity)
    found = {
        (
            row["task"],
            row["method"],
            float(row["x"]),
            int(row["finetuning_examples"]),
            row["split"],
        ): (float(row["log_perplexity"]), int(row["seeds"]))
        for row in rows_of(drawn(name), "mean")
    }
    assert found.keys() == expected.keys()
    for key, (mean, seeds) in found.items():
        assert mean == pytest.approx(sum(expected[key]) / len(expected[key]))
        assert seeds == len(expected[key])


@pytest.mark.parametrize(("name", "factor"), FACTORS.items())
def test_the_csv_holds_the_laws(drawn, study, name, factor):
    rows = {(row["task"], row["method"]): row for row in rows_of(drawn(name), "law")}
    for fit in study.fits:
        for method in ("prompt", "lora"):
            law = fit.law(method, "multiplicative", factor)
            row = rows[fit.settings.task, method]
            assert row["status"] == law.fit.status
            assert row["reason"] == law.fit.reason
            assert row["at_bound"] == ";".join(law.fit.at_bound)
            assert row["scheme"] == (law.scheme or "")
            for parameter, value in law.fit.parameters.items():
                assert float(row[parameter]) == value
                bounds = float(row[f"{parameter}_low"]), float(row[f"{parameter}_high"])
                assert bounds == law.intervals()[law.scheme][parameter]
            if law.fit.ok:
                assert float(row["deviation_held_out"]) == law.deviation_held_out


def quantile(values, share):
    """Between the two values next to it, in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@pytest.mark.parametrize(
    ("name", "form", "scheme"),
    [("figure1", "single", "cell"), ("figure2", "multiplicative", "base model")],
)
def test_the_band_is_what_the_saved_resamples_predict(drawn, study, tmp_path, name, form, scheme):
    """Computed anew from `fit.json` and `resamples.npz`, for every mean of task `help`."""
    study.fits[0].save(tmp_path)
    laws = json.loads((tmp_path / "fit.json").read_text())["laws"]
    arrays = np.load(tmp_path / "resamples.npz")
    means = [row for row in rows_of(drawn(name), "mean") if row["task"] == "help"]
    assert len(means) == 3 * 4 * 6
    for row in means:
        x, examples = float(row["x"]), float(row["finetuning_examples"])
        (index,) = (
            index
            for index, law in enumerate(laws)
            if (law["method"], law["form"]) == (row["method"], form)
            and law["factor"] == "llm_model_size"
            and law["x"] in (None, x)
        )
        parameters = {p: arrays[f"{index}/{scheme}/{p}"] for p in ("A", "beta", "E")}
        alpha = arrays[f"{index}/{scheme}/alpha"] if form == "multiplicative" else 0.0
        losses = parameters["A"] / (x**alpha * examples ** parameters["beta"]) + parameters["E"]
        assert len(losses) == 20
        assert float(row["law_low"]) == pytest.approx(quantile(losses, 0.025), rel=1e-9)
        assert float(row["law_high"]) == pytest.approx(quantile(losses, 0.975), rel=1e-9)
        assert float(row["law_low"]) < float(row["law_high"])


def test_the_band_of_figure10_is_what_its_resamples_predict(drawn, study):
    rows = [row for row in rows_of(drawn("figure10")) if row["factor"] == "pretraining_tokens"]
    law = study.pretraining_laws[0][1]
    found = law.resamples["cell"]
    points = [row for row in rows if (row["record"], row["family"]) == ("point", "en-de")]
    assert len(points) == 8
    for row in points:
        losses = found["A"] / float(row["x"]) ** found["alpha"] + found["E"]
        assert float(row["law_low"]) == pytest.approx(quantile(losses, 0.025), rel=1e-9)
        assert float(row["law_high"]) == pytest.approx(quantile(losses, 0.975), rel=1e-9)


def test_a_law_that_is_not_identified_has_no_curve_and_no_band(drawn, study):
    means = [row for row in rows_of(drawn("figure2"), "mean") if row["task"] == "few"]
    assert means
    assert {(row["law"], row["law_low"], row["law_high"]) for row in means} == {("", "", "")}
    fit = study.fits[1]
    content = measured(fit, study.points, "fmt", "llm_model_size", "multiplicative")
    panel = _panel(content, _joint_title(content))
    assert {(one.law, one.band) for one in panel.series} == {(None, None)}
    assert panel.lines[0] == "Few, FMT"
    assert panel.lines[1].startswith("law not identified: no beta and E:")
    single = measured(fit, study.points, "fmt", "llm_model_size", "single")
    panel = _panel(single, single_title(single.laws))
    assert " ".join(panel.lines) == (
        "Few, FMT 10K, 20K: law not identified: 2 points for 3 parameters"
    )


def test_figure1_holds_out_by_finetuning_size_alone(drawn):
    splits = {
        (float(row["x"]), int(row["finetuning_examples"])): row["split"]
        for row in rows_of(drawn("figure1"), "mean")
    }
    assert splits[80_000, 100] == "fit"
    assert splits[80_000, 1600] == "held-out"
    assert {row["task"] for row in rows_of(drawn("figure1"))} == {"help"}
    assert len(rows_of(drawn("figure1"), "law")) == 3 * 4


def test_single_seeds_are_listed_where_there_are_several(drawn):
    runs = [row for row in rows_of(drawn("figure2"), "run") if row["task"] == "help"]
    assert len(runs) == 3
    assert {row["finetuning_examples"] for row in runs} == {"100"}


def test_diverged_runs_are_marked_and_counted(drawn, study):
    failed = rows_of(drawn("figure2"), "failed")
    assert sorted(row["status"] for row in failed) == ["base diverged", "diverged"]
    content = measured(study.fits[0], study.points, "fmt", "llm_model_size", "multiplicative")
    note = note_on_failures([content])
    assert note == "Runs left out of the fits: 1 diverged, 1 base diverged"


def svg_text(folder, monkeypatch, study, name):
    """The words of a figure: drawn again with text kept as text."""
    from finescale.figures import style

    monkeypatch.setitem(style.STYLE, "svg.fonttype", "none")
    return (draw_figure(name, study, folder) / "figure.svg").read_text()


def test_words_on_the_figure(study, tmp_path, monkeypatch):
    text = svg_text(tmp_path, monkeypatch, study, "figure2")
    for words in (
        "law not identified: no beta and E:",
        "Runs left out of the fits: 1 diverged, 1 base diverged",
        "test log-perplexity",
        "(nats per target token)",
        "Help, LoRA",
        "held out",
        "95% band",
        "Bands and brackets: 95% intervals from resampled errors of base models and points",
    ):
        assert words in text, words


def test_a_method_without_any_ok_run_is_drawn(study, tmp_path):
    """All LoRA runs of the task diverged: an empty panel with its marks."""
    runs = [
        replace(run, status="diverged", test_log_perplexity=None) if run.method == "lora" else run
        for run in study.points
        if run.task == "help"
    ]

    fit = study.fits[0]
    fit = replace(fit, laws=tuple(law for law in fit.laws if law.method != "lora"))
    draw("figure2", {}, tmp_path, fits=[fit], points=runs)
    failed = rows_of(tmp_path, "failed")
    assert {row["method"] for row in failed} == {"fmt", "lora"}
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_figure10_holds_points_and_laws(drawn, study):
    rows = rows_of(drawn("figure10"))
    for family in study.pretraining_laws:
        for law in family:
            mine = [r for r in rows if (r["family"], r["factor"]) == (law.family, law.factor)]
            points = [(float(r["x"]), float(r["log_perplexity"]), r["split"]) for r in mine[:-1]]
            assert points == [(p.x, p.log_perplexity, p.split) for p in law.points]
            assert mine[-1]["record"] == "law"
            assert mine[-1]["status"] == law.fit.status
            if law.fit.ok:
                assert float(mine[-1]["alpha"]) == law.fit.parameters["alpha"]
                assert [float(r["law"]) for r in mine[:-1]] == pytest.approx(
                    [law.ensemble.predict(X=p.x) for p in law.points]
                )


def test_an_unknown_name_is_an_error(tmp_path):
    with pytest.raises(KeyError, match="figure99"):
        draw("figure99", {}, tmp_path)
