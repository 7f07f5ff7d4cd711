"""The runs that a design may offer, and what they cost."""

from dataclasses import replace

import numpy as np
import pytest

from finescale.laws.design import Run
from finescale.laws.design.offers import Offers
from finescale.laws.design.runs import Kind, candidates, new_values


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
