"""Law forms against formulas written out."""

import numpy as np
import pytest

from finescale.laws import ADDITIVE, FINETUNING_DATA, MULTIPLICATIVE, PRETRAINING

PARAMETERS = {"A": 7.0, "alpha": 0.3, "B": 5.0, "beta": 0.1, "E": 1.2}
X, D = np.array([10.0, 200.0]), np.array([3.0, 50.0])


@pytest.mark.parametrize(
    ("form", "formula"),
    [
        (FINETUNING_DATA, lambda x, d: 7 / d**0.1 + 1.2),
        (PRETRAINING, lambda x, d: 7 / x**0.3 + 1.2),
        (MULTIPLICATIVE, lambda x, d: 7 / (x**0.3 * d**0.1) + 1.2),
        (ADDITIVE, lambda x, d: 7 / x**0.3 + 5 / d**0.1 + 1.2),
    ],
)
def test_predictions(form, formula):
    np.testing.assert_allclose(form.predict(PARAMETERS, X=X, D=D), formula(X, D), rtol=1e-14)


def test_predictions_broadcast():
    assert MULTIPLICATIVE.predict(PARAMETERS, X=10.0, D=D).shape == (2,)


def test_parameters_are_coefficients_then_exponents():
    assert ADDITIVE.parameters == ("A", "B", "E", "alpha", "beta")
    assert MULTIPLICATIVE.parameters == ("A", "E", "alpha", "beta")
