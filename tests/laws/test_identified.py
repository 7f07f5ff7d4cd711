"""What points cannot tell is refused or named, and never made up."""

import numpy as np
import pytest

from finescale.errors import UserError
from finescale.laws import (
    ADDITIVE,
    FINETUNING_DATA,
    MULTIPLICATIVE,
    PAPER,
    POWER,
    RECTIFIED,
    Data,
    Fit,
    Unfittable,
    fit_law,
)

EXAMPLES = np.array([8e3, 2e4, 4e4, 6e4, 1e5])
X, D = (axis.ravel() for axis in np.meshgrid([1e9, 2e9, 4e9, 8e9], EXAMPLES))
TRUTH = {"A": 120_000.0, "alpha": 0.52, "beta": 0.15, "E": 0.75}  # of the multiplicative law


def part(keep) -> Data:
    """Some of the points, exact."""
    loss = MULTIPLICATIVE.predict(TRUTH, X=X, D=D)
    return Data(loss[keep], {"X": X[keep], "D": D[keep]})


@pytest.mark.parametrize(
    ("form", "groups", "words"),
    [
        (MULTIPLICATIVE, {}, "no points"),
        (MULTIPLICATIVE, {"": part(X < 0)}, "no points"),
        (FINETUNING_DATA, {"": part(D > 5e4)}, "2 distinct values of D, 3 needed"),
        (MULTIPLICATIVE, {"": part(X == 1e9)}, "1 distinct value of X, 2 needed"),
        (MULTIPLICATIVE, {"": part(D > 5e4)}, "2 distinct values of D, 3 needed"),
        (RECTIFIED, {"": part(D < 5e4)}, "3 distinct values of D, 4 needed"),
        (POWER, {"": part(D > 9e4)}, "1 distinct value of D, 2 needed"),
        (MULTIPLICATIVE, {"": part(np.arange(20) < 3)}, "3 points for 4 parameters"),
    ],
)
def test_too_few_points_are_refused(form, groups, words):
    with pytest.raises(Unfittable, match=f"cannot fit the {form.name} law: {words}") as refused:
        fit_law(form, groups, objective=PAPER)
    assert refused.value.shortage.startswith(words)


def test_entangled_parameters_are_not_identified():
    fit = fit_law(ADDITIVE, {"": part(X < 3e9)}, objective=PAPER)
    assert (fit.ok, fit.status, fit.parameters) == (False, "not identified", {})
    assert "cannot tell" in fit.reason


def test_two_sizes_identify_a_multiplicative_law():
    """The counterpart of the additive case: here two sizes are enough."""
    fit = fit_law(MULTIPLICATIVE, {"": part(X < 3e9)}, objective=PAPER)
    assert fit.parameters == pytest.approx(TRUTH, rel=1e-4)


def test_equal_losses_identify_nothing():
    flat = Data(np.full(len(X), 2.0), {"X": X, "D": D})
    assert not fit_law(MULTIPLICATIVE, {"": flat}, objective=PAPER).ok


def test_a_step_is_not_a_power_law():
    """After its first point the loss is flat: beta could be anything large."""
    data = Data(np.array([3.0, 2.0, 2.0, 2.0, 2.0]), {"D": EXAMPLES})
    fit = fit_law(FINETUNING_DATA, {"": data}, objective=PAPER)
    assert (fit.ok, fit.status) == (False, "degenerate")
    assert "edge of the search" in fit.reason


def test_e_at_zero_is_an_answer_and_is_named():
    truth = {"A": 6.0, "beta": 0.05, "E": 0.0}
    data = Data(
        FINETUNING_DATA.predict(truth, D=EXAMPLES) - 0.01 * np.log10(EXAMPLES), {"D": EXAMPLES}
    )
    fit = fit_law(FINETUNING_DATA, {"": data}, objective=PAPER)
    assert (fit.ok, fit.status) == (True, "bound hit")
    assert fit.at_bound == ("E",)
    assert fit.parameters["E"] < 1e-4


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, -1.0])
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(UserError, match="loss must be finite and positive"):
        Data(np.array([2.0, wrong]), {"D": np.array([1.0, 2.0])})
    with pytest.raises(UserError, match="D must be finite and positive"):
        Data(np.array([2.0, 2.0]), {"D": np.array([1.0, wrong])})


def test_json_round_trip():
    for fit in (
        fit_law(MULTIPLICATIVE, {"": part(X > 0)}, objective=PAPER, held={"E": 0.75}),
        fit_law(ADDITIVE, {"": part(X < 3e9)}, objective=PAPER),
    ):
        assert Fit.from_json(fit.to_json()) == fit
