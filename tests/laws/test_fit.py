"""Fits recover known laws, whatever the order, units and weights of the points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from finescale.laws import (
    ADDITIVE,
    FINETUNING_DATA,
    LOG_LEAST_SQUARES,
    MULTIPLICATIVE,
    PAPER,
    POWER,
    PRETRAINING,
    RECTIFIED,
    Data,
    Objective,
    fit_law,
)
from finescale.laws.fitting.engine import descend
from finescale.laws.fitting.fit import refit_rows
from finescale.laws.fitting.layout import Layout
from finescale.laws.fitting.reference import descend_by_scipy, gradient

EXAMPLES = np.array([8e3, 2e4, 4e4, 6e4, 1e5])
SIZES = np.array([1e9, 2e9, 4e9, 8e9])
X, D = (axis.ravel() for axis in np.meshgrid(SIZES, EXAMPLES))
TRUTH = {
    FINETUNING_DATA: {"A": 6.0, "beta": 0.15, "E": 0.75},
    PRETRAINING: {"A": 800.0, "alpha": 0.3, "E": 1.4},
    MULTIPLICATIVE: {"A": 120_000.0, "alpha": 0.52, "beta": 0.15, "E": 0.75},
    ADDITIVE: {"A": 1500.0, "alpha": 0.36, "B": 6.0, "beta": 0.2, "E": 0.6},
    POWER: {"A": 30.0, "alpha": 0.1, "beta": 0.05},
    RECTIFIED: {"A": 400_000.0, "alpha": 0.5, "D_l": 15.0, "beta": 0.25, "E": 0.75},
}
OBJECTIVES = (PAPER, Objective("log", 1e-3), LOG_LEAST_SQUARES)


def exact(form, x=X, d=D, truth=None) -> Data:
    loss = form.predict(truth or TRUTH[form], X=x, D=d)
    return Data(np.broadcast_to(loss, x.shape), {"X": x, "D": d})


def noisy(form, seed, scale=0.005) -> Data:
    data = exact(form)
    noise = np.random.default_rng(seed).normal(0, scale, data.loss.shape)
    return Data(data.loss * np.exp(noise), data.variables)


def assert_close(found, expected, rel=1e-4):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=rel), name


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize("form", TRUTH, ids=lambda form: form.name)
def test_exact_points_give_the_law_back(form, objective):
    fit = fit_law(form, {"": exact(form)}, objective=objective)
    assert fit.status == "converged"
    assert_close(fit.parameters, TRUTH[form], rel=1e-6)
    assert fit.objective < 1e-20
    assert fit.gradient_norm < 1e-9
    assert 1 <= fit.condition_number < 1e7
    assert fit.points == len(X)
    assert 1 <= fit.agreeing <= fit.finalists <= fit.starts


@pytest.mark.parametrize("alpha", [-0.0017, 0.0027, 1.3])
def test_small_negative_and_large_exponents(alpha):
    truth = TRUTH[MULTIPLICATIVE] | {"alpha": alpha, "A": 2.0}
    sizes = np.tile([4.0, 16.0, 64.0], 5)
    data = exact(MULTIPLICATIVE, sizes, np.repeat(EXAMPLES, 3), truth)
    assert_close(fit_law(MULTIPLICATIVE, {"": data}, objective=PAPER).parameters, truth)


@pytest.mark.parametrize("form", [MULTIPLICATIVE, ADDITIVE], ids=lambda form: form.name)
def test_groups_share_what_is_shared_and_nothing_else(form):
    other = TRUTH[form] | {"A": 300.0, "alpha": 0.21}
    if "B" in other:
        other["B"] = 9.0
    groups = {"size": exact(form), "tokens": exact(form, X * 70, D, other)}
    fit = fit_law(form, groups, objective=PAPER, shared=("beta", "E"))
    own = {
        f"{group}.{name}": truth[name]
        for group, truth in {"size": TRUTH[form], "tokens": other}.items()
        for name in truth
        if name not in ("beta", "E")
    }
    assert_close(fit.parameters, own | {"beta": TRUTH[form]["beta"], "E": TRUTH[form]["E"]})


@pytest.mark.parametrize("form", [MULTIPLICATIVE, ADDITIVE], ids=lambda form: form.name)
def test_held_parameters_keep_their_values(form):
    held = {"beta": TRUTH[form]["beta"], "E": TRUTH[form]["E"]}
    fit = fit_law(form, {"": exact(form)}, objective=PAPER, held=held)
    assert_close(fit.parameters, TRUTH[form])
    assert set(fit.held) == {"beta", "E"}
    moved = fit_law(form, {"": exact(form)}, objective=PAPER, held=held | {"beta": 0.3})
    assert moved.parameters["beta"] == 0.3
    assert moved.objective > fit.objective


def test_a_held_coefficient_is_not_shifted_by_centring():
    truth = TRUTH[MULTIPLICATIVE]
    fit = fit_law(
        MULTIPLICATIVE, {"": exact(MULTIPLICATIVE)}, objective=PAPER, held={"A": truth["A"]}
    )
    assert_close(fit.parameters, truth)


@pytest.mark.parametrize("form", [FINETUNING_DATA, MULTIPLICATIVE, ADDITIVE], ids=lambda f: f.name)
def test_agrees_with_least_squares_where_huber_is_quadratic(form):
    """With delta beyond all residuals the objective is half the sum of squares."""
    data = noisy(form, seed=3)
    fit = fit_law(form, {"": data}, objective=Objective("raw"))
    names = list(fit.parameters)

    def residuals(theta):
        values = dict(zip(names, theta, strict=True))
        positive = {name: np.exp(values[name]) for name in form.coefficients}
        return form.predict(values | positive, **data.variables) - data.loss

    truth = TRUTH[form]
    start = [np.log(truth[n]) if n in form.coefficients else truth[n] for n in names]
    best = least_squares(residuals, start, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert fit.objective == pytest.approx(best.cost, rel=1e-6)


def test_agrees_with_brute_force_where_huber_is_absolute():
    """Single-variable law: for each beta on a fine grid, A and E by linear programming."""
    from scipy.optimize import linprog

    data = noisy(FINETUNING_DATA, seed=5, scale=0.02)
    fit = fit_law(FINETUNING_DATA, {"": data}, objective=Objective("raw", 1e-6))
    count, best = len(D), np.inf
    for beta in np.linspace(fit.parameters["beta"] - 0.1, fit.parameters["beta"] + 0.1, 101):
        columns = np.column_stack([D**-beta, np.ones(count)])
        upper = np.block([[columns, -np.eye(count)], [-columns, -np.eye(count)]])
        cost = np.r_[0, 0, np.ones(count)]
        solved = linprog(cost, upper, np.r_[data.loss, -data.loss], bounds=(0, None))
        best = min(best, solved.fun)
    predicted = FINETUNING_DATA.predict(fit.parameters, D=D)
    assert np.abs(predicted - data.loss).sum() <= best * (1 + 1e-4)


def test_one_wild_point_moves_the_law_little():
    data = exact(MULTIPLICATIVE)
    loss = data.loss.copy()
    loss[7] += 0.5
    fit = fit_law(MULTIPLICATIVE, {"": Data(loss, data.variables)}, objective=PAPER)
    assert_close(fit.parameters, TRUTH[MULTIPLICATIVE], rel=2e-2)


@settings(max_examples=15)
@given(
    st.sampled_from([MULTIPLICATIVE, ADDITIVE]),
    st.floats(1e-3, 1e3),
    st.floats(1e-3, 1e3),
)
def test_units_of_x_and_d_change_only_the_coefficients(form, x_unit, d_unit):
    data = noisy(form, seed=7)
    scaled = Data(data.loss, {"X": X * x_unit, "D": D * d_unit})
    plain = fit_law(form, {"": data}, objective=PAPER)
    other = fit_law(form, {"": scaled}, objective=PAPER)
    assert other.objective == pytest.approx(plain.objective, rel=1e-6)
    for name in ("alpha", "beta", "E"):
        assert other.parameters[name] == pytest.approx(plain.parameters[name], rel=1e-3), name
    for term in form.terms[:-1]:
        units = {"X": x_unit, "D": d_unit}
        factor = np.prod(
            [
                units[v] ** plain.parameters[e]
                for v, e in ((p.variable, p.exponent) for p in term.powers)
            ]
        )
        expected = plain.parameters[term.coefficient] * factor
        assert other.parameters[term.coefficient] == pytest.approx(expected, rel=2e-2)


@settings(max_examples=10)
@given(st.permutations(range(len(X))))
def test_order_of_the_points_does_not_matter(order):
    data = noisy(MULTIPLICATIVE, seed=9)
    order = np.array(order)
    shuffled = Data(data.loss[order], {"X": X[order], "D": D[order]})
    plain = fit_law(MULTIPLICATIVE, {"": data}, objective=PAPER)
    other = fit_law(MULTIPLICATIVE, {"": shuffled}, objective=PAPER)
    assert other.objective == pytest.approx(plain.objective, rel=1e-6)
    assert_close(other.parameters, plain.parameters, rel=1e-3)


@settings(max_examples=12)
@given(st.sampled_from(list(TRUTH)), st.sampled_from(OBJECTIVES), st.integers(0, 99))
def test_each_point_twice_at_half_its_weight_changes_nothing(form, objective, seed):
    data = noisy(form, seed)
    twice = Data(
        np.tile(data.loss, 2),
        {name: np.tile(values, 2) for name, values in data.variables.items()},
        np.full(2 * len(X), 0.5),
    )
    plain, other = (fit_law(form, {"": d}, objective=objective) for d in (data, twice))
    assert (other.status, other.points) == (plain.status, 2 * plain.points)
    if plain.ok:
        assert other.objective == pytest.approx(plain.objective, rel=1e-6)
        np.testing.assert_allclose(
            form.predict(other.parameters, X=X, D=D),
            form.predict(plain.parameters, X=X, D=D),
            rtol=1e-6,
        )


@settings(max_examples=10)
@given(st.sampled_from([MULTIPLICATIVE, ADDITIVE, POWER, RECTIFIED]), st.integers(0, 99))
def test_fitted_loss_falls_in_x_and_d(form, seed):
    fit = fit_law(form, {"": noisy(form, seed)}, objective=LOG_LEAST_SQUARES)
    if fit.ok and min(fit.parameters["alpha"], fit.parameters["beta"]) > 0:
        x, d = np.geomspace(1e8, 1e11, 20), np.geomspace(1e2, 1e7, 20)
        assert np.all(np.diff(form.predict(fit.parameters, X=x, D=1e4)) <= 0)
        assert np.all(np.diff(form.predict(fit.parameters, X=1e9, D=d)) <= 0)


def test_weights_are_how_often_a_point_counts():
    data = noisy(MULTIPLICATIVE, seed=11)
    counts = np.random.default_rng(0).integers(1, 4, len(X))
    weighted = Data(data.loss, data.variables, counts.astype(float))
    repeated = Data(
        np.repeat(data.loss, counts),
        {name: np.repeat(values, counts) for name, values in data.variables.items()},
    )
    one = fit_law(MULTIPLICATIVE, {"": weighted}, objective=PAPER)
    other = fit_law(MULTIPLICATIVE, {"": repeated}, objective=PAPER)
    assert_close(one.parameters, other.parameters, rel=1e-6)


def test_given_bounds_are_kept_and_named():
    data = exact(MULTIPLICATIVE)
    fit = fit_law(
        MULTIPLICATIVE, {"": data}, objective=PAPER, bounds={"alpha": (0.0, 0.4), "E": (0.7, 2.0)}
    )
    assert fit.parameters["alpha"] == pytest.approx(0.4, abs=1e-12)
    assert fit.parameters["E"] >= 0.7
    assert (fit.status, "alpha" in fit.at_bound) == ("bound hit", True)
    below = fit_law(MULTIPLICATIVE, {"": data}, objective=PAPER, bounds={"A": (1.0, 1e4)})
    assert below.parameters["A"] == pytest.approx(1e4, rel=1e-9)
    wide = fit_law(MULTIPLICATIVE, {"": data}, objective=PAPER, bounds={"A": (1.0, 1e9)})
    assert_close(wide.parameters, TRUTH[MULTIPLICATIVE], rel=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize("form", TRUTH, ids=lambda form: form.name)
def test_as_good_as_scipy_from_the_same_starts(form, objective):
    layout = Layout(form, {"": noisy(form, seed=13)}, (), {}, {})
    problem = layout.problem(objective.log, objective.delta)
    starts = layout.starts(problem)[::5]
    ours, theirs = descend(problem, starts), descend_by_scipy(problem, starts)
    assert ours.value.min() <= theirs.value.min() + 1e-12
    fit = fit_law(form, {"": noisy(form, seed=13)}, objective=objective)
    assert fit.objective <= theirs.value.min() + 1e-12
    best = ours.theta[ours.value.argmin()]
    assert np.linalg.norm(gradient(problem, best)) < 1e-6


def test_refits_are_the_fits_of_each_row():
    data, rows = noisy(MULTIPLICATIVE, seed=17), 5
    rng = np.random.default_rng(0)
    fit = fit_law(MULTIPLICATIVE, {"": data}, objective=LOG_LEAST_SQUARES)
    losses = data.loss * np.exp(rng.normal(0, 0.005, (rows, len(X))))
    weights = rng.integers(1, 3, (rows, len(X))).astype(float)
    held = {"beta": rng.uniform(0.1, 0.2, rows)}
    refits = refit_rows(
        MULTIPLICATIVE,
        {"": data},
        fit,
        objective=LOG_LEAST_SQUARES,
        held=held,
        weights={"": weights},
        losses={"": losses},
    )
    for row in range(rows):
        alone = fit_law(
            MULTIPLICATIVE,
            {"": Data(losses[row], data.variables, weights[row])},
            objective=LOG_LEAST_SQUARES,
            held={"beta": float(held["beta"][row])},
        )
        assert refits.objective[row] == pytest.approx(alone.objective, rel=1e-9)
        found = {name: values[row] for name, values in refits.parameters.items()}
        assert_close(found, alone.parameters, rel=1e-5)


def test_refits_leave_a_bound_that_a_resample_does_not_want():
    """A fit whose E is 0, refitted to losses that have one."""
    data = exact(FINETUNING_DATA, truth={"A": 6.0, "beta": 0.05, "E": 0.0})
    steep = Data(data.loss - 0.01 * np.log10(D), {"D": D})
    fit = fit_law(FINETUNING_DATA, {"": steep}, objective=LOG_LEAST_SQUARES)
    assert fit.at_bound == ("E",)
    flat = exact(FINETUNING_DATA)
    refits = refit_rows(
        FINETUNING_DATA,
        {"": steep},
        fit,
        objective=LOG_LEAST_SQUARES,
        losses={"": flat.loss[None]},
    )
    assert refits.parameters["E"][0] == pytest.approx(TRUTH[FINETUNING_DATA]["E"], rel=1e-4)
