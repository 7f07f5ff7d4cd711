"""Resamples have the distribution they claim."""

from zipfile import ZipFile

import numpy as np
import pytest
from scipy import stats

from finescale.laws.resampling import (
    base_model_losses,
    case_weights,
    cell_losses,
    generator,
    load_resamples,
    mean_squares,
    save_resamples,
)

MODELS, CELLS = 7, 9  # base models, cells of each
LABELS = np.repeat([f"model {i}" for i in range(MODELS)], CELLS)
LAW = np.linspace(1.5, 3.0, MODELS * CELLS)


def measured(between: float, within: float, seed: int) -> np.ndarray:
    """Losses with an error that base models share and one of each cell."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(between * rng.standard_normal(MODELS), CELLS)
    return LAW * np.exp(shared + within * rng.standard_normal(len(LAW)))


def resampled(losses, spent_between=3, spent_within=2, resamples=400, **more):
    return base_model_losses(
        losses,
        more.get("law", LAW),
        more.get("labels", LABELS),
        spent_between=spent_between,
        spent_within=spent_within,
        resamples=resamples,
        rng=np.random.default_rng(0),
    )


def test_case_weights_are_multinomial():
    drawn = case_weights(12, 20_000, np.random.default_rng(0))
    assert drawn.shape == (20_000, 12)
    assert np.all(drawn.sum(axis=1) == 12)
    assert np.all((drawn >= 0) & (drawn == np.round(drawn)))
    assert drawn.mean(axis=0) == pytest.approx(np.ones(12), abs=0.04)
    covariance = np.cov(drawn.T)
    assert np.diag(covariance) == pytest.approx(np.full(12, 11 / 12), abs=0.06)
    assert covariance[0, 1:] == pytest.approx(np.full(11, -1 / 12), abs=0.04)


def test_mean_squares_are_those_of_the_analysis_of_variance():
    """Against scipy's F test, which takes off the mean: here it is the law that is taken off."""
    losses = measured(0.02, 0.01, seed=1)
    errors = np.log(losses / LAW)
    centred = LAW * np.exp(errors.mean())
    found, index = mean_squares(losses, centred, LABELS, spent_between=1, spent_within=0)
    groups = (errors - errors.mean()).reshape(MODELS, CELLS)
    assert found.between / found.within == pytest.approx(stats.f_oneway(*groups).statistic)
    assert found.within == pytest.approx(np.mean(groups.var(axis=1, ddof=1)))
    assert (found.freedom_between, found.freedom_within) == (MODELS - 1, MODELS * (CELLS - 1))
    assert list(index) == list(np.repeat(np.arange(MODELS), CELLS))


def test_parameters_that_were_fitted_cost_degrees_of_freedom():
    losses = measured(0.02, 0.01, seed=1)
    plain, _ = mean_squares(losses, LAW, LABELS, spent_between=0, spent_within=0)
    spent, _ = mean_squares(losses, LAW, LABELS, spent_between=3, spent_within=2)
    assert spent.between == pytest.approx(plain.between * 7 / 4)
    assert spent.within == pytest.approx(plain.within * 56 / 54)


def test_base_models_of_different_numbers_of_cells():
    labels, errors = ["a", "b", "b", "c", "c", "c"], np.array([0.1, 0.2, -0.1, 0.3, 0.0, 0.0])
    law = np.full(6, 2.0)
    found, _ = mean_squares(law * np.exp(errors), law, labels, spent_between=1, spent_within=1)
    assert found.between == pytest.approx((0.1**2 + 2 * 0.05**2 + 3 * 0.1**2) / 2)
    assert found.within == pytest.approx((2 * 0.15**2 + 0.2**2 + 2 * 0.1**2) / 2)
    assert found.each == 2


def test_known_variances_come_back():
    """The mean over many studies: what is between base models, and what is within."""
    between, within = 0.02, 0.01
    found = [
        mean_squares(measured(between, within, seed), LAW, LABELS, spent_between=0, spent_within=0)
        for seed in range(300)
    ]
    assert np.mean([one.within for one, _ in found]) == pytest.approx(within**2, rel=0.03)
    variances = [one.base_model_variance for one, _ in found]
    assert np.mean(variances) == pytest.approx(between**2, rel=0.15)


def test_resampled_losses_have_the_estimated_variances():
    """Medians, since the draws of an uncertain variance have long tails."""
    losses = measured(0.05, 0.005, seed=2)
    squares, _ = mean_squares(losses, LAW, LABELS, spent_between=3, spent_within=2)
    table = np.log(resampled(losses, resamples=4000) / LAW).reshape(-1, MODELS, CELLS)
    shared = table.mean(axis=2)
    own = (table - shared[:, :, None]).ravel()
    spread = np.sqrt(squares.between / CELLS)
    # normal with a variance drawn from the scaled inverse chi-squared: Student's t
    assert np.quantile(shared, 0.75) == pytest.approx(spread * stats.t(4).ppf(0.75), rel=0.06)
    assert np.quantile(shared, 0.975) == pytest.approx(spread * stats.t(4).ppf(0.975), rel=0.1)
    assert own.std() == pytest.approx(np.sqrt(squares.within * 8 / 9), rel=0.05)


def test_cells_of_a_base_model_move_together():
    table = np.log(resampled(measured(0.05, 0.0005, seed=3)) / LAW)
    correlation = np.corrcoef(table.T)
    same = LABELS[:, None] == LABELS[None, :]
    assert correlation[same].min() > 0.95
    assert np.abs(correlation[~same]).max() < 0.3


def test_without_an_effect_of_base_models_cells_move_alone():
    """Where base models differ by less than their cells would make them, nothing is shared."""
    errors = np.tile([-1.0, 0.0, 1.0] * 3, MODELS) * 0.01
    table = np.log(resampled(LAW * np.exp(errors), resamples=2000) / LAW)
    assert np.corrcoef(table.T)[0, 1:] == pytest.approx(np.zeros(len(LAW) - 1), abs=0.1)


@pytest.mark.parametrize(("spent_between", "spent_within"), [(7, 0), (8, 2), (3, 56), (0, 60)])
def test_nothing_is_resampled_without_degrees_of_freedom(spent_between, spent_within):
    losses = measured(0.02, 0.01, seed=1)
    assert resampled(losses, spent_between, spent_within) is None


def test_one_cell_for_each_base_model_leaves_nothing_within():
    assert resampled(LAW * 1.01, 3, 0, labels=np.arange(len(LAW))) is None


def test_cell_scheme_is_students_t():
    law, spread, freedom = np.array([2.0, 3.0]), 0.01, 4
    drawn = cell_losses(law, spread**2, freedom, 40_000, np.random.default_rng(0))
    errors = np.log(drawn / law) / spread
    for level in (0.6, 0.9, 0.975):
        expected = stats.t(freedom).ppf(level)
        assert np.quantile(errors, level, axis=0) == pytest.approx([expected] * 2, rel=0.05)
    assert np.corrcoef(errors.T)[0, 1] == pytest.approx(0, abs=0.03)


def test_random_numbers_depend_on_the_labels_alone():
    first, again = generator("lora", "power").random(5), generator("lora", "power").random(5)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, generator("fmt", "power").random(5))


RESAMPLES = [
    {"case": {"A": np.arange(3.0), "alpha": np.ones(3)}, "base model": {"A": np.zeros(2)}},
    {},  # a law without
    {"cell": {"llm_model_size.E": np.array([0.1, 0.2])}},
]


def test_what_is_saved_is_loaded(tmp_path):
    save_resamples(tmp_path / "resamples.npz", RESAMPLES)
    loaded = load_resamples(tmp_path / "resamples.npz")
    assert set(loaded) == {0, 2}
    for index, law in loaded.items():
        assert {scheme: set(found) for scheme, found in law.items()} == {
            scheme: set(found) for scheme, found in RESAMPLES[index].items()
        }
        for scheme, found in law.items():
            for name, values in found.items():
                assert np.array_equal(values, RESAMPLES[index][scheme][name])


def test_the_same_resamples_are_the_same_bytes(tmp_path):
    """Artifacts are compared by content, whenever they were made: no time is written."""
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    save_resamples(first, RESAMPLES)
    save_resamples(second, RESAMPLES)
    assert first.read_bytes() == second.read_bytes()
    with ZipFile(first) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_no_resamples_at_all(tmp_path):
    save_resamples(tmp_path / "resamples.npz", [{}, {}])
    assert load_resamples(tmp_path / "resamples.npz") == {}


def test_pickles_are_refused(tmp_path):
    """A file of others must not run code."""
    np.savez(tmp_path / "bad.npz", **{"0/case/A": np.array([object()])})
    with pytest.raises(ValueError, match="allow_pickle"):
        load_resamples(tmp_path / "bad.npz")
