"""Further runs and what they would bring, against dense least squares and simulation."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, brentq

from finescale.errors import UserError
from finescale.laws import ADDITIVE, LOG_LEAST_SQUARES, MULTIPLICATIVE, POWER, RECTIFIED, Point
from finescale.laws.combined import fit_combined
from finescale.laws.design import CriticalSize, Difference, Exponents, Loss, Run, design
from finescale.laws.design.offers import Offers
from finescale.laws.design.precision import knowledge
from finescale.laws.design.runs import Kind, candidates, new_values, run_of
from finescale.laws.ensemble import interval
from finescale.laws.fit import refit_rows
from finescale.laws.layout import Data
from finescale.laws.points import cells

SIZES = (1e5, 2e5, 4e5, 8e5, 16e5)
EXAMPLES = (64, 180, 512, 1440, 4096)
LAW = {"A": 20.0, "alpha": 0.2, "beta": 0.15, "E": 1.0}
OTHER = {"A": 13.3, "alpha": 0.2, "beta": 0.08, "E": 1.0}  # meets LAW at about 300 examples
PARAMETERS = {
    "multiplicative": LAW,
    "additive": {"A": 20.0, "B": 3.0, "alpha": 0.3, "beta": 0.25, "E": 1.0},
    "power": {"A": 20.0, "alpha": 0.1, "beta": 0.08},
    "rectified": {"A": 60.0, "alpha": 0.2, "beta": 0.5, "D_l": 20.0, "E": 1.0},
}
FORMS = {form.name: form for form in (MULTIPLICATIVE, ADDITIVE, POWER, RECTIFIED)}


def points(
    law=LAW,
    form=MULTIPLICATIVE,
    *,
    sizes=SIZES,
    examples=EXAMPLES,
    seeds=1,
    noise=0.0,
    base_model_noise=0.0,
    rng=None,
    **columns,
):
    """A run of every size, data size and seed, its loss by the law and two levels of error."""
    made = []
    for size in sizes:
        effect = rng.normal(0, base_model_noise) if base_model_noise else 0.0
        for n, seed in product(examples, range(seeds)):
            error = effect + (rng.normal(0, noise) if noise else 0.0)
            loss = float(form.predict(law, X=size, D=n)) * np.exp(error)
            base = {"task": "t", "method": "fmt", "model_parameters": int(size)}
            base |= {"pretraining_tokens": 10**7, "finetuning_examples": n, "seed": seed}
            made.append(Point(**base | {"test_log_perplexity": loss} | columns))
    return made


def designed(table, interest, **options):
    given = {"model_size_as": "total", "objective": LOG_LEAST_SQUARES, "base_model_noise": 0.0}
    given |= {"noise": 0.005, "form": "multiplicative"}
    return design(table, interest=interest, **given | options)


def width(table, interest, **options):
    """Of the first quantity's interval, on the scale that its error is on."""
    estimate = designed(table, interest, **options).estimates[0]
    logarithmic = not isinstance(interest, Difference | Exponents)
    low, high = (np.log(x) if logarithmic else x for x in (estimate.low, estimate.high))
    return high - low


# What is known, against dense matrices of single runs


def dense(derivatives, base_models, cell_of, noise, gradient):
    """Covariance of the quantities, from a row for each run, without any shortcut."""
    run, cell, base_model = noise
    runs = len(derivatives)
    errors = np.zeros((runs, runs))
    for i, j in product(range(runs), repeat=2):
        errors[i, j] += base_model**2 * (base_models[i] == base_models[j])
        errors[i, j] += cell**2 * (cell_of[i] == cell_of[j]) + run**2 * (i == j)
    information = derivatives.T @ np.linalg.inv(errors) @ derivatives
    return gradient @ np.linalg.inv(information) @ gradient.T


class Case:
    """Five cells of three base models with 1 to 3 seeds; candidates of each kind."""

    base_model = np.array([0, 0, 1, 1, 2, 0, 1, 3, 3])
    cell = np.array([0, 1, 2, 3, 4, 0, 5, 6, 6])  # the last two are the same new cell
    seeds = np.array([1, 2, 1, 3, 1])

    def __init__(self, seed, noise=(0.3, 0.2, 0.5)):
        rng = np.random.default_rng(seed)
        self.derivatives = rng.normal(size=(len(self.cell), 3))
        self.derivatives[8] = self.derivatives[7]
        self.derivatives[5] = self.derivatives[0]
        self.gradient = rng.normal(size=(2, 3))
        self.noise = noise

    def known(self):
        run, cell, base_model = self.noise
        alike = [x[:, None] == x for x in (self.base_model, self.cell)]
        return knowledge(
            derivatives=self.derivatives,
            effects=base_model**2 * alike[0] + cell**2 * alike[1],
            run_part=run**2 / self.seeds,
            run_variance=np.full(4, run**2),
            gradient=self.gradient,
        )

    def dense(self, *chosen):
        rows = [*np.repeat(np.arange(5), self.seeds), *(5 + i for i in chosen)]
        return dense(
            self.derivatives[rows],
            self.base_model[rows],
            self.cell[rows],
            self.noise,
            self.gradient,
        )


@pytest.mark.parametrize("seed", range(3))
def test_errors_are_those_of_dense_generalised_least_squares(seed):
    case = Case(seed)
    known = case.known()
    np.testing.assert_allclose(known.covariance[:2, :2], case.dense(), rtol=1e-10)
    for candidate in range(4):
        after = case.dense(candidate)
        found = known.after(candidate)
        np.testing.assert_allclose(found.covariance[:2, :2], after, rtol=1e-10)
        ratios = np.sqrt(np.diag(after) / np.diag(case.dense()))
        assert known.widths()[candidate] == pytest.approx(np.sqrt(ratios.prod()), rel=1e-10)


def test_runs_that_share_a_base_model_or_a_cell_are_told_apart_along_a_plan():
    case = Case(7)
    known = case.known()
    for count, candidate in enumerate((2, 3, 0, 0), start=1):
        known = known.after(candidate)
        expected = case.dense(*(2, 3, 0, 0)[:count])
        np.testing.assert_allclose(known.covariance[:2, :2], expected, rtol=1e-9)


def test_weights_are_those_of_generalised_least_squares():
    case = Case(1)
    means = case.derivatives[:5] @ [1.0, 2.0, 3.0]  # without error, the weights give the truth
    np.testing.assert_allclose(case.known().weights @ means, case.gradient @ [1, 2, 3], rtol=1e-10)


levels = st.floats(0.01, 1)


@given(st.integers(0, 1000), st.tuples(levels, levels | st.just(0.0), levels | st.just(0.0)))
def test_no_run_widens_any_interval(seed, noise):
    known = Case(seed, noise).known()
    for candidate in (0, 2, 2, 3, 1):
        assert np.all(known.widths() <= 1)
        after = known.after(candidate)
        assert np.all(after.errors <= known.errors * (1 + 1e-9))
        known = after


# Interests, against derivatives by finite differences


def numeric_width(form, parameters, quantity):
    """Of 95%, by dense least squares and numeric derivatives; `quantity` is of the parameters."""
    best = np.array([parameters[name] for name in form.parameters])
    size, examples = np.transpose(list(product(SIZES, EXAMPLES)))

    def named(values):
        return dict(zip(form.parameters, values, strict=True))

    def slopes(function):
        return approx_fprime(best, lambda values: function(named(values)), 1e-6 * best)

    jacobian = slopes(lambda p: np.log(form.predict(p, X=size, D=examples)))
    gradient = slopes(quantity)
    covariance = 0.005**2 * np.linalg.inv(jacobian.T @ jacobian)
    return 2 * 1.959964 * np.sqrt(gradient @ covariance @ gradient)


@pytest.mark.parametrize("name", list(FORMS))
def test_interval_of_a_loss(name):
    form, parameters = FORMS[name], PARAMETERS[name]
    found = width(points(parameters, form), Loss("fmt", 20_000, {"llm_model_size": 5e6}), form=name)
    expected = numeric_width(
        form, parameters, lambda p: np.log(float(form.predict(p, X=5e6, D=20_000)))
    )
    assert found == pytest.approx(expected, rel=2e-3)


def two_methods():
    return points() + points(OTHER, method="lora", pet_parameter_size=4)


def test_interval_of_a_critical_size_moves_with_both_laws():
    (found,) = designed(two_methods(), CriticalSize("fmt", "lora")).estimates

    def crossing(first, second):
        def gap(log_size):
            losses = (
                MULTIPLICATIVE.predict(p, X=16e5, D=np.exp(log_size)) for p in (first, second)
            )
            return float(np.subtract(*losses))

        return brentq(gap, np.log(100), np.log(1000), xtol=1e-14)

    by_first = numeric_width(MULTIPLICATIVE, LAW, lambda p: crossing(p, OTHER))
    by_second = numeric_width(MULTIPLICATIVE, OTHER, lambda p: crossing(LAW, p))
    assert np.log(found.value) == pytest.approx(crossing(LAW, OTHER), rel=1e-6)
    assert np.log(found.high / found.low) == pytest.approx(np.hypot(by_first, by_second), rel=2e-3)


def test_interval_of_a_difference_adds_the_variances_of_both_losses():
    table = two_methods()
    losses = [designed(table, Loss(method, 2000)).estimates[0] for method in ("fmt", "lora")]
    (found,) = designed(table, Difference("fmt", "lora", 2000)).estimates
    errors = [loss.value * np.log(loss.high / loss.low) for loss in losses]
    assert found.value == pytest.approx(losses[0].value - losses[1].value)
    assert found.high - found.low == pytest.approx(np.hypot(*errors), rel=1e-6)


# What is known about the design of such experiments


def beta_width(table, **options):
    (beta,) = (
        e for e in designed(table, Exponents("fmt"), **options).estimates if e.name == "beta"
    )
    return beta.high - beta.low


def test_a_wider_data_range_tells_more_of_beta_and_the_level_than_more_points():
    more = points(examples=np.unique(np.geomspace(64, 4096, 10).astype(int)))
    wider = points(examples=(64, 320, 1600, 8000, 40_000))
    level = Loss("fmt", 1e15)  # where only E is left
    assert beta_width(wider) < beta_width(more) < beta_width(points())
    assert width(wider, level) < width(more, level) < width(points(), level)


def test_more_base_models_tell_more_of_alpha_than_more_data_sizes():
    effects = {"noise": 0.002, "base_model_noise": 0.01}  # where base models differ most
    models = points(sizes=np.geomspace(1e5, 16e5, 10))
    data = points(examples=np.unique(np.geomspace(64, 4096, 10).astype(int)))
    alpha = Exponents("fmt")
    now, by_models, by_data = (width(t, alpha, **effects) for t in (points(), models, data))
    assert by_models < by_data < now


def test_a_fifth_of_the_noise_is_a_fifth_of_every_interval():
    for interest in (Loss("fmt", 20_000), Exponents("fmt")):
        wide, narrow = (width(points(), interest, noise=noise) for noise in (0.005, 0.001))
        assert wide == pytest.approx(5 * narrow)


def test_linearised_interval_agrees_with_the_resampled_one():
    rng = np.random.default_rng(2)
    table = points(sizes=np.geomspace(1e5, 64e5, 10), noise=0.003, base_model_noise=0.005, rng=rng)
    for place in ({}, {"llm_model_size": 4e5}):
        found = width(table, Loss("fmt", 2000, place), noise=None, base_model_noise=None)
        law = fit_combined(
            cells(table),
            MULTIPLICATIVE,
            model_size_as="total",
            objective=LOG_LEAST_SQUARES,
            resamples=4000,
        )
        resampled = law.ensemble.predict_resamples(**law.place(2000, **place))
        low, high = interval(np.log(resampled))
        assert found == pytest.approx(high - low, rel=0.2)


def test_runs_bring_what_was_predicted():
    """Refits to simulated losses, with the three runs of the plan and without."""
    interest = Loss("fmt", 30_000, {"llm_model_size": 3e6})
    found = designed(points(), interest, runs=3)
    chosen = [step.candidate.run for step in found.plan]
    measured = [run_of(cell, "total") for cell in cells(points())]
    spreads = [_spread(runs, interest) for runs in (measured, measured + chosen)]
    assert found.plan[-1].width < 0.8
    assert spreads[1] / spreads[0] == pytest.approx(found.plan[-1].width, rel=0.06)


def _spread(runs, interest):
    """Of the interest's logarithm, over refits to losses with 0.5% error."""
    size = np.array([run.llm_model_size for run in runs])
    examples = np.array([run.finetuning_examples for run in runs])
    truth = MULTIPLICATIVE.predict(LAW, X=size, D=examples)
    rng = np.random.default_rng(0)
    losses = truth * np.exp(rng.normal(0, 0.005, (1500, len(runs))))
    data = {"": Data(truth, {"X": size, "D": examples})}
    law = fit_combined(
        cells(points()),
        MULTIPLICATIVE,
        model_size_as="total",
        objective=LOG_LEAST_SQUARES,
        resamples=0,
    )
    refits = refit_rows(
        MULTIPLICATIVE, data, law.fit, objective=LOG_LEAST_SQUARES, losses={"": losses}
    )
    predicted = MULTIPLICATIVE.predict(
        refits.parameters, X=interest.at["llm_model_size"], D=interest.finetuning_examples
    )
    return np.log(predicted).std()


# Noise


def test_noise_is_split_into_run_cell_and_base_model():
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e5, 1e8, 60)
    table = points(sizes=sizes, seeds=3, noise=0.004, base_model_noise=0.01, rng=rng)
    bent = [  # a misfit of each cell, the same for its seeds
        replace(p, test_log_perplexity=p.test_log_perplexity * (1 + 0.006 * sign))
        for p, sign in zip(table, np.repeat(rng.choice([-1, 1], len(table) // 3), 3), strict=True)
    ]
    found = designed(bent, Exponents("fmt"), noise=None, base_model_noise=None).noise["fmt"]
    assert found.run == pytest.approx(0.004, rel=0.1)
    assert found.cell == pytest.approx(0.006, rel=0.15)
    assert found.base_model == pytest.approx(0.01, rel=0.25)


def test_without_repeated_seeds_all_is_the_runs():
    table = points(noise=0.004, rng=np.random.default_rng(0))
    found = designed(table, Exponents("fmt"), noise=None).noise["fmt"]
    assert found.cell == 0
    assert found.run == pytest.approx(0.004, rel=0.4)
    given = designed(table, Exponents("fmt"), noise=0.01, base_model_noise=0.02).noise["fmt"]
    assert (given.run, given.cell, given.base_model) == (0.01, 0, 0.02)


def test_too_few_base_models_to_know_their_noise_is_said():
    table = points(sizes=SIZES[:2], noise=0.004, rng=np.random.default_rng(0))
    found = designed(table, Exponents("fmt"), base_model_noise=None)
    assert found.noise["fmt"].base_model == 0
    assert any("too few base models" in warning for warning in found.warnings)


def test_an_exact_law_needs_a_noise():
    with pytest.raises(UserError, match="give the relative noise"):
        designed(points(), Exponents("fmt"), noise=None)


# Candidates and costs


def test_new_values_lie_in_wide_gaps_and_above():
    assert new_values([100, 200]) == [140, 400, 630]
    assert new_values([1, 4, 5]) == [2, 10, 16]


def test_candidates_are_a_star_with_crossed_base_models():
    measured = [Run("lora", n, t, 4.0, 100.0) for n, t in ((1e5, 1e7), (2e5, 1e7), (1e5, 2e7))]
    base = {"llm_model_size": 1e5, "pretraining_tokens": 1e7}
    offered = candidates(measured, base)
    assert set(measured) < set(offered)
    assert len(offered) == len(set(offered))
    assert {run.finetuning_examples for run in offered} == {100, 200, 320}
    assert {run.base_model for run in offered} == {
        *((size, 1e7) for size in (1e5, 1.4e5, 2e5, 4e5, 6.3e5)),
        *((1e5, tokens) for tokens in (1.4e7, 2e7, 4e7, 6.3e7)),
        (2e5, 2e7),
    }
    assert {run.pet_parameter_size for run in offered} == {4.0}


def test_a_new_model_size_is_pretrained_like_its_neighbour_where_both_vary_together():
    measured = [Run("fmt", n, 20 * n, None, 100.0) for n in (1e5, 1e6)]
    offered = candidates(measured, {"llm_model_size": 1e5})
    assert {run.base_model for run in offered} == {
        (1e5, 2e6),
        (1e6, 2e7),
        (3.2e5, 2e7),
        (2e6, 2e7),
        (3.2e6, 2e7),
    }


def test_cost_is_finetuning_and_the_pretraining_of_what_is_missing():
    old, new = Run("fmt", 1e5, 1e7, None, 100.0), Run("fmt", 2e5, 1e7, None, 100.0)
    other = replace(new, method="lora")
    offers = Offers.of([old, new, other], [old], tokens_per_example=50)
    finetuning, pretraining = 6 * 2e5 * 100 * 50, 6 * 2e5 * 1e7
    assert offers.costs.tolist() == [finetuning / 2, *[finetuning + pretraining] * 2]
    assert offers.after(1).costs.tolist() == [finetuning / 2, finetuning, finetuning]
    assert [offers.candidate(i, 0.5).kind for i in (0, 1)] == [Kind.SEED, Kind.BASE_MODEL]
    assert [offers.after(1).candidate(i, 0.5).kind for i in (1, 2)] == [Kind.SEED, Kind.CELL]
    assert offers.candidate(1, 0.5).relative_cost == pytest.approx(2 + 2 * 1e7 / 5000)
    assert offers.candidate(0, 0.5).gain == pytest.approx(np.log(2))


def test_without_model_sizes_a_run_costs_its_examples():
    table = [
        replace(p, model_parameters=None, pretraining_tokens=p.model_parameters) for p in points()
    ]
    found = designed(table, Loss("fmt", 20_000))
    assert found.cost_unit == "examples"
    assert all(c.cost == c.run.finetuning_examples for c in found.best)


# The whole design


def test_plans_start_with_the_best_run_and_only_get_better():
    found = designed(points(), Loss("fmt", 20_000), runs=4, base_model_noise=0.003)
    assert found.plan[0].candidate == found.best[0]
    assert found.plan_per_cost[0].candidate == found.best_per_cost[0]
    for plan in (found.plan, found.plan_per_cost):
        assert len(plan) == 4
        widths = np.cumprod([step.candidate.width for step in plan])
        assert [step.width for step in plan] == pytest.approx(widths)
        assert [step.cost for step in plan] == pytest.approx(
            np.cumsum([step.candidate.cost for step in plan])
        )
    assert found.plan[-1].width < found.plan_per_cost[-1].width
    assert found.plan[-1].cost > found.plan_per_cost[-1].cost


def test_each_method_has_the_form_that_its_points_prefer():
    rng = np.random.default_rng(0)
    table = points(PARAMETERS["additive"], ADDITIVE, noise=1e-3, rng=rng)
    table += points(noise=1e-3, rng=rng, method="lora")
    found = designed(table, Difference("fmt", "lora", 2000), form=None)
    assert found.forms == {"fmt": "additive", "lora": "multiplicative"}


def test_methods_are_compared_at_one_base_model():
    table = points() + points(OTHER, method="lora")
    table += points(OTHER, sizes=SIZES[:1], examples=(90, 250), method="lora")
    (found,) = designed(table, Difference("fmt", "lora", 2000)).estimates
    (at_smallest,) = designed(
        table, Difference("fmt", "lora", 2000, {"llm_model_size": SIZES[0]})
    ).estimates
    assert found.value == pytest.approx(at_smallest.value)


def test_a_design_is_json():
    found = designed(two_methods(), CriticalSize("fmt", "lora"))
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["best"][0]["run"]["method"] in ("fmt", "lora")
    assert again["estimates"][0]["name"] == "critical size"


def test_a_single_model_size_says_nothing_of_others():
    found = designed(points(sizes=SIZES[:1]), Loss("fmt", 2000, {"llm_model_size": 8e5}))
    assert not found.identified
    assert "all points have 100K; run a second one, such as 200K" in found.warnings[0]
    own = designed(points(sizes=SIZES[:1]), Loss("fmt", 2000, {"llm_model_size": SIZES[0]}))
    assert own.identified


def test_too_few_data_sizes_are_said_with_others():
    found = designed(points(examples=(64, 180)), Loss("fmt", 2000))
    assert not found.identified
    assert "2 finetuning data sizes of the 3" in found.warnings[0]
    assert "360 or 570" in found.warnings[0]


def test_exponents_that_are_missing_are_said():
    found = designed(points(), Exponents("fmt"))
    assert [estimate.name for estimate in found.estimates] == ["alpha", "beta"]
    assert any("no exponent of pretraining size" in warning for warning in found.warnings)


def test_extrapolation_is_said():
    found = designed(points(), Loss("fmt", 20_000, {"llm_model_size": 1e8}))
    assert "outside the measured range of finetuning_examples, llm_model_size" in found.warnings


@pytest.mark.parametrize(
    "interest, options, message",
    [
        (Loss("fnt", 100), {}, "did you mean `fmt`"),
        (Loss("fmt", -1), {}, "finetuning_examples must be positive"),
        (Loss("fmt", 100, {"size": 1.0}), {}, "no factor 'size'"),
        (Loss("fmt", 100, {"llm_model_size": np.nan}), {}, "llm_model_size must be positive"),
        (Loss("fmt", 100), {"noise": 0.0}, "noise must be positive"),
        (Loss("fmt", 100), {"base_model_noise": -0.1}, "base_model_noise must be 0 or"),
        (Loss("fmt", 100), {"tokens_per_example": 0.0}, "tokens_per_example must be"),
        (Loss("fmt", 100), {"runs": 0}, "at least one run"),
        (Loss("fmt", 100), {"form": "single"}, "no law form"),
        (CriticalSize("fmt", "fmt"), {}, "compared with itself"),
    ],
)
def test_nonsense_is_refused(interest, options, message):
    with pytest.raises(UserError, match=message):
        designed(points(), interest, **options)


def test_methods_that_never_meet_have_no_critical_size():
    better = points(LAW | {"E": 0.5}, method="lora")
    with pytest.raises(UserError, match="lora is better at any data size"):
        designed(points() + better, CriticalSize("fmt", "lora"))
