"""A fitted law together with the parameters of its resamples: predictions and their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from finescale.laws.forms import Form

LEVEL = 0.95  # of every interval that is shown


@dataclass(frozen=True)
class Ensemble:
    """The law with its best parameters, and R sets of parameters that the data allow as well.

    `parameters` maps names to values, `resamples` the same names to arrays of shape (R,).
    """

    form: Form
    parameters: Mapping[str, float]
    resamples: Mapping[str, np.ndarray] = field(default_factory=dict)

    def predict(self, **variables: ArrayLike) -> np.ndarray:
        """The loss at `X=..., D=...` (numbers or arrays that broadcast), nats per token."""
        return self.form.predict(self.parameters, **variables)

    def predict_resamples(self, **variables: ArrayLike) -> np.ndarray:
        """The loss by each resample, shape (R, *shape of the variables)."""
        arrays = np.broadcast_arrays(*(np.asarray(value, float) for value in variables.values()))
        rows = (-1, *[1] * arrays[0].ndim)
        parameters = {name: values.reshape(rows) for name, values in self.resamples.items()}
        return self.form.predict(parameters, **dict(zip(variables, arrays, strict=True)))


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The central `level` of the resamples (first axis), by percentiles."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
