"""Law forms against formulas written out."""

import numpy as np
import pytest

from finescale.laws import (
    ADDITIVE,
    FINETUNING_DATA,
    MULTIPLICATIVE,
    POWER,
    PRETRAINING,
    RECTIFIED,
)

PARAMETERS = {"A": 7.0, "alpha": 0.3, "B": 5.0, "beta": 0.1, "E": 1.2, "D_l": 2.0}
X, D = np.array([10.0, 200.0]), np.array([3.0, 50.0])


@pytest.mark.parametrize(
    ("form", "formula"),
    [
        (FINETUNING_DATA, lambda x, d: 7 / d**0.1 + 1.2),
        (PRETRAINING, lambda x, d: 7 / x**0.3 + 1.2),
        (MULTIPLICATIVE, lambda x, d: 7 / (x**0.3 * d**0.1) + 1.2),
        (ADDITIVE, lambda x, d: 7 / x**0.3 + 5 / d**0.1 + 1.2),
        (POWER, lambda x, d: 7 / (x**0.3 * d**0.1)),
        (RECTIFIED, lambda x, d: 7 / (x**0.3 * (2 + d**0.1)) + 1.2),
    ],
)
def test_predictions(form, formula):
    np.testing.assert_allclose(form.predict(PARAMETERS, X=X, D=D), formula(X, D), rtol=1e-14)


def test_predictions_broadcast():
    assert MULTIPLICATIVE.predict(PARAMETERS, X=10.0, D=D).shape == (2,)


def test_parameters_of_resamples_broadcast_against_the_variables():
    rows = {name: np.array([[value], [2 * value]]) for name, value in PARAMETERS.items()}
    found = RECTIFIED.predict(rows, X=X, D=D)
    assert found.shape == (2, 2)
    twice = {name: 2 * value for name, value in PARAMETERS.items()}
    np.testing.assert_allclose(found[1], RECTIFIED.predict(twice, X=X, D=D))


def test_parameters_are_coefficients_then_onsets_then_exponents():
    assert ADDITIVE.parameters == ("A", "B", "E", "alpha", "beta")
    assert MULTIPLICATIVE.parameters == ("A", "E", "alpha", "beta")
    assert RECTIFIED.parameters == ("A", "E", "D_l", "alpha", "beta")
    assert RECTIFIED.variables == ("X", "D")
