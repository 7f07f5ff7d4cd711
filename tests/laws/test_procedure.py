"""The paper's procedure on points made from known laws, the paper's own among them."""

import json
import random
from dataclasses import asdict, replace

import numpy as np
import pytest

from finescale.laws import (
    LOG_LEAST_SQUARES,
    MULTIPLICATIVE,
    PAPER,
    Data,
    Settings,
    TaskFit,
    fit_law,
    fit_task,
)
from finescale.laws.points import infer_base

ALPHAS = {"llm_model_size": 0.4, "pretraining_tokens": 0.25, "pet_parameter_size": 0.03}
FACTOR_BASE = {"llm_model_size": 10_000, "pretraining_tokens": 800_000, "pet_parameter_size": 4}
BETA, E, LEVEL = 0.12, 1.3, 4.0


def multiplicative(factor, x, examples):
    """All factors have the value LEVEL / D^beta + E at the base."""
    return LEVEL * (x / FACTOR_BASE[factor]) ** -ALPHAS[factor] * examples**-BETA + E


def additive(factor, x, examples):
    return (x / FACTOR_BASE[factor]) ** -ALPHAS[factor] + LEVEL * examples**-BETA + E


@pytest.fixture(scope="module")
def points(grids):
    return [run for method in ("fmt", "lora") for run in grids.grid(method, multiplicative)]


@pytest.fixture(scope="module")
def fit(grids, points):
    return fit_task(points, grids.SETTINGS)


@pytest.mark.parametrize("method", ["fmt", "lora"])
@pytest.mark.parametrize("factor", ALPHAS)
def test_recovers_a_multiplicative_law(fit, method, factor):
    law = fit.law(method, "multiplicative", factor)
    if (method, factor) == ("fmt", "pet_parameter_size"):
        assert law is None
        return
    expected = {
        "A": LEVEL * FACTOR_BASE[factor] ** ALPHAS[factor],
        "alpha": ALPHAS[factor],
        "beta": BETA,
        "E": E,
    }
    assert law.fit.parameters == pytest.approx(expected, rel=1e-4)
    assert set(law.fit.held) == {"beta", "E"}
    assert law.deviation_fitted < 1e-5
    assert law.deviation_held_out < 1e-5


def test_recovers_an_additive_law(grids):
    fit = fit_task(grids.grid("lora", additive), grids.SETTINGS)
    for factor, alpha in ALPHAS.items():
        law = fit.law("lora", "additive", factor)
        expected = {"A": FACTOR_BASE[factor] ** alpha, "alpha": alpha, "B": LEVEL}
        # far from the data the additive law's parameters are nearly interchangeable
        assert law.fit.parameters == pytest.approx(expected | {"beta": BETA, "E": E}, rel=1e-3)
        assert law.deviation_held_out < 1e-5


def test_single_variable_laws_of_every_size(fit):
    laws = [law for law in fit.laws if (law.form, law.method) == ("single", "fmt")]
    assert [law.nominal_size for law in laws] == [10_000, 20_000, 40_000, 80_000]
    for law in laws:
        level = LEVEL * (law.x / 10_000) ** -0.4
        assert law.fit.parameters == pytest.approx({"A": level, "beta": BETA, "E": E}, rel=1e-4)
        assert law.fit.points == 5  # six values of D, the largest held out; no size is


def test_held_out_points_do_not_move_the_law(grids, points, fit):
    """Spoil every held-out loss: the laws stay, the held-out deviation shows it."""
    spoiled = [
        replace(run, test_log_perplexity=run.test_log_perplexity + 0.5)
        if run.split == "held-out"
        else run
        for run in points
    ]
    other = fit_task(spoiled, grids.SETTINGS)
    for factor in ("llm_model_size", "pretraining_tokens"):
        law = other.law("fmt", "multiplicative", factor)
        assert law.fit == fit.law("fmt", "multiplicative", factor).fit
        assert law.deviation_held_out == pytest.approx(0.5, abs=1e-4)
    single = next(law for law in other.laws if law.nominal_size == 80_000)
    assert single.fit.parameters["E"] == pytest.approx(E + 0.5, rel=1e-3)


def test_deviations_are_mean_absolute_differences_from_means_over_seeds(grids, points):
    """Two seeds at +0.1 and -0.1 leave means, hence laws and deviations, where they were."""
    twice = [
        replace(run, seed=seed, test_log_perplexity=run.test_log_perplexity + extra)
        for run in points
        for seed, extra in ((1, 0.1), (2, -0.1))
    ]
    law = fit_task(twice, grids.SETTINGS).law("fmt", "multiplicative", "llm_model_size")
    assert law.deviation_fitted < 1e-5
    assert law.fit.points == 3 * 5


def test_the_shared_cell_counts_in_each_factor(grids):
    """The objective of the joint fit is the sum over factors, so the base row enters twice."""
    rng = np.random.default_rng(0)
    noisy = [
        replace(run, test_log_perplexity=run.test_log_perplexity + rng.normal(0, 0.01))
        for run in grids.grid("fmt", multiplicative)
    ]
    fit = fit_task(noisy, grids.SETTINGS)
    fitted = [run for run in noisy if run.split == "fit"]
    by_hand = {}
    for factor, column, other in (
        ("llm_model_size", "nominal_size", ("pretraining_tokens", 800_000)),
        ("pretraining_tokens", "pretraining_tokens", ("nominal_size", 10_000)),
    ):
        rows = [run for run in fitted if getattr(run, other[0]) == other[1]]
        by_hand[factor] = Data(
            np.array([run.test_log_perplexity for run in rows]),
            {
                "X": np.array([float(getattr(run, column)) for run in rows]),
                "D": np.array([float(run.finetuning_examples) for run in rows]),
            },
        )
    assert sum(len(data.loss) for data in by_hand.values()) == 30
    joint = fit_law(MULTIPLICATIVE, by_hand, objective=PAPER, shared=("beta", "E"))
    held = fit.law("fmt", "multiplicative", "llm_model_size").fit.parameters
    assert held["beta"] == pytest.approx(joint.parameters["beta"], rel=1e-6)
    assert held["E"] == pytest.approx(joint.parameters["E"], rel=1e-6)


def test_order_of_the_runs_does_not_matter(grids, points, fit):
    shuffled = random.Random(0).sample(points, len(points))
    assert fit_task(shuffled, grids.SETTINGS).to_json() == fit.to_json()


def test_other_tasks_are_ignored_and_statuses_counted(grids, points, fit):
    failed = replace(points[0], status="diverged", test_log_perplexity=None, seed=9)
    other = [replace(run, task="other", test_log_perplexity=9.0) for run in points]
    again = fit_task([*other, *points, failed], grids.SETTINGS)
    assert again.counts == {"ok": len(points), "diverged": 1, "base diverged": 0}
    assert again.to_json()["laws"] == fit.to_json()["laws"]


def test_a_factor_without_values_leaves_the_others_alone(grids, points):
    """Without pretraining sizes beta and E come from model size alone."""
    runs = [run for run in points if run.pretraining_tokens == 800_000]
    fit = fit_task(runs, grids.SETTINGS)
    law = fit.law("lora", "multiplicative", "llm_model_size")
    assert law.fit.parameters["beta"] == pytest.approx(BETA, rel=1e-4)
    assert fit.law("lora", "multiplicative", "pet_parameter_size").fit.ok
    missing = fit.law("lora", "multiplicative", "pretraining_tokens").fit
    assert (missing.status, missing.reason) == ("not identified", "fewer than 2 fitted values")


def test_two_sizes_and_two_data_sizes_are_not_identified(grids, points):
    runs = [
        replace(run, split="fit")
        for run in points
        if run.finetuning_examples <= 100 and run.nominal_size <= 20_000
    ]
    fit = fit_task(runs, grids.SETTINGS)
    assert fit.laws
    assert {law.fit.status for law in fit.laws} == {"not identified"}
    assert all(law.fit.reason for law in fit.laws)
    assert all(law.deviation_fitted is None for law in fit.laws)


def test_a_task_whose_runs_all_failed_has_no_laws(grids):
    failed = grids.point(None, status="diverged")
    fit = fit_task([failed], grids.SETTINGS)
    assert fit.laws == ()
    assert fit.counts["diverged"] == 1


def test_save_and_load(fit, tmp_path):
    fit.save(tmp_path)
    again = TaskFit.load(tmp_path / "fit.json", tmp_path / "resamples.npz")
    assert again.to_json() == fit.to_json()
    for law, other in zip(fit.laws, again.laws, strict=True):
        for scheme, parameters in law.resamples.items():
            for name, values in parameters.items():
                np.testing.assert_array_equal(other.resamples[scheme][name], values)


def test_settings_come_from_the_parameters_of_a_recipe(grids):
    recipe = {
        "task": "help",
        "title": "Help",
        "model_size_as": "nominal",
        "huber_delta": 1e-3,
        "resamples": 20,
        "base": asdict(grids.BASE),
    }
    assert Settings.from_recipe(json.loads(json.dumps(recipe))) == grids.SETTINGS


@pytest.fixture(scope="module")
def noisy_fit(grids):
    """Half a percent of independent noise on each run, and 400 resamples."""
    rng = np.random.default_rng(0)
    runs = [
        replace(run, test_log_perplexity=run.test_log_perplexity * np.exp(rng.normal(0, 0.005)))
        for run in grids.grid("lora", multiplicative)
    ]
    return fit_task(runs, replace(grids.SETTINGS, objective=LOG_LEAST_SQUARES, resamples=400))


def test_beta_and_e_of_a_resample_are_the_same_in_every_factor(noisy_fit):
    laws = [noisy_fit.law("lora", "multiplicative", factor) for factor in ALPHAS]
    for scheme in ("case", "base model"):
        for name in ("beta", "E"):
            for law in laws[1:]:
                np.testing.assert_array_equal(
                    law.resamples[scheme][name], laws[0].resamples[scheme][name]
                )


def test_intervals_hold_both_steps_errors(noisy_fit):
    """Beta and E vary over the resamples though the refit holds them, and lie around the fit."""
    for factor, alpha in ALPHAS.items():
        law = noisy_fit.law("lora", "multiplicative", factor)
        assert law.scheme == "base model"
        truth = {"alpha": alpha, "beta": BETA, "E": E}
        for scheme, intervals in law.intervals().items():
            for name, expected in truth.items():
                low, high = intervals[name]
                assert low < law.fit.parameters[name] < high, (scheme, name)
                margin = high - low
                assert low - margin < expected < high + margin, (scheme, name)


def test_the_level_of_e_is_profiled(noisy_fit):
    level = noisy_fit.level("lora", "multiplicative")
    assert level.identified
    assert level.low < E < level.high


def test_an_e_of_zero_is_named_in_every_factor(grids):
    """A law that bends down: beta and E are held in the refit, which still says so."""

    def without_level(factor, x, examples):
        power = LEVEL * (x / FACTOR_BASE[factor]) ** -ALPHAS[factor] * examples**-0.02
        return power - 0.01 * np.log(examples)

    fit = fit_task(grids.grid("fmt", without_level), grids.SETTINGS)
    for factor in ("llm_model_size", "pretraining_tokens"):
        law = fit.law("fmt", "multiplicative", factor).fit
        assert (law.status, law.at_bound, law.parameters["E"]) == ("bound hit", ("E",), 0.0)


def test_no_resamples_no_intervals(grids, points):
    fit = fit_task(points, replace(grids.SETTINGS, resamples=0))
    assert all(law.scheme is None and law.intervals() == {} for law in fit.laws)
    law = fit.law("fmt", "multiplicative", "llm_model_size")
    assert law.ensemble.predict(X=1e4, D=100.0) == pytest.approx(LEVEL * 100**-BETA + E, rel=1e-6)


def test_a_table_without_model_sizes_has_laws_over_d(grids):
    runs = [
        replace(run, nominal_size=None, model_parameters=None, non_embedding_parameters=None)
        for run in grids.grid("fmt", multiplicative)
        if run.nominal_size == 10_000 and run.pretraining_tokens == 800_000
    ]
    fit = fit_task(runs, replace(grids.SETTINGS, base=infer_base(runs)))
    (law,) = [law for law in fit.laws if law.fit.ok]
    assert (law.form, law.x) == ("single", None)
    assert law.fit.parameters == pytest.approx({"A": LEVEL, "beta": BETA, "E": E}, rel=1e-4)


# Table 4 of the paper: task, method, (A, alpha) of model size and pretraining size, beta, E.
PAPER_LAWS = [
    ("wmt14-en-de", "fmt", (120_000, 0.52), (630, 0.21), 0.15, 0.75),
    ("wmt14-en-de", "prompt", (3900, 0.4), (270, 0.21), 0.051, 0.62),
    ("wmt14-en-de", "lora", (2100, 0.36), (140, 0.18), 0.081, 0.62),
    ("wmt19-en-zh", "fmt", (3300, 0.34), (240, 0.17), 0.14, 1.0),
    ("wmt19-en-zh", "prompt", (850, 0.33), (200, 0.2), 0.015, 0.77),
    ("wmt19-en-zh", "lora", (660, 0.31), (130, 0.18), 0.025, 0.73),
    ("mlsum", "fmt", (330, 0.24), (42, 0.11), 0.087, 0.98),
    ("mlsum", "prompt", (23, 0.1), (16, 0.069), 0.025, 0.00051),
    ("mlsum", "lora", (26, 0.11), (17, 0.073), 0.03, 0.2),
]
PAPER_SIZES = np.array([1e9, 2e9, 4e9, 8e9])
PAPER_TOKENS = {
    "wmt19-en-zh": np.array([84e9, 105e9, 126e9, 147e9, 206e9]),
    "others": np.array([84e9, 126e9, 167e9, 283e9]),
}
PET_EXAMPLES = np.array([8e3, *np.arange(1e4, 1e5, 1e4)])
FMT_EXAMPLES = {
    "wmt14-en-de": np.array([1e5, *np.arange(5e5, 4.5e6, 5e5)]),
    "wmt19-en-zh": np.array([1e6, 2e6, 3e6, 4e6, 5e6, 1e7, 1.5e7, 2e7]),
    "mlsum": np.arange(1e5, 9e5, 1e5),
}


@pytest.mark.parametrize("row", PAPER_LAWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_recovers_the_papers_coefficients_on_its_grid(row):
    """Joint beta and E, then the refit, from points that Table 4's laws give exactly."""
    task, method, size, tokens, beta, limit = row
    examples = FMT_EXAMPLES[task] if method == "fmt" else PET_EXAMPLES
    data = {}
    for factor, (coefficient, alpha), values in (
        ("size", size, PAPER_SIZES),
        ("tokens", tokens, PAPER_TOKENS.get(task, PAPER_TOKENS["others"])),
    ):
        x, d = (axis.ravel() for axis in np.meshgrid(values, examples))
        data[factor] = Data(coefficient / (x**alpha * d**beta) + limit, {"X": x, "D": d})
    joint = fit_law(MULTIPLICATIVE, data, objective=PAPER, shared=("beta", "E"))
    assert joint.parameters["beta"] == pytest.approx(beta, rel=1e-4)
    assert joint.parameters["E"] == pytest.approx(limit, abs=1e-4)
    held = {name: joint.parameters[name] for name in ("beta", "E")}
    for factor, (coefficient, alpha) in {"size": size, "tokens": tokens}.items():
        refit = fit_law(MULTIPLICATIVE, {"": data[factor]}, objective=PAPER, held=held)
        assert refit.parameters["alpha"] == pytest.approx(alpha, rel=1e-4)
        assert refit.parameters["A"] == pytest.approx(coefficient, rel=1e-3)
