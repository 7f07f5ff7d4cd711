"""Intervals of what may be asked, against finite differences, known facts and simulation."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import approx_fprime, brentq

from finescale.laws import LOG_LEAST_SQUARES, MULTIPLICATIVE
from finescale.laws.advice.combined import fit_combined
from finescale.laws.design import CriticalSize, Difference, Exponents, Loss
from finescale.laws.design.runs import run_of
from finescale.laws.fitting.fit import refit_rows
from finescale.laws.fitting.layout import Data
from finescale.laws.intervals.ensemble import interval
from finescale.laws.points import cells

# Interests, against derivatives by finite differences


def numeric_width(designs, form, parameters, quantity):
    """Of 95%, by dense least squares and numeric derivatives; `quantity` is of the parameters."""
    best = np.array([parameters[name] for name in form.parameters])
    size, examples = np.transpose(list(product(designs.SIZES, designs.EXAMPLES)))

    def named(values):
        return dict(zip(form.parameters, values, strict=True))

    def slopes(function):
        return approx_fprime(best, lambda values: function(named(values)), 1e-6 * best)

    jacobian = slopes(lambda p: np.log(form.predict(p, X=size, D=examples)))
    gradient = slopes(quantity)
    covariance = 0.005**2 * np.linalg.inv(jacobian.T @ jacobian)
    return 2 * 1.959964 * np.sqrt(gradient @ covariance @ gradient)


@pytest.mark.parametrize("name", ["multiplicative", "additive", "power", "rectified"])
def test_interval_of_a_loss(designs, name):
    form, parameters = designs.FORMS[name], designs.PARAMETERS[name]
    found = designs.width(
        designs.points(parameters, form), Loss("fmt", 20_000, {"llm_model_size": 5e6}), form=name
    )
    expected = numeric_width(
        designs, form, parameters, lambda p: np.log(float(form.predict(p, X=5e6, D=20_000)))
    )
    assert found == pytest.approx(expected, rel=2e-3)


def test_interval_of_a_critical_size_moves_with_both_laws(designs):
    (found,) = designs.designed(designs.two_methods(), CriticalSize("fmt", "lora")).estimates

    def crossing(first, second):
        def gap(log_size):
            losses = (
                MULTIPLICATIVE.predict(p, X=16e5, D=np.exp(log_size)) for p in (first, second)
            )
            return float(np.subtract(*losses))

        return brentq(gap, np.log(100), np.log(1000), xtol=1e-14)

    by_first = numeric_width(
        designs, MULTIPLICATIVE, designs.LAW, lambda p: crossing(p, designs.OTHER)
    )
    by_second = numeric_width(
        designs, MULTIPLICATIVE, designs.OTHER, lambda p: crossing(designs.LAW, p)
    )
    assert np.log(found.value) == pytest.approx(crossing(designs.LAW, designs.OTHER), rel=1e-6)
    assert np.log(found.high / found.low) == pytest.approx(np.hypot(by_first, by_second), rel=2e-3)


def test_interval_of_a_difference_adds_the_variances_of_both_losses(designs):
    table = designs.two_methods()
    losses = [
        designs.designed(table, Loss(method, 2000)).estimates[0] for method in ("fmt", "lora")
    ]
    (found,) = designs.designed(table, Difference("fmt", "lora", 2000)).estimates
    errors = [loss.value * np.log(loss.high / loss.low) for loss in losses]
    assert found.value == pytest.approx(losses[0].value - losses[1].value)
    assert found.high - found.low == pytest.approx(np.hypot(*errors), rel=1e-6)


# What is known about the design of such experiments


def beta_width(designs, table, **options):
    (beta,) = (
        e
        for e in designs.designed(table, Exponents("fmt"), **options).estimates
        if e.name == "beta"
    )
    return beta.high - beta.low


def test_a_wider_data_range_tells_more_of_beta_and_the_level_than_more_points(designs):
    more = designs.points(examples=np.unique(np.geomspace(64, 4096, 10).astype(int)))
    wider = designs.points(examples=(64, 320, 1600, 8000, 40_000))
    level = Loss("fmt", 1e15)  # where only E is left
    assert (
        beta_width(designs, wider)
        < beta_width(designs, more)
        < beta_width(designs, designs.points())
    )
    assert (
        designs.width(wider, level)
        < designs.width(more, level)
        < designs.width(designs.points(), level)
    )


def test_more_base_models_tell_more_of_alpha_than_more_data_sizes(designs):
    effects = {"noise": 0.002, "base_model_noise": 0.01}  # where base models differ most
    models = designs.points(sizes=np.geomspace(1e5, 16e5, 10))
    data = designs.points(examples=np.unique(np.geomspace(64, 4096, 10).astype(int)))
    alpha = Exponents("fmt")
    now, by_models, by_data = (
        designs.width(t, alpha, **effects) for t in (designs.points(), models, data)
    )
    assert by_models < by_data < now


def test_a_fifth_of_the_noise_is_a_fifth_of_every_interval(designs):
    for interest in (Loss("fmt", 20_000), Exponents("fmt")):
        wide, narrow = (
            designs.width(designs.points(), interest, noise=noise) for noise in (0.005, 0.001)
        )
        assert wide == pytest.approx(5 * narrow)


def test_linearised_interval_agrees_with_the_resampled_one(designs):
    rng = np.random.default_rng(2)
    table = designs.points(
        sizes=np.geomspace(1e5, 64e5, 10), noise=0.003, base_model_noise=0.005, rng=rng
    )
    for place in ({}, {"llm_model_size": 4e5}):
        found = designs.width(table, Loss("fmt", 2000, place), noise=None, base_model_noise=None)
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


def test_runs_bring_what_was_predicted(designs):
    """Refits to simulated losses, with the three runs of the plan and without."""
    interest = Loss("fmt", 30_000, {"llm_model_size": 3e6})
    found = designs.designed(designs.points(), interest, runs=3)
    chosen = [step.candidate.run for step in found.plan]
    measured = [run_of(cell, "total") for cell in cells(designs.points())]
    spreads = [_spread(designs, runs, interest) for runs in (measured, measured + chosen)]
    assert found.plan[-1].width < 0.8
    assert spreads[1] / spreads[0] == pytest.approx(found.plan[-1].width, rel=0.06)


def _spread(designs, runs, interest):
    """Of the interest's logarithm, over refits to losses with 0.5% error."""
    size = np.array([run.llm_model_size for run in runs])
    examples = np.array([run.finetuning_examples for run in runs])
    truth = MULTIPLICATIVE.predict(designs.LAW, X=size, D=examples)
    rng = np.random.default_rng(0)
    losses = truth * np.exp(rng.normal(0, 0.005, (1500, len(runs))))
    data = {"": Data(truth, {"X": size, "D": examples})}
    law = fit_combined(
        cells(designs.points()),
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
