"""The pictures of `finescale fit`, `advise` and `design`."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from finescale.errors import UserError
from finescale.figures.advice import advice_figure
from finescale.figures.answers import _over_data, _write, draw_fit
from finescale.figures.design import design_figure
from finescale.laws import LOG_LEAST_SQUARES, Base, Point, fit_task
from finescale.laws.advice import advise
from finescale.laws.design import Loss, design

LAWS = {"fmt": (40.0, 0.15), "lora": (20.0, 0.05)}  # A and beta: equal at 2^10 examples
SIZES = (10**8, 3 * 10**8, 10**9, 3 * 10**9)
EXAMPLES = (100, 300, 1000, 3000, 10_000)


@pytest.fixture(scope="module")
def runs() -> list[Point]:
    random = np.random.default_rng(3)
    return [
        Point(
            method=method,
            model_parameters=size,
            finetuning_examples=examples,
            test_log_perplexity=(coefficient * size**-0.2 * examples**-beta + 1) * scatter,
        )
        for method, (coefficient, beta) in LAWS.items()
        for size in SIZES
        for examples in EXAMPLES
        for scatter in [1 + 1e-3 * random.standard_normal()]
    ]


def lines(figure: Figure, style: str) -> list:
    return [line for line in figure.axes[0].lines if line.get_linestyle() == style]


def markers(figure: Figure, marker: str) -> list:
    return [line for line in figure.axes[0].lines if line.get_marker() == marker]


def words(figure: Figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return "\n".join([*texts, *(t.get_text() for key in figure.legends for t in key.texts)])


def test_advice_is_solid_where_it_was_measured_and_dashed_beyond(runs):
    figure = advice_figure(advise(runs, data=20_000, model=1e9, resamples=50))
    solid = [line for line in lines(figure, "-") if line.get_zorder() == 3]
    assert len(solid) == 2
    for line in solid:
        x, y = line.get_data()
        inside = (x >= 100) & (x <= 10_000)
        assert np.array_equal(np.isfinite(y), inside)
    for line in markers(figure, "o"):
        assert list(line.get_xdata()) == list(EXAMPLES)
        assert line.get_markerfacecolor() == line.get_color()
    (asked,) = [
        line for line in lines(figure, ":") + lines(figure, "--") if len(line.get_xdata()) == 2
    ]
    assert list(asked.get_xdata()) == [20_000, 20_000]
    (crossing,) = markers(figure, "D")
    assert crossing.get_xdata()[0] == pytest.approx(1024, rel=0.1)
    assert "asked: 20K" in words(figure)
    assert {"FMT", "LoRA", "measured there"} <= set(words(figure).splitlines())


def test_advice_for_another_model_shows_the_nearest_points_and_is_all_dashed(runs):
    advice = advise(runs, data=20_000, model=8e9, resamples=50)
    figure = advice_figure(advice)
    assert all(
        np.isnan(line.get_ydata()).all() for line in lines(figure, "-") if line.get_zorder() == 3
    )
    assert all(line.get_markerfacecolor() == "white" for line in markers(figure, "o"))
    measured = [run.test_log_perplexity for run in runs if run.model_parameters == 3 * 10**9]
    drawn = [loss for line in markers(figure, "o") for loss in line.get_ydata()]
    assert sorted(drawn) == pytest.approx(sorted(measured))
    assert "measured at model size 3B" in words(figure)
    assert "law" not in words(figure).splitlines()


def test_advice_without_resamples_has_no_bands(runs):
    figure = advice_figure(advise(runs, data=20_000, resamples=0))
    assert not figure.axes[0].collections
    assert "95%" not in words(figure)


def test_a_colour_stays_with_its_method(runs):
    def colours(data: int) -> dict:
        axes = advice_figure(advise(runs, data=data, resamples=0)).axes[0]
        return {t.get_text(): t.get_color() for t in axes.texts if t.get_text() in ("FMT", "LoRA")}

    assert colours(200) == colours(20_000)


def test_a_design_is_drawn_run_by_run(runs):
    result = design(
        runs,
        interest=Loss("lora", 20_000),
        model_size_as="total",
        objective=LOG_LEAST_SQUARES,
        runs=3,
    )
    figure = design_figure(result, "the loss")
    drawn = [list(zip(*line.get_data(), strict=True)) for line in markers(figure, "o")]
    plans = [plan for plan in (result.plan_per_cost, result.plan) if plan]
    assert drawn == [[(step.cost, step.width) for step in plan] for plan in plans]
    for step in result.plan:
        assert f"{step.candidate.run} ({step.candidate.kind})" in words(figure)


def test_a_design_that_says_nothing_is_drawn_as_such():
    few = [Point(finetuning_examples=n, test_log_perplexity=2.0 - n / 1e4) for n in (100, 300)]
    result = design(
        few,
        interest=Loss("finetuning", 1000),
        model_size_as="total",
        objective=LOG_LEAST_SQUARES,
        form="multiplicative",
    )
    assert "nothing can be said yet" in words(design_figure(result, "the loss"))


def test_a_fit_has_a_panel_for_each_factor_and_method(study, tmp_path):
    draw_fit(study.fits[0], study.points, tmp_path / "laws.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["laws.svg"]
    content = (tmp_path / "laws.svg").read_text()
    for method, factors in (
        ("FMT", ("LLM model size", "Pretraining data size")),
        ("LoRA", ("LLM model size", "Pretraining data size", "PET parameter size")),
    ):
        for factor in factors:
            assert f"<!-- {method}, {factor}" in content
    assert "<!-- FMT, PET parameter size" not in content


def test_a_fit_without_factors_has_a_panel_for_each_method(grids):
    plain = [
        Point(method=method, finetuning_examples=n, test_log_perplexity=2 * n**-0.3 + level)
        for method, level in (("a", 1.5), ("b", 1.2))
        for n in EXAMPLES
    ]
    settings = replace(grids.SETTINGS, task="", objective=LOG_LEAST_SQUARES, base=Base())
    figure = _over_data(fit_task(plain, settings), plain)
    for axes, method in zip(figure.axes, "ab", strict=True):
        assert axes.get_title("left").startswith(f"{method}\n")
        assert r"$\beta$ = 0.3" in axes.get_title("left")
        assert sum(line.get_marker() == "o" for line in axes.lines) == len(EXAMPLES)
    assert "Laws over finetuning data" in figure.legends[0].get_title().get_text()


class Interrupted(Figure):
    """A figure whose drawing is stopped half-way."""

    def savefig(self, path, **options):
        path.write_text("half")
        raise KeyboardInterrupt


def test_an_interrupted_plot_leaves_the_old_one(tmp_path):
    path = tmp_path / "plot.pdf"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _write(Interrupted(), path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("plot.pdf", "old")]


@pytest.mark.parametrize("suffix", [".pdf", ".png", ".svg", ".PDF"])
def test_equal_plots_are_equal_bytes(tmp_path, suffix):
    for name in ("one", "two"):
        _write(Figure(), tmp_path / f"{name}{suffix}")
    one, two = sorted(tmp_path.iterdir())
    assert one.read_bytes() == two.read_bytes()


def test_a_folder_that_is_gone_is_explained(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        _write(Figure(), tmp_path / "gone" / "plot.png")
