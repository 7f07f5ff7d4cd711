"""Joint laws of which one factor's own refit failed."""

from dataclasses import replace

import pytest

from finescale.laws import MULTIPLICATIVE, Fit
from finescale.laws.points import cells
from finescale.laws.procedure.joint import JointFit

MODEL_SIZE, PRETRAINING, PET_SIZE = "llm_model_size", "pretraining_tokens", "pet_parameter_size"
FAILED = Fit(MULTIPLICATIVE.name, "degenerate", "alpha ran to the edge of the search")


def loss(factor, x, examples):
    """All factors agree at the base; each cell is a little off."""
    base, alpha = {MODEL_SIZE: (1e4, 0.4), PRETRAINING: (8e5, 0.25), PET_SIZE: (4, 0.03)}[factor]
    return (4 * (x / base) ** -alpha * examples**-0.12 + 1.3) * (1 + 1e-3 * (examples % 7 - 3))


def with_failed(grids, factor):
    """The laws of a LoRA grid, one factor's refit replaced by a failed one, by factor."""
    settings = replace(grids.SETTINGS, resamples=5)
    joint = JointFit(MULTIPLICATIVE, cells(grids.grid("lora", loss)), settings)
    assert all(law.resamples for law in joint.laws())
    joint.fits[factor] = FAILED
    return {law.factor: law for law in joint.laws()}


@pytest.mark.parametrize("factor", [MODEL_SIZE, PRETRAINING])
def test_without_a_factor_that_estimates_beta_and_e_there_are_no_intervals(grids, factor):
    """A resample simulates the points of all factors that share beta and E, by their laws."""
    laws = with_failed(grids, factor)
    assert (laws[factor].fit, laws[factor].deviation_fitted) == (FAILED, None)
    for other in laws.keys() - {factor}:
        assert laws[other].fit.ok
        assert laws[other].deviation_fitted < 0.01
    assert not any(law.resamples or law.scheme for law in laws.values())


def test_without_pet_size_the_others_keep_their_intervals(grids):
    laws = with_failed(grids, PET_SIZE)
    assert not laws[PET_SIZE].resamples
    for factor in (MODEL_SIZE, PRETRAINING):
        assert laws[factor].resamples.keys() >= {"case"}
        assert {len(values) for values in laws[factor].resamples["case"].values()} == {5}
