import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finescale.laws import (
    ADDITIVE,
    CANDIDATES,
    LOG_LEAST_SQUARES,
    MULTIPLICATIVE,
    PAPER,
    RECTIFIED,
    Point,
)
from finescale.laws.combined import (
    base_model,
    fit_combined,
    over_factors,
    sliced,
    varied_factors,
)
from finescale.laws.ensemble import Ensemble
from finescale.laws.points import FACTORS, cells

SIZES, TOKENS, RANKS = (10, 20, 40, 80), (100, 200, 400), (2, 4, 8)
EXAMPLES = (50, 100, 200, 400, 800)


def star(loss, *, method="lora", noise=0.0, seed=0):
    """Each factor varied with the others at 20, 400 and 4; `loss` is of (size, tokens, rank, D)."""
    places = {(size, 400, 4) for size in SIZES} | {(20, tokens, 4) for tokens in TOKENS}
    places |= {(20, 400, rank) for rank in RANKS}
    rng = np.random.default_rng(seed)
    return cells(
        Point(
            method=method,
            model_parameters=size,
            pretraining_tokens=tokens,
            pet_parameter_size=rank,
            finetuning_examples=examples,
            test_log_perplexity=float(
                loss(size, tokens, rank, examples) * np.exp(noise * rng.standard_normal())
            ),
        )
        for size, tokens, rank in sorted(places)
        for examples in EXAMPLES
    )


def multiplicative(size, tokens, rank, examples):
    return 9 * size**-0.3 * tokens**-0.2 * rank**-0.05 * examples**-0.1 + 1.2


def additive(size, tokens, rank, examples):
    return 3 * size**-0.5 + 4 * tokens**-0.4 + 0.3 * rank**-0.7 + 2 * examples**-0.3 + 1.2


def fitted(measured, shape=MULTIPLICATIVE, resamples=0, **more):
    more = {"objective": LOG_LEAST_SQUARES} | more
    return fit_combined(measured, shape, model_size_as="total", resamples=resamples, **more)


@pytest.mark.parametrize(
    "truth, shape, expected",
    [
        (
            multiplicative,
            MULTIPLICATIVE,
            {"A": 9, "alpha_m": 0.3, "alpha_p": 0.2, "alpha_t": 0.05, "beta": 0.1, "E": 1.2},
        ),
        (
            additive,
            ADDITIVE,
            {"A_m": 3, "A_p": 4, "A_t": 0.3, "B": 2, "E": 1.2}
            | {"alpha_m": 0.5, "alpha_p": 0.4, "alpha_t": 0.7, "beta": 0.3},
        ),
    ],
)
def test_exact_points_give_back_the_law(truth, shape, expected):
    law = fitted(star(truth), shape)
    assert law.fit.parameters == pytest.approx(expected, rel=1e-5)
    assert law.factors == FACTORS
    assert law.base == {"llm_model_size": 20, "pretraining_tokens": 400, "pet_parameter_size": 4}
    assert law.ranges["D"] == (50, 800)
    assert law.scheme is None


def test_a_law_without_factors_is_over_data_alone():
    for shape in CANDIDATES:
        assert over_factors(shape, ()).variables == ("D",)
    form = over_factors(ADDITIVE, ())
    assert form.parameters == ("B", "E", "beta")
    assert over_factors(MULTIPLICATIVE, ("pretraining_tokens",)).exponents == {
        "alpha": "pretraining_tokens",
        "beta": "D",
    }


def test_a_factor_that_follows_from_another_is_not_varied():
    def run(size, tokens, rank=None):
        return Point(
            model_parameters=size,
            pretraining_tokens=tokens,
            pet_parameter_size=rank,
            finetuning_examples=10,
            test_log_perplexity=1.0,
        )

    assert varied_factors(cells([run(10, 200), run(20, 400)])) == ("llm_model_size",)
    both = cells([run(10, 200), run(20, 200), run(20, 400)])
    assert varied_factors(both) == ("llm_model_size", "pretraining_tokens")
    assert varied_factors(cells([run(None, 200), run(None, 400)])) == ("pretraining_tokens",)
    assert varied_factors(cells([run(10, 200, 1), run(10, 200, 2)])) == ("pet_parameter_size",)
    assert varied_factors(cells([run(10, 200)])) == ()


parameters = st.floats(0.1, 3)


@given(st.lists(parameters, min_size=20, max_size=20), st.lists(parameters, min_size=3, max_size=3))
def test_a_sliced_law_is_the_law_at_the_fixed_factors(values, place):
    fixed = dict(zip(FACTORS, place, strict=True))
    examples = np.array([0.5, 1.0, 7.0])
    for shape in (MULTIPLICATIVE, ADDITIVE, RECTIFIED):
        form = over_factors(shape, FACTORS)
        named = dict(zip(form.parameters, values, strict=False))
        resamples = {name: np.array([value, value / 2]) for name, value in named.items()}
        law = Ensemble(form, named, resamples)
        part = sliced(law, fixed)
        assert part.form.variables == ("D",)
        assert part.predict(D=examples) == pytest.approx(law.predict(**fixed, D=examples))
        assert part.predict_resamples(D=examples) == pytest.approx(
            law.predict_resamples(
                **{name: np.full(3, value) for name, value in fixed.items()}, D=examples
            )
        )


def test_a_sliced_law_without_resamples_has_none():
    law = fitted(star(multiplicative))
    assert law.over_examples(law.place(100)).resamples == {}


def test_a_place_has_base_values_for_what_is_not_given():
    law = fitted(star(multiplicative))
    place = law.place(100, llm_model_size=33, pretraining_tokens=None)
    assert place == {
        "llm_model_size": 33,
        "pretraining_tokens": 400,
        "pet_parameter_size": 4,
        "D": 100,
    }


def test_what_lies_outside_the_fitted_ranges():
    law = fitted(star(multiplicative))
    assert law.extrapolated(law.place(800, llm_model_size=10)) == []
    assert law.extrapolated(law.place(800 * (1 + 1e-12))) == []
    assert law.extrapolated(law.place(801, llm_model_size=9)) == ["llm_model_size", "D"]


def test_the_scheme_is_the_most_honest_one_that_the_cells_allow():
    noisy = star(multiplicative, noise=0.01)
    assert fitted(noisy, resamples=5).scheme == "base model"
    at_base = [cell for cell in noisy if base_model(cell) == (20, 400)]
    assert fitted(at_base, resamples=5).scheme == "cell"
    few = [cell for cell in at_base if cell.pet_parameter_size == 4][:3]
    law = fitted(few, resamples=5)
    assert law.fit.ok and law.scheme is None and law.ensemble.resamples == {}


def test_resamples_surround_the_law():
    law = fitted(star(multiplicative, noise=0.01), resamples=400)
    exponents = law.ensemble.resamples["alpha_m"]
    assert exponents.shape == (400,)
    assert abs(np.median(exponents) - law.fit.parameters["alpha_m"]) < exponents.std()
    assert 0.001 < exponents.std() < 0.3


def test_resamples_depend_on_what_was_measured_not_on_the_name():
    first = fitted(star(multiplicative, noise=0.01), resamples=3)
    renamed = fitted(star(multiplicative, noise=0.01, method="x"), resamples=3)
    other = fitted(star(multiplicative, noise=0.01, seed=1), resamples=3)
    assert np.array_equal(first.ensemble.resamples["A"], renamed.ensemble.resamples["A"])

    def errors(law):
        return np.log(law.ensemble.resamples["beta"] / law.fit.parameters["beta"])

    assert not np.allclose(errors(first), errors(other), rtol=0.1)


def test_too_few_cells_have_no_law():
    law = fitted(star(multiplicative)[:2], resamples=10)
    assert (law.fit.status, law.scheme) == ("not identified", None)
    assert law.fit.reason == "2 points for 3 parameters"
    assert law.ensemble.resamples == {}


def test_seed_weights_are_the_recommended_procedure_s():
    runs = [
        Point(finetuning_examples=n, seed=seed, test_log_perplexity=2 + 9 / n + spread * seed)
        for n, spread in ((10, 0.1), (20, 0.01), (40, 0.01), (80, 0.01), (160, 0.01))
        for seed in (-1, 0, 1)
    ]
    weighted, plain = fitted(cells(runs)), fitted(cells(runs), seed_weights=False)
    assert weighted.data.weight[0] < weighted.data.weight[1]
    assert plain.data.weights is None
    paper = fitted(cells(runs), objective=PAPER, seed_weights=False)
    assert paper.objective == PAPER
    assert math.isclose(paper.fit.parameters["E"], 2, rel_tol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_runs_changes_nothing(random):
    runs = [
        Point(
            model_parameters=size,
            finetuning_examples=n,
            seed=seed,
            test_log_perplexity=2 + 9 / n + 1 / size + 0.01 * math.sin(7 * n + size + seed),
        )
        for size in (1, 2, 4)
        for n in (10, 20, 40, 80)
        for seed in (0, 1)
    ]
    shuffled = random.sample(runs, len(runs))
    first, second = fitted(cells(runs), resamples=3), fitted(cells(shuffled), resamples=3)
    assert first.fit == second.fit
    assert np.array_equal(first.ensemble.resamples["A"], second.ensemble.resamples["A"])
