"""A law with its resamples: predictions of each, and percentiles."""

import numpy as np

from finescale.laws import MULTIPLICATIVE, Ensemble, interval

FIT = {"A": 8.0, "alpha": 0.2, "beta": 0.1, "E": 1.0}
RESAMPLES = {name: np.array([value, value * 1.1, value * 0.9]) for name, value in FIT.items()}
LAW = Ensemble(MULTIPLICATIVE, FIT, RESAMPLES)


def test_each_resample_is_predicted_at_each_place():
    examples = np.array([[10.0, 100.0], [1e3, 1e4]])
    found = LAW.predict_resamples(X=50.0, D=examples)
    assert found.shape == (3, 2, 2)
    for row in range(3):
        parameters = {name: values[row] for name, values in RESAMPLES.items()}
        expected = MULTIPLICATIVE.predict(parameters, X=50.0, D=examples)
        np.testing.assert_allclose(found[row], expected)
    np.testing.assert_allclose(found[0], LAW.predict(X=50.0, D=examples))


def test_a_single_place_gives_a_number_for_each_resample():
    assert LAW.predict_resamples(X=50.0, D=10.0).shape == (3,)


def test_intervals_are_percentiles_of_the_first_axis():
    values = np.arange(1001.0)[:, None] * np.array([1.0, -2.0])
    low, high = interval(values)
    np.testing.assert_allclose(low, [25.0, -1950.0])
    np.testing.assert_allclose(high, [975.0, -50.0])
    low, high = interval(values, level=0.5)
    np.testing.assert_allclose(high - low, [500.0, 1000.0])
