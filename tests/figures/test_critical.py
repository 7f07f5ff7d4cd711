"""Figure 5 and Table 5: what is drawn, what is said in words, and the CSV of both."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from finescale.figures import style
from finescale.figures.critical import _branches, _draw_panel, _gaps, critical_figure
from finescale.figures.critical_table import _power_of_ten, critical_table
from finescale.figures.pairs import CriticalPair, critical_pairs
from finescale.figures.style import styled
from finescale.laws.forms import MULTIPLICATIVE
from finescale.laws.intervals.ensemble import Ensemble

X = (1e3, 2e3, 4e3, 8e3, 1.6e4)
FITTED = (50.0, 5000.0)


def law(A, alpha, beta, E, spread=0.05):
    parameters = {"A": A, "alpha": alpha, "beta": beta, "E": E}
    factors = np.linspace(1 - spread, 1 + spread, 40)
    rows = {name: np.full(40, value) for name, value in parameters.items()}
    return Ensemble(MULTIPLICATIVE, parameters, rows | {"A": A * factors})


# FMT and LoRA meet at D = X**2 / 1e4; above it, FMT is better.
FMT, LORA = law(0.2, 0.0, 0.5, 1.0), law(2.0, 0.5, 0.25, 1.0, spread=0.0)


def pair(first, second, laws, **changes):
    plain = {"factor": "llm_model_size", "x": X, "base": 1e3, "fitted": FITTED}
    return CriticalPair("Help", methods=(first, second), laws=laws, **plain | changes)


PAIRS = [
    pair("fmt", "lora", (FMT, LORA)),
    pair("prompt", "lora", (law(9.0, 0.0, 0.2, 1.0), law(8.0, 0.0, 0.2, 1.0))),
    CriticalPair("Help", "llm_model_size", ("fmt", "prompt"), reason="Prompt has 2 points"),
    pair("fmt", "lora", (FMT, LORA), factor="pretraining_tokens", base=2e3),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("critical")
    draw(folder)
    return folder


def draw(folder):
    with styled():
        critical_figure(PAIRS, folder)
        critical_table(PAIRS, folder)


def rows_of(folder, name):
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_files_on_every_run(drawn, tmp_path):
    draw(tmp_path)
    suffixes = ("pdf", "png", "svg", "csv")
    names = {f"{stem}.{suffix}" for stem in ("figure", "table") for suffix in suffixes}
    assert {path.name for path in tmp_path.iterdir()} == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (drawn / name).read_bytes(), name


def test_the_csv_holds_the_lines_and_bands(drawn):
    rows = [row for row in rows_of(drawn, "figure.csv") if row["first"] == "fmt"]
    crossings = [row for row in rows if row["record"] == "crossing"]
    assert [row["factor"] for row in crossings] == ["llm_model_size"] * 5 + [
        "pretraining_tokens"
    ] * 5
    for row, x in zip(crossings, X * 2, strict=True):
        size = x**2 / 1e4
        assert float(row["x"]) == x
        assert float(row["finetuning_examples"]) == pytest.approx(size)
        assert float(row["low"]) == pytest.approx(0.95**4 * size)
        assert float(row["high"]) == pytest.approx(1.05**4 * size)
        assert (row["better_below"], row["better_above"]) == ("lora", "fmt")
        assert row["extrapolated"] == str(not FITTED[0] <= size <= FITTED[1])
        assert row["share"] == "1.0"


def test_the_csv_says_who_is_better_where_nothing_is_drawn(drawn):
    rows = rows_of(drawn, "figure.csv")
    none = [row for row in rows if row["record"] == "none"]
    assert [float(row["x"]) for row in none] == list(X)
    assert {(row["better_below"], row["better_above"]) for row in none} == {("lora", "lora")}
    assert {row["share"] for row in none} == {"1.0"}
    (lost,) = (row for row in rows if row["record"] == "not identified")
    assert (lost["second"], lost["reason"]) == ("prompt", "Prompt has 2 points")


def test_words_on_figure_and_table(tmp_path, monkeypatch):
    monkeypatch.setitem(style.STYLE, "svg.fonttype", "none")
    draw(tmp_path)
    words = (tmp_path / "figure.svg").read_text()
    for expected in (
        "Prompt vs LoRA: none, LoRA better",
        "FMT vs Prompt: not identified: Prompt has 2",
        "FMT ↑",
        "ends of the fitted sizes",
        "critical finetuning size (examples)",
        "pretraining data size (tokens)",
    ):
        assert expected in words, expected
    words = (tmp_path / "table.svg").read_text()
    for expected in (
        "none, LoRA better",
        "100 [81, 120], FMT above",
        "400 [330, 490], FMT above",
        "Prompt has 2 points",
        "β not told apart",
    ):
        assert expected in words, expected


def test_the_table_holds_the_base_model_alone(drawn):
    rows = rows_of(drawn, "table.csv")
    assert [row["record"] for row in rows] == ["crossing", "none", "not identified", "crossing"]
    first = rows[0]
    assert (float(first["x"]), float(first["finetuning_examples"])) == (1e3, pytest.approx(100))
    assert (float(first["log10_h"]), float(first["gamma"])) == (pytest.approx(-4), pytest.approx(2))
    assert float(first["log10_h_low"]) < -4 < float(first["log10_h_high"])
    assert rows[1]["gamma"] == rows[2]["gamma"] == ""


def test_pairs_are_compared_where_both_laws_were_fitted(study):
    """Prompt was not fitted at the smallest model, nor with the most examples."""
    fit = study.fits[0]
    laws = [
        replace(law, fitted_x=(20_000, 40_000), fitted_examples=(50, 400))
        if law.method == "prompt"
        else law
        for law in fit.laws
    ]
    pairs = critical_pairs([replace(fit, laws=tuple(laws))], study.points)
    found = {(one.factor, *one.methods): one for one in pairs}
    assert len(found) == 2 * 3
    one = found["llm_model_size", "fmt", "prompt"]
    assert (one.x[0], one.x[-1]) == pytest.approx((20_000, 40_000))
    assert list(one.x) == sorted(one.x)
    assert (one.fitted, one.base) == ((50, 400), 10_000)
    ensembles = [fit.law(m, "multiplicative", "llm_model_size").ensemble for m in one.methods]
    assert [law.parameters for law in one.laws] == [law.parameters for law in ensembles]
    whole = found["pretraining_tokens", "fmt", "lora"]
    assert (whole.x[0], whole.x[-1]) == pytest.approx((100_000, 800_000))
    assert (whole.fitted, whole.base) == ((50, 800), 800_000)


def test_pairs_without_a_law_say_whose_is_missing(study):
    fit = study.fits[0]
    laws = tuple(law for law in fit.laws if law.method != "lora")
    pairs = critical_pairs([replace(fit, laws=laws)], study.points)
    reasons = {one.methods: one.reason for one in pairs}
    assert reasons["fmt", "prompt"] == ""
    assert reasons["fmt", "lora"] == reasons["prompt", "lora"] == "LoRA: no runs to fit"
    few = critical_pairs([study.fits[1]], study.points)
    assert all(one.laws is None and one.reason for one in few)
    assert few[0].reason.startswith("FMT: no beta and E:")


def test_a_factor_that_no_task_varies_is_left_out(study):
    fit = study.fits[0]
    points = [run for run in study.points if run.pretraining_tokens == 800_000]
    assert {one.factor for one in critical_pairs([fit], points)} == {"llm_model_size"}


def test_a_study_without_any_law_is_drawn(study, tmp_path):
    with styled():
        critical_figure(critical_pairs([study.fits[1]], study.points), tmp_path)
    assert {row["record"] for row in rows_of(tmp_path, "figure.csv")} == {"not identified"}


def panel(content):
    axes = Figure().subplots()
    _draw_panel(axes, [(one, one.compare(one.x)) for one in content], {"FMT vs LoRA": "red"})
    return axes


def critical_lines(axes):
    """Those of critical sizes: no edges of bands, no ends of the fitted sizes."""
    return [line for line in axes.lines if line.get_linewidth() >= 1]


def test_lines_are_solid_where_fitted_and_dashed_all_along():
    axes = panel(PAIRS[:1])
    dashed, solid = critical_lines(axes)
    assert (dashed.get_linestyle(), solid.get_linestyle()) == ("--", "-")
    assert list(dashed.get_ydata()) == pytest.approx([x**2 / 1e4 for x in X])
    assert list(np.isfinite(solid.get_ydata())) == [True, True, True, False, False]
    assert same_color(dashed.get_color(), "red")
    assert same_color(solid.get_color(), "red")
    ends = [line.get_ydata()[0] for line in axes.lines if len(line.get_ydata()) == 2]
    assert tuple(ends) == FITTED


def test_an_open_band_ends_with_the_searched_range():
    wide = pair("fmt", "lora", (law(0.2, 0.0, 0.5, 1.0, spread=0.9999), LORA))
    axes = panel([wide])
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == 1.0
    (branch,) = _branches(wide.compare(X))
    assert branch.low[0] == 1.0


def test_a_single_place_is_a_dot():
    axes = panel([pair("fmt", "lora", (FMT, LORA), x=(50.0, 200.0))])
    assert [line.get_marker() for line in critical_lines(axes)] == ["None", "None", "."]


def test_laws_without_resamples_have_no_band():
    plain = Ensemble(MULTIPLICATIVE, FMT.parameters), Ensemble(MULTIPLICATIVE, LORA.parameters)
    (branch,) = _branches(pair("fmt", "lora", plain).compare(X))
    assert np.isnan(branch.low).all()
    assert np.isfinite(branch.size).all()


# The paper's FMT and Prompt on WMT14 En-De have two roots, and none above 5.2e9 parameters.
FOLD = (
    Ensemble(MULTIPLICATIVE, {"A": 120_000, "alpha": 0.52, "beta": 0.15, "E": 0.75}),
    Ensemble(MULTIPLICATIVE, {"A": 3_900, "alpha": 0.40, "beta": 0.051, "E": 0.62}),
)


def test_roots_continue_each_other_by_direction():
    x = (4e9, 5e9, 6e9)
    lower, upper = _branches(pair("fmt", "prompt", FOLD).compare(x))
    assert (lower.better_above, upper.better_above) == ("first", "second")
    assert (lower.size[:2] < upper.size[:2]).all()
    assert np.isnan([lower.size[2], upper.size[2]]).all()


@pytest.mark.parametrize(
    ("laws", "x", "words"),
    [
        (FOLD, (4e9, 6e9, 1e10), [" from 6B, Prompt better"]),
        ((FMT, LORA), (10.0, 53.0, 200.0), [" up to 53, FMT better"]),
        ((FMT, LORA), (10.0, 200.0, 3e8), [" up to 10, FMT better", " from 300M, Prompt better"]),
        ((FMT, LORA), (200.0, 300.0), []),
        ((FMT, FMT), (200.0, 300.0), [", equally good"]),
        (FOLD[::-1], (6e9, 7e9), [", FMT better"]),
    ],
)
def test_where_there_is_none(laws, x, words):
    one = pair("fmt", "prompt", laws, x=x)
    assert _gaps(one, one.compare(x)) == words


@pytest.mark.parametrize(
    ("exponent", "text"),
    [
        (math.log10(3.7e14), "3.7e14"),
        (math.log10(1.6e-9), "1.6e-9"),
        (math.log10(4.3), "4.3"),
        (math.log10(9.99e5), "1.0e6"),
        (400.5, "3.2e400"),
    ],
)
def test_powers_of_ten(exponent, text):
    assert _power_of_ten(exponent) == text
