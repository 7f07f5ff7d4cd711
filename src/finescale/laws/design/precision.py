"""How well a law's parameters are known, and how well they would be after further runs.

A law is taken as linear in its parameters around the fit. The logarithm of a run's loss is the
law's, plus an effect of its base model, an effect of its cell and an error of the run, independent
of each other. The parameters' covariance is then that of generalised least squares, and what a
candidate run would bring follows without its result: it is how the loss at a place is predicted
from the losses at others (universal kriging; Cressie 1993, Statistics for Spatial Data, 3.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
from scipy.linalg import solve_triangular

from finescale.errors import UserError
from finescale.laws.combined import CombinedLaw, base_model, freedom_spent
from finescale.laws.layout import Data, Layout
from finescale.laws.noise import seed_variance
from finescale.laws.resampling import MeanSquares, mean_squares

NEGLIGIBLE = 1e-9  # relative error of a loss below which there is none to plan with
GIVEN, RESIDUALS = "given", "residuals"
LEAST_FREEDOM = 2  # of the variance between seeds, from which it is taken for the noise of a run
UNKNOWN = "taken as none: too few base models to tell"


@dataclass(frozen=True)
class Noise:
    """Relative standard deviations, of one method, and where each comes from.

    `run`: between runs that differ in the seed alone. `cell`: what all runs of a cell share, the
    law's own error among it. `base_model`: what all runs share that start from one base model.
    """

    run: float
    cell: float
    base_model: float
    run_from: str
    base_model_from: str

    @property
    def base_model_known(self) -> bool:
        """Whether the effect of base models was given or could be estimated."""
        return self.base_model_from != UNKNOWN


@dataclass(frozen=True)
class ErrorModel:
    """The noise of one method; `squares` and `freedom` say how well its estimates are known.

    `squares` is None where the base-model effect was given or cannot be told, `freedom` infinite
    where the noise of a run was given.
    """

    noise: Noise
    squares: MeanSquares | None
    freedom: float

    def uncertainty(self, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Of variances `shared` * (base-model variance) + `own`, in Satterthwaite's sense.

        That is the sum over mean squares of (their part)^2 / (their degrees of freedom); degrees of
        freedom of the whole are its square over this (Satterthwaite 1946, Biometrics Bulletin 2).
        """
        within = own if self.freedom < inf else np.zeros_like(own)
        if not (self.squares and self.noise.base_model):
            return within**2 / self.freedom
        between = shared * self.squares.between / self.squares.each
        within = within - shared * self.squares.within / self.squares.each
        return between**2 / self.squares.freedom_between + within**2 / self.squares.freedom_within


def error_model(law: CombinedLaw, run: float | None, between: float | None) -> ErrorModel:
    """The noise of a `run` and `between` base models as given, or as residuals and seeds tell."""
    spent_between, spent_within = freedom_spent(law.ensemble.form)
    predicted = law.ensemble.predict(**law.data.variables)
    squares, _ = mean_squares(
        law.data.loss,
        predicted,
        [base_model(cell) for cell in law.cells],
        spent_between=spent_between,
        spent_within=spent_within,
    )
    if squares:
        within, freedom = squares.within, float(squares.freedom_within)
    else:
        freedom = float(max(len(law.cells) - spent_between - spent_within, 1))
        within = float(np.sum(np.log(law.data.loss / predicted) ** 2)) / freedom
    if run is not None:
        of_run, of_cell, run_from, freedom = run, 0.0, GIVEN, inf
    else:
        of_run, of_cell, run_from = _split(law, within)
    if of_run <= NEGLIGIBLE:
        raise UserError(
            f"{law.method}: the points lie on the law exactly, so they do not say how much a run"
            " varies: give the relative noise of one run"
        )
    if between is not None:
        return ErrorModel(Noise(of_run, of_cell, between, run_from, GIVEN), None, freedom)
    estimated = float(np.sqrt(squares.base_model_variance)) if squares else 0.0
    noise = Noise(of_run, of_cell, estimated, run_from, RESIDUALS if squares else UNKNOWN)
    return ErrorModel(noise, squares, freedom)


def _split(law: CombinedLaw, within: float) -> tuple[float, float, str]:
    """The deviation between runs, that of cells on top, and how the two were told apart.

    `within` is the variance of the measured means around the law.
    """
    share = float(np.mean([1 / len(cell.losses) for cell in law.cells]))
    of_run, source = within / share, "residuals, as if all of it were the run's"
    between_seeds, freedom = seed_variance(law.cells, log=True)
    if freedom >= LEAST_FREEDOM and between_seeds > 0:
        of_run, source = min(of_run, between_seeds), "seeds"
    of_cell = max(within - of_run * share, 0.0)
    return float(np.sqrt(of_run)), float(np.sqrt(of_cell)), source


def derivatives(law: CombinedLaw, places: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of the logarithm of the loss at n places by the law's parameters, (n, parameters).

    Parameters are those of a fit's theta: coefficients of powers are logarithms, centred at these
    places; exponents are themselves.
    """
    form, parameters = law.ensemble.form, law.ensemble.parameters
    data = Data(form.predict(parameters, **places), places)
    layout = Layout(form, {"": data}, (), {}, {})
    theta = layout.theta(parameters, 1)[0]
    by_name = layout.problem(True, inf).derivative(theta) / data.loss[:, None]
    return by_name[:, [layout.index[name] for name in form.parameters]]


@dataclass(frozen=True)
class Knowledge:
    """What the measured cells say about m quantities and the losses at K candidates.

    `covariance` (m + K, m + K) is of their errors, of the candidates' without that of the run.
    `weights` (m, cells) says how the quantities depend on the measured logarithms.
    """

    covariance: np.ndarray
    weights: np.ndarray
    run_variance: np.ndarray  # (K,)

    @property
    def asked(self) -> int:
        """The number of quantities."""
        return len(self.weights)

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of the quantities."""
        return np.sqrt(np.diag(self.covariance)[: self.asked])

    def widths(self) -> np.ndarray:
        """The quantities' width after each candidate over that before, their geometric mean."""
        cross = self.covariance[: self.asked, self.asked :]
        after = np.diag(self.covariance)[self.asked :] + self.run_variance
        share = cross**2 / after / self.errors[:, None] ** 2
        return np.exp(0.5 * np.log(np.clip(1 - share, 1e-300, 1)).mean(axis=0))

    def after(self, candidate: int) -> "Knowledge":
        """What would be known with this run."""
        column = self.covariance[:, self.asked + candidate]
        variance = column[self.asked + candidate] + self.run_variance[candidate]
        covariance = self.covariance - np.outer(column, column) / variance
        return Knowledge(covariance, self.weights, self.run_variance)


def knowledge(
    derivatives: np.ndarray,
    effects: np.ndarray,
    run_part: np.ndarray,
    run_variance: np.ndarray,
    gradient: np.ndarray,
) -> Knowledge:
    """From n measured cells and K candidates.

    `derivatives` (n + K, parameters) and `effects` (n + K, n + K), the covariance of what base
    models and cells add to the law, list the cells first. `run_part` (n,) is the runs' part of the
    variance of each mean, `run_variance` (K,) that of a single run, `gradient` (m, parameters) the
    quantities' derivatives.
    """
    n, asked = len(run_part), len(gradient)
    root = np.linalg.cholesky(effects[:n, :n] + np.diag(run_part))
    design = solve_triangular(root, derivatives[:n], lower=True)
    shared = solve_triangular(root, effects[:n, n:], lower=True)
    orthogonal, triangle = np.linalg.qr(design)
    directions = np.vstack([gradient, derivatives[n:] - shared.T @ design])
    spread = solve_triangular(triangle, directions.T, trans="T")
    covariance = spread.T @ spread
    covariance[asked:, asked:] += effects[n:, n:] - shared.T @ shared
    weights = solve_triangular(root, orthogonal @ spread[:, :asked], lower=True, trans="T").T
    return Knowledge(covariance, weights, run_variance)
