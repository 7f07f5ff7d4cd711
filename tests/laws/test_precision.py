"""What runs tell and what further ones would add, against dense matrices of single runs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.laws.design.precision import knowledge


def dense(derivatives, base_models, cell_of, noise, gradient):
    """Covariance of the quantities, from a row for each run, without any shortcut."""
    run, cell, base_model = noise
    runs = len(derivatives)
    errors = np.zeros((runs, runs))
    for i, j in product(range(runs), repeat=2):
        errors[i, j] += base_model**2 * (base_models[i] == base_models[j])
        errors[i, j] += cell**2 * (cell_of[i] == cell_of[j]) + run**2 * (i == j)
    information = derivatives.T @ np.linalg.inv(errors) @ derivatives
    return gradient @ np.linalg.inv(information) @ gradient.T


class Case:
    """Five cells of three base models with 1 to 3 seeds; candidates of each kind."""

    base_model = np.array([0, 0, 1, 1, 2, 0, 1, 3, 3])
    cell = np.array([0, 1, 2, 3, 4, 0, 5, 6, 6])  # the last two are the same new cell
    seeds = np.array([1, 2, 1, 3, 1])

    def __init__(self, seed, noise=(0.3, 0.2, 0.5)):
        rng = np.random.default_rng(seed)
        self.derivatives = rng.normal(size=(len(self.cell), 3))
        self.derivatives[8] = self.derivatives[7]
        self.derivatives[5] = self.derivatives[0]
        self.gradient = rng.normal(size=(2, 3))
        self.noise = noise

    def known(self):
        run, cell, base_model = self.noise
        alike = [x[:, None] == x for x in (self.base_model, self.cell)]
        return knowledge(
            derivatives=self.derivatives,
            effects=base_model**2 * alike[0] + cell**2 * alike[1],
            run_part=run**2 / self.seeds,
            run_variance=np.full(4, run**2),
            gradient=self.gradient,
        )

    def dense(self, *chosen):
        rows = [*np.repeat(np.arange(5), self.seeds), *(5 + i for i in chosen)]
        return dense(
            self.derivatives[rows],
            self.base_model[rows],
            self.cell[rows],
            self.noise,
            self.gradient,
        )


@pytest.mark.parametrize("seed", range(3))
def test_errors_are_those_of_dense_generalised_least_squares(seed):
    case = Case(seed)
    known = case.known()
    np.testing.assert_allclose(known.covariance[:2, :2], case.dense(), rtol=1e-10)
    for candidate in range(4):
        after = case.dense(candidate)
        found = known.after(candidate)
        np.testing.assert_allclose(found.covariance[:2, :2], after, rtol=1e-10)
        ratios = np.sqrt(np.diag(after) / np.diag(case.dense()))
        assert known.widths()[candidate] == pytest.approx(np.sqrt(ratios.prod()), rel=1e-10)


def test_runs_that_share_a_base_model_or_a_cell_are_told_apart_along_a_plan():
    case = Case(7)
    known = case.known()
    for count, candidate in enumerate((2, 3, 0, 0), start=1):
        known = known.after(candidate)
        expected = case.dense(*(2, 3, 0, 0)[:count])
        np.testing.assert_allclose(known.covariance[:2, :2], expected, rtol=1e-9)


def test_weights_are_those_of_generalised_least_squares():
    case = Case(1)
    means = case.derivatives[:5] @ [1.0, 2.0, 3.0]  # without error, the weights give the truth
    np.testing.assert_allclose(case.known().weights @ means, case.gradient @ [1, 2, 3], rtol=1e-10)


levels = st.floats(0.01, 1)


@given(st.integers(0, 1000), st.tuples(levels, levels | st.just(0.0), levels | st.just(0.0)))
def test_no_run_widens_any_interval(seed, noise):
    known = Case(seed, noise).known()
    for candidate in (0, 2, 2, 3, 1):
        assert np.all(known.widths() <= 1)
        after = known.after(candidate)
        assert np.all(after.errors <= known.errors * (1 + 1e-9))
        known = after
