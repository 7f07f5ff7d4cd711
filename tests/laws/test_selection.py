import math

import numpy as np
import pytest

from finescale.cli.tables import to_json
from finescale.laws import (
    CANDIDATES,
    LOG_LEAST_SQUARES,
    MULTIPLICATIVE,
    PAPER,
    POWER,
    RECTIFIED,
    Point,
    fit_law,
)
from finescale.laws.advice.combined import combined_data, fit_combined, over_factors
from finescale.laws.advice.selection import choose_law, select, without_worse
from finescale.laws.advice.trials import Trial
from finescale.laws.points import cells

SIZES = (1, 2, 4, 8, 16)
EXAMPLES = (50, 100, 200, 400, 800, 1600, 3200)
LAWS = {
    "multiplicative": lambda x, d: 3 * x**-0.3 * d**-0.15 + 0.8,
    "additive": lambda x, d: 0.6 * x**-0.5 + 4 * d**-0.4 + 0.8,
    "power": lambda x, d: 3 * x**-0.1 * d**-0.08,
    "rectified": lambda x, d: 60 * x**-0.3 / (30 + d**0.6) + 0.8,
}


def runs(law, sizes=SIZES, examples=EXAMPLES, noise=0.0, seed=0, repeats=1):
    rng = np.random.default_rng(seed)
    return cells(
        Point(
            model_parameters=size,
            finetuning_examples=d,
            seed=repeat,
            test_log_perplexity=float(law(size, d) * np.exp(noise * rng.standard_normal())),
        )
        for size in sizes
        for d in examples
        for repeat in range(repeats)
    )


def fitted(measured, form, objective=LOG_LEAST_SQUARES):
    return fit_combined(measured, form, model_size_as="total", objective=objective, resamples=0)


def chosen(measured, forms=CANDIDATES, objective=LOG_LEAST_SQUARES):
    return select([fitted(measured, form, objective) for form in forms])


def candidate(selection, form):
    return next(candidate for candidate in selection.candidates if candidate.form == form)


@pytest.mark.parametrize("form", LAWS)
@pytest.mark.parametrize("objective", [LOG_LEAST_SQUARES, PAPER], ids=["log", "paper"])
def test_clean_points_choose_the_form_they_were_made_from(form, objective):
    selection = chosen(runs(LAWS[form]), objective=objective)
    assert selection.preferred == form
    errors = candidate(selection, form)
    assert errors.base_model_error < 1e-6
    assert errors.largest_data_error < 1e-6
    assert (selection.base_models, selection.left_out) == (5, 5)


def test_noise_of_half_a_percent_seldom_hides_the_form():
    forms = [*LAWS] * 5
    right = [
        chosen(runs(LAWS[form], noise=0.005, seed=seed)).preferred == form
        for seed, form in enumerate(forms)
    ]
    assert sum(right) >= 18


def test_errors_are_those_of_fits_to_the_rest():
    measured = runs(LAWS["additive"], noise=0.01)
    found = candidate(chosen(measured), "multiplicative")
    form = over_factors(MULTIPLICATIVE, ("llm_model_size",))

    def error_without(left_out):
        rest = [cell for cell in measured if cell not in left_out]
        data, gone = (
            combined_data(part, ("llm_model_size",), "total", LOG_LEAST_SQUARES)
            for part in (rest, left_out)
        )
        fit = fit_law(form, {"": data}, objective=LOG_LEAST_SQUARES)
        return np.mean(np.abs(form.predict(fit.parameters, **gone.variables) - gone.loss))

    by_model = [
        error_without([cell for cell in measured if cell.model_parameters == size])
        for size in SIZES
    ]
    assert found.base_model_error == pytest.approx(np.mean(by_model), rel=1e-6)
    largest = [cell for cell in measured if cell.finetuning_examples == EXAMPLES[-1]]
    assert found.largest_data_error == pytest.approx(error_without(largest), rel=1e-6)


@pytest.mark.parametrize("objective", [LOG_LEAST_SQUARES, PAPER], ids=["log", "paper"])
def test_aicc_is_that_of_independent_normal_errors(objective):
    measured = runs(LAWS["power"], noise=0.01)
    found = candidate(chosen(measured, objective=objective), "power")
    # the power law is a line in logarithms
    x = np.log([[1.0, cell.model_parameters, cell.finetuning_examples] for cell in measured])
    x[:, 0] = 1
    y = np.log([cell.loss for cell in measured])
    residuals = y - x @ np.linalg.lstsq(x, y)[0]
    n, k = len(y), 4  # A, alpha, beta and the variance
    aic = n * np.log(np.mean(residuals**2)) + 2 * k
    assert found.aicc == pytest.approx(aic + 2 * k * (k + 1) / (n - k - 1), rel=1e-9)


def test_tied_forms_leave_the_simplest():
    # noise that hides an E of 0.3
    measured = runs(lambda x, d: 3 * x**-0.1 * d**-0.08 + 0.3, noise=0.01, seed=2)
    selection = chosen(measured)
    assert {"power", "multiplicative"} <= set(selection.tied)
    assert selection.preferred == "power"
    aicc = {c.form: c.aicc for c in selection.candidates}
    assert abs(aicc["power"] - aicc["multiplicative"]) <= 2
    assert "power" in selection.why and "tied" in selection.why


def test_a_form_clearly_ahead_is_not_tied():
    selection = chosen(runs(LAWS["power"], noise=0.005), forms=(POWER, RECTIFIED))
    assert selection.tied == ("power",)
    power, rectified = (c.aicc for c in selection.candidates)
    ahead = rectified - power
    assert selection.why == f"its AICc is {ahead:.1f} below that of rectified, the next"


def test_without_factors_the_additive_form_is_the_multiplicative_one():
    selection = chosen(runs(lambda x, d: 3 * d**-0.4 + 1, sizes=(None,)))
    assert selection.preferred == "multiplicative"
    assert candidate(selection, "additive").out.startswith("the same law as multiplicative")
    assert (selection.base_models, selection.left_out) == (1, 0)
    assert candidate(selection, "multiplicative").base_model_error is None
    assert candidate(selection, "multiplicative").largest_data_error < 1e-6


def test_a_base_model_that_alone_varies_a_factor_is_not_left_out():
    def loss(size, rank, d):
        return 3 * size**-0.3 * rank**-0.1 * d**-0.15 + 0.8

    places = {(size, 4) for size in SIZES} | {(4, rank) for rank in (1, 4, 16)}
    measured = cells(
        Point(
            model_parameters=size,
            pet_parameter_size=rank,
            finetuning_examples=d,
            test_log_perplexity=loss(size, rank, d),
        )
        for size, rank in places
        for d in EXAMPLES
    )
    selection = chosen(measured)
    assert (selection.base_models, selection.left_out) == (5, 4)
    assert selection.preferred == "multiplicative"
    assert candidate(selection, "multiplicative").base_model_error < 1e-6


def test_two_base_models_cannot_be_left_out_but_a_form_is_preferred():
    selection = chosen(runs(LAWS["multiplicative"], sizes=(1, 4)))
    assert (selection.base_models, selection.left_out) == (2, 0)
    assert selection.preferred == "multiplicative"
    assert candidate(selection, "multiplicative").base_model_error is None


def test_a_form_that_cannot_do_without_a_base_model_is_out():
    places = [(1, d) for d in EXAMPLES] + [(2, 50), (2, 100), (4, 200), (4, 400)]
    law = LAWS["multiplicative"]
    measured = [
        cell for cell in runs(law) if (cell.model_parameters, cell.finetuning_examples) in places
    ]
    selection = chosen(measured)
    out = candidate(selection, "rectified").out
    assert out == ("cannot do without the base model of 1 parameters: 4 points for 5 parameters")
    assert candidate(selection, "multiplicative").out == ""


def test_a_form_that_the_rest_leaves_undetermined_is_out():
    # without one of three sizes, A, alpha and E of the additive form are one too many; a refit
    # would keep what it knows from the size that was left out
    selection = chosen(runs(LAWS["additive"], sizes=(1, 4, 16)))
    assert candidate(selection, "additive").fit.ok
    assert candidate(selection, "additive").out == (
        "cannot do without the base model of 1 parameters: the rest cannot tell its parameters"
        " apart"
    )
    assert candidate(selection, "additive").base_model_error is None
    assert candidate(selection, "multiplicative").base_model_error > 0


def test_a_form_whose_fit_is_not_ok_is_out_with_its_reason():
    three = runs(lambda x, d: 3 * d**-0.4 + 1, sizes=(None,), examples=(50, 100, 200))
    selection = chosen(three, forms=(MULTIPLICATIVE, RECTIFIED))
    assert candidate(selection, "rectified").out == "not identified: 3 points for 4 parameters"
    assert selection.preferred == "multiplicative"
    assert selection.why == "the only form that is not out"
    assert candidate(selection, "multiplicative").aicc is None


def test_too_few_cells_for_aicc_leave_all_forms_tied():
    three = runs(lambda x, d: 3 * d**-0.4 + 1, sizes=(None,), examples=(50, 100, 200))
    selection = chosen(three, forms=(MULTIPLICATIVE, POWER))
    assert selection.tied == ("multiplicative", "power")
    assert selection.preferred == "power"
    assert "too few cells" in selection.why


def test_no_form_at_all():
    two = runs(lambda x, d: 3 * d**-0.4 + 1, sizes=(None,), examples=(50,))
    selection = chosen(two)
    assert selection.preferred is None
    assert selection.tied == ()
    assert all(candidate.out for candidate in selection.candidates)
    assert "multiplicative: not identified" in selection.why


@pytest.mark.parametrize(
    "errors, floor, out",
    [
        ((0.05, 0.06, 0.05, 0.06), None, True),
        ((0.05, 0.06, 0.05, 0.06), 0.03, True),
        ((0.05, 0.06, 0.05, 0.06), 0.05, False),  # not more than the noise of a cell
        ((0.21, 0.01, 0.01, 0.02), 0.01, False),  # one of four alone may be chance
        ((0.0101, 0.0101, 0.0101, 0.0101), None, False),  # certain, but less than the residuals
    ],
)
def test_a_form_that_predicts_what_was_left_out_worse_is_out(errors, floor, out):
    measured = runs(LAWS["multiplicative"], noise=0.005)
    best = Trial(fitted(measured, MULTIPLICATIVE), dict.fromkeys("abcd", 0.01), aicc=0.0)
    by_set = dict(zip("abcd", errors, strict=True))
    worse = Trial(fitted(measured, POWER), by_set, aicc=-100.0)
    judged = without_worse([best, worse], floor)
    assert [bool(trial.out) for trial in judged] == [False, out]


def test_the_noise_floor_is_that_of_repeated_seeds():
    assert chosen(runs(LAWS["power"])).noise_floor is None
    measured = runs(LAWS["power"], noise=0.01, repeats=3)
    spread = np.mean([np.var(cell.losses, ddof=1) for cell in measured])
    expected = math.sqrt(2 / math.pi * spread / 3)
    assert chosen(measured).noise_floor == pytest.approx(expected)


def test_choose_law_resamples_the_preferred_one_alone():
    choice = choose_law(
        runs(LAWS["power"], noise=0.005),
        (MULTIPLICATIVE, POWER),
        model_size_as="total",
        objective=LOG_LEAST_SQUARES,
        resamples=7,
    )
    assert choice.law.shape == choice.selection.preferred == "power"
    assert choice.law.ensemble.resamples["A"].shape == (7,)
    assert choice.laws["multiplicative"].ensemble.resamples == {}
    assert '"preferred": "power"' in to_json(choice.selection)
