"""Titles of the law figures' panels, and the curves in them."""

from dataclasses import replace

import pytest

from finescale.figures.intervals import intervals_are
from finescale.figures.laws import _joint_title, _panel, single_title
from finescale.figures.measured import measured
from finescale.figures.style import format_interval, format_loss, format_number
from finescale.laws import MULTIPLICATIVE, Fit, fit_task
from finescale.laws.intervals.profile import LevelProfile


def broken(fit, **changes):
    """The fit with its joint laws' outcome replaced."""
    laws = [
        replace(law, fit=Fit(law.form, **changes), resamples={})
        if law.form == "multiplicative"
        else law
        for law in fit.laws
    ]
    return replace(fit, laws=tuple(laws))


def test_a_degenerate_law_says_so_with_its_reason(study):
    fit = broken(study.fits[0], status="degenerate", reason="alpha ran to the edge")
    content = measured(fit, study.points, "lora", "llm_model_size", "multiplicative")
    panel = _panel(content, _joint_title(content))
    assert panel.lines == ["Help, LoRA", "law degenerate: alpha ran to the edge"]


def test_an_e_of_zero_and_an_e_that_is_not_identified_are_told(study, grids):
    """A law with a negative E: fits end at the bound, the profile says what the points allow."""
    runs = grids.grid("fmt", lambda factor, x, examples: _sinking(grids, factor, x, examples))
    fit = fit_task(runs, grids.SETTINGS)
    single = measured(fit, runs, "fmt", "llm_model_size", "single")
    assert single_title(single.laws)[-1] == "$E$ at 0: 10K, 20K, 40K, 80K"
    content = measured(fit, runs, "fmt", "llm_model_size", "multiplicative")
    high = fit.level("fmt", "multiplicative").high
    assert _joint_title(content)[-1] == f"$E$ not identified (≤ {format_loss(high)})"
    known = replace(content, level=LevelProfile(1.0, 2.0, True))
    assert _joint_title(known)[-1] == "$E$ at 0"


def _sinking(grids, factor, x, examples):
    base = {"llm_model_size": 10_000, "pretraining_tokens": 800_000}[factor]
    return 3.0 * (x / base) ** -0.2 * examples**-0.1 - 0.1


def test_titles_give_exponents_with_their_intervals(study):
    content = measured(study.fits[0], study.points, "lora", "llm_model_size", "multiplicative")
    (law,) = content.laws
    value = law.fit.parameters["alpha"]
    expected = format_interval(value, law.intervals()["base model"]["alpha"])
    assert rf"$\alpha_m$ = {expected}" in _joint_title(content)
    without = replace(content, laws=(replace(law, resamples={}),))
    assert rf"$\alpha_m$ = {format_number(value)}" in _joint_title(without)


def test_the_curve_is_the_fitted_law(study):
    """The panel's curve at a point is what the law's parameters give."""
    fit = study.fits[0]
    content = measured(fit, study.points, "lora", "pretraining_tokens", "multiplicative")
    panel = _panel(content, ())
    parameters = fit.law("lora", "multiplicative", "pretraining_tokens").fit.parameters
    for series, tokens in zip(panel.series, (1e5, 2e5, 4e5, 8e5), strict=True):
        expected = MULTIPLICATIVE.predict(parameters, X=tokens, D=300.0)
        assert series.law(300.0) == pytest.approx(float(expected), rel=1e-12)
        low, high = series.band(300.0)
        assert low < expected < high


@pytest.mark.parametrize(
    ("schemes", "words"),
    [
        (
            ["base model", "base model"],
            "95% intervals from resampled errors of base models and points",
        ),
        (["cell"], "95% intervals from resampled errors of points"),
        (
            ["base model", "case"],
            "95% intervals from resampled errors of base models and points or points drawn anew",
        ),
        (
            ["cell", None],
            "95% intervals from resampled errors of points;"
            " none where no point is left to tell the error",
        ),
        ([None], ""),
        ([], ""),
    ],
)
def test_what_the_intervals_are(schemes, words):
    assert intervals_are(iter(schemes)) == words
