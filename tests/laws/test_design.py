"""Further runs and what they would bring: noise, plans, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from finescale.errors import UserError
from finescale.laws import ADDITIVE
from finescale.laws.design import CriticalSize, Difference, Exponents, Loss

# Noise


def test_noise_is_split_into_run_cell_and_base_model(designs):
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e5, 1e8, 60)
    table = designs.points(sizes=sizes, seeds=3, noise=0.004, base_model_noise=0.01, rng=rng)
    bent = [  # a misfit of each cell, the same for its seeds
        replace(p, test_log_perplexity=p.test_log_perplexity * (1 + 0.006 * sign))
        for p, sign in zip(table, np.repeat(rng.choice([-1, 1], len(table) // 3), 3), strict=True)
    ]
    found = designs.designed(bent, Exponents("fmt"), noise=None, base_model_noise=None).noise["fmt"]
    assert found.run == pytest.approx(0.004, rel=0.1)
    assert found.cell == pytest.approx(0.006, rel=0.15)
    assert found.base_model == pytest.approx(0.01, rel=0.25)


def test_without_repeated_seeds_all_is_the_runs(designs):
    table = designs.points(noise=0.004, rng=np.random.default_rng(0))
    found = designs.designed(table, Exponents("fmt"), noise=None).noise["fmt"]
    assert found.cell == 0
    assert found.run == pytest.approx(0.004, rel=0.4)
    given = designs.designed(table, Exponents("fmt"), noise=0.01, base_model_noise=0.02).noise[
        "fmt"
    ]
    assert (given.run, given.cell, given.base_model) == (0.01, 0, 0.02)


def test_too_few_base_models_to_know_their_noise_is_said(designs):
    table = designs.points(sizes=designs.SIZES[:2], noise=0.004, rng=np.random.default_rng(0))
    found = designs.designed(table, Exponents("fmt"), base_model_noise=None)
    assert found.noise["fmt"].base_model == 0
    assert any("too few base models" in warning for warning in found.warnings)


def test_an_exact_law_needs_a_noise(designs):
    with pytest.raises(UserError, match="give the relative noise"):
        designs.designed(designs.points(), Exponents("fmt"), noise=None)


def test_without_model_sizes_a_run_costs_its_examples(designs):
    table = [
        replace(p, model_parameters=None, pretraining_tokens=p.model_parameters)
        for p in designs.points()
    ]
    found = designs.designed(table, Loss("fmt", 20_000))
    assert found.cost_unit == "examples"
    assert all(c.cost == c.run.finetuning_examples for c in found.best)


# The whole design


def test_plans_start_with_the_best_run_and_only_get_better(designs):
    found = designs.designed(designs.points(), Loss("fmt", 20_000), runs=4, base_model_noise=0.003)
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


def test_each_method_has_the_form_that_its_points_prefer(designs):
    rng = np.random.default_rng(0)
    table = designs.points(designs.PARAMETERS["additive"], ADDITIVE, noise=1e-3, rng=rng)
    table += designs.points(noise=1e-3, rng=rng, method="lora")
    found = designs.designed(table, Difference("fmt", "lora", 2000), form=None)
    assert found.forms == {"fmt": "additive", "lora": "multiplicative"}


def test_methods_are_compared_at_one_base_model(designs):
    table = designs.points() + designs.points(designs.OTHER, method="lora")
    table += designs.points(
        designs.OTHER, sizes=designs.SIZES[:1], examples=(90, 250), method="lora"
    )
    (found,) = designs.designed(table, Difference("fmt", "lora", 2000)).estimates
    (at_smallest,) = designs.designed(
        table, Difference("fmt", "lora", 2000, {"llm_model_size": designs.SIZES[0]})
    ).estimates
    assert found.value == pytest.approx(at_smallest.value)


def test_a_design_is_json(designs):
    found = designs.designed(designs.two_methods(), CriticalSize("fmt", "lora"))
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["best"][0]["run"]["method"] in ("fmt", "lora")
    assert again["estimates"][0]["name"] == "critical size"


def test_a_single_model_size_says_nothing_of_others(designs):
    found = designs.designed(
        designs.points(sizes=designs.SIZES[:1]), Loss("fmt", 2000, {"llm_model_size": 8e5})
    )
    assert not found.identified
    assert "all points have 100K; run a second one, such as 200K" in found.warnings[0]
    own = designs.designed(
        designs.points(sizes=designs.SIZES[:1]),
        Loss("fmt", 2000, {"llm_model_size": designs.SIZES[0]}),
    )
    assert own.identified


def test_too_few_data_sizes_are_said_with_others(designs):
    found = designs.designed(designs.points(examples=(64, 180)), Loss("fmt", 2000))
    assert not found.identified
    assert "2 finetuning data sizes of the 3" in found.warnings[0]
    assert "360 or 570" in found.warnings[0]


def test_exponents_that_are_missing_are_said(designs):
    found = designs.designed(designs.points(), Exponents("fmt"))
    assert [estimate.name for estimate in found.estimates] == ["alpha", "beta"]
    assert any("no exponent of pretraining tokens" in warning for warning in found.warnings)


def test_extrapolation_is_said(designs):
    found = designs.designed(designs.points(), Loss("fmt", 20_000, {"llm_model_size": 1e8}))
    assert "outside the measured range of finetuning examples, model size" in found.warnings


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
def test_nonsense_is_refused(designs, interest, options, message):
    with pytest.raises(UserError, match=message):
        designs.designed(designs.points(), interest, **options)


def test_methods_that_never_meet_have_no_critical_size(designs):
    better = designs.points(designs.LAW | {"E": 0.5}, method="lora")
    with pytest.raises(UserError, match="lora is better at any data size"):
        designs.designed(designs.points() + better, CriticalSize("fmt", "lora"))
