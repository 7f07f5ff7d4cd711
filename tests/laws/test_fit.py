"""Fits recover known laws, and say so when points cannot fix one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from finescale.laws import (
    ADDITIVE,
    FINETUNING_DATA,
    MULTIPLICATIVE,
    PRETRAINING,
    Data,
    Fit,
    fit_law,
)

DELTA = 1e-3
EXAMPLES = np.array([8e3, 2e4, 4e4, 6e4, 1e5])
SIZES = np.array([1e9, 2e9, 4e9, 8e9])
X, D = (axis.ravel() for axis in np.meshgrid(SIZES, EXAMPLES))
TRUTH = {
    FINETUNING_DATA: {"A": 6.0, "beta": 0.15, "E": 0.75},
    PRETRAINING: {"A": 800.0, "alpha": 0.3, "E": 1.4},
    MULTIPLICATIVE: {"A": 120_000.0, "alpha": 0.52, "beta": 0.15, "E": 0.75},
    ADDITIVE: {"A": 1500.0, "alpha": 0.36, "B": 6.0, "beta": 0.2, "E": 0.6},
}


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


@pytest.mark.parametrize("form", TRUTH, ids=lambda form: form.name)
def test_exact_points_give_the_law_back(form):
    fit = fit_law(form, {"": exact(form)}, delta=DELTA)
    assert fit.ok
    assert_close(fit.parameters, TRUTH[form])
    assert fit.objective < 1e-15
    assert fit.points == len(X)
    assert 1 <= fit.agreeing <= fit.starts


@pytest.mark.parametrize("alpha", [-0.0017, 0.0027, 1.3])
def test_small_negative_and_large_exponents(alpha):
    truth = TRUTH[MULTIPLICATIVE] | {"alpha": alpha, "A": 2.0}
    sizes = np.tile([4.0, 16.0, 64.0], 5)
    data = exact(MULTIPLICATIVE, sizes, np.repeat(EXAMPLES, 3), truth)
    assert_close(fit_law(MULTIPLICATIVE, {"": data}, delta=DELTA).parameters, truth)


@pytest.mark.parametrize("form", [MULTIPLICATIVE, ADDITIVE], ids=lambda form: form.name)
def test_groups_share_what_is_shared_and_nothing_else(form):
    other = TRUTH[form] | {"A": 300.0, "alpha": 0.21}
    if "B" in other:
        other["B"] = 9.0
    groups = {"size": exact(form), "tokens": exact(form, X * 70, D, other)}
    fit = fit_law(form, groups, delta=DELTA, shared=("beta", "E"))
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
    fit = fit_law(form, {"": exact(form)}, delta=DELTA, held=held)
    assert_close(fit.parameters, TRUTH[form])
    assert set(fit.held) == {"beta", "E"}
    moved = fit_law(form, {"": exact(form)}, delta=DELTA, held=held | {"beta": 0.3})
    assert moved.parameters["beta"] == 0.3
    assert moved.objective > fit.objective


def test_a_held_coefficient_is_not_shifted_by_centring():
    truth = TRUTH[MULTIPLICATIVE]
    fit = fit_law(MULTIPLICATIVE, {"": exact(MULTIPLICATIVE)}, delta=DELTA, held={"A": truth["A"]})
    assert_close(fit.parameters, truth)


@pytest.mark.parametrize("form", [FINETUNING_DATA, MULTIPLICATIVE, ADDITIVE], ids=lambda f: f.name)
def test_agrees_with_least_squares_where_huber_is_quadratic(form):
    """With delta beyond all residuals the objective is half the sum of squares."""
    data = noisy(form, seed=3)
    fit = fit_law(form, {"": data}, delta=10.0)
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
    fit = fit_law(FINETUNING_DATA, {"": data}, delta=1e-6)
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
    fit = fit_law(MULTIPLICATIVE, {"": Data(loss, data.variables)}, delta=DELTA)
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
    plain = fit_law(form, {"": data}, delta=DELTA)
    other = fit_law(form, {"": scaled}, delta=DELTA)
    assert other.objective == pytest.approx(plain.objective, rel=1e-6)
    for name in ("alpha", "beta", "E"):
        assert other.parameters[name] == pytest.approx(plain.parameters[name], rel=1e-3), name
    for term in form.terms[:-1]:
        units = {"X": x_unit, "D": d_unit}
        factor = np.prod([units[v] ** plain.parameters[e] for v, e in term.exponents])
        expected = plain.parameters[term.coefficient] * factor
        assert other.parameters[term.coefficient] == pytest.approx(expected, rel=2e-2)


@settings(max_examples=10)
@given(st.permutations(range(len(X))))
def test_order_of_the_points_does_not_matter(order):
    data = noisy(MULTIPLICATIVE, seed=9)
    order = np.array(order)
    shuffled = Data(data.loss[order], {"X": X[order], "D": D[order]})
    plain = fit_law(MULTIPLICATIVE, {"": data}, delta=DELTA)
    other = fit_law(MULTIPLICATIVE, {"": shuffled}, delta=DELTA)
    assert other.objective == pytest.approx(plain.objective, rel=1e-6)
    assert_close(other.parameters, plain.parameters, rel=1e-3)


def part(keep) -> Data:
    data = exact(MULTIPLICATIVE)
    return Data(data.loss[keep], {"X": X[keep], "D": D[keep]})


@pytest.mark.parametrize(
    ("form", "groups", "words"),
    [
        (MULTIPLICATIVE, {}, "no points"),
        (MULTIPLICATIVE, {"": part(X < 0)}, "no points"),
        (FINETUNING_DATA, {"": part(D > 5e4)}, "2 distinct values of D, 3 needed"),
        (MULTIPLICATIVE, {"": part(X == 1e9)}, "1 distinct values of X, 2 needed"),
        (MULTIPLICATIVE, {"": part(D > 5e4)}, "2 distinct values of D, 3 needed"),
        (MULTIPLICATIVE, {"": part(np.arange(20) < 3)}, "3 points for 4 parameters"),
        (ADDITIVE, {"": part(X < 3e9)}, "cannot tell"),
    ],
)
def test_too_few_points_are_not_identified(form, groups, words):
    fit = fit_law(form, groups, delta=DELTA)
    assert not fit.ok
    assert fit.status == "not identified"
    assert words in fit.reason
    assert fit.parameters == {}


def test_two_sizes_identify_a_multiplicative_law():
    """The counterpart of the additive case: here two sizes are enough."""
    fit = fit_law(MULTIPLICATIVE, {"": part(X < 3e9)}, delta=DELTA)
    assert_close(fit.parameters, TRUTH[MULTIPLICATIVE])


def test_equal_losses_identify_nothing():
    flat = Data(np.full(len(X), 2.0), {"X": X, "D": D})
    assert not fit_law(MULTIPLICATIVE, {"": flat}, delta=DELTA).ok


def test_a_step_is_not_a_power_law():
    """After its first point the loss is flat: beta could be anything large."""
    data = Data(np.array([3.0, 2.0, 2.0, 2.0, 2.0]), {"D": EXAMPLES})
    fit = fit_law(FINETUNING_DATA, {"": data}, delta=DELTA)
    assert not fit.ok
    assert "edge of the search" in fit.reason


def test_e_at_zero_is_an_answer_and_is_named():
    truth = {"A": 6.0, "beta": 0.05, "E": 0.0}
    data = Data(
        FINETUNING_DATA.predict(truth, D=EXAMPLES) - 0.01 * np.log10(EXAMPLES), {"D": EXAMPLES}
    )
    fit = fit_law(FINETUNING_DATA, {"": data}, delta=DELTA)
    assert fit.ok
    assert fit.at_bound == ("E",)
    assert fit.parameters["E"] < 1e-4


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, -1.0])
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="loss must be finite and positive"):
        Data(np.array([2.0, wrong]), {"D": np.array([1.0, 2.0])})
    with pytest.raises(ValueError, match="D must be finite and positive"):
        Data(np.array([2.0, 2.0]), {"D": np.array([1.0, wrong])})


def test_json_round_trip():
    for fit in (
        fit_law(MULTIPLICATIVE, {"": exact(MULTIPLICATIVE)}, delta=DELTA, held={"E": 0.75}),
        fit_law(MULTIPLICATIVE, {}, delta=DELTA),
    ):
        assert Fit.from_json(fit.to_json()) == fit
