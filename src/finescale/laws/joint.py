"""The joint laws of one form and one method: both steps of the paper's procedure, resampled.

An interval that took beta and E as known would hide their error, so each resample of the points
goes through both steps.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from finescale.laws.celldata import Split, assembled, attempt, cell_data
from finescale.laws.fit import BOUND_HIT, NOT_IDENTIFIED, Fit, refit_rows
from finescale.laws.forms import Form
from finescale.laws.points import FACTORS, Cell, coordinate, on_factor
from finescale.laws.profile import LevelProfile, profile_level
from finescale.laws.resampling import (
    BASE_MODEL,
    CASE,
    Parameters,
    base_model_losses,
    case_weights,
    generator,
)
from finescale.laws.results import Law, Settings

SHARED = ("beta", "E")
SHARING_FACTORS = FACTORS[:2]  # those that estimate beta and E
LEAST_VALUES = 2  # distinct X that a factor needs to have an exponent


class JointFit:
    """The laws of one form over all factors that one method's cells vary."""

    def __init__(self, form: Form, measured: Sequence[Cell], settings: Settings) -> None:
        self.form, self.settings, self.method = form, settings, measured[0].method
        self.splits: dict[str, Split] = {}
        for factor in FACTORS:
            on = on_factor(measured, factor, settings.base)
            if on:
                self.splits[factor] = Split.of(on, [cell.held_out for cell in on])
        self.data = {
            factor: cell_data(form, split.fitted, factor, settings)
            for factor, split in self.splits.items()
            if len({cell.x(factor, settings.model_size_as) for cell in split.fitted})
            >= LEAST_VALUES
        }
        self.sharing = {name: self.data[name] for name in SHARING_FACTORS if name in self.data}
        self.shared_names = tuple(name for name in SHARED if name in form.parameters)
        self.shared = self._estimate_shared()
        self.fits = {factor: self._refit(factor) for factor in self.splits}

    def _estimate_shared(self) -> Fit:
        """Beta and E over all factors that may estimate them."""
        if not self.sharing:
            reason = f"neither model size nor pretraining size has {LEAST_VALUES} fitted values"
            return Fit(self.form.name, NOT_IDENTIFIED, reason)
        return attempt(self.form, self.sharing, self.settings, shared=self.shared_names)

    def _refit(self, factor: str) -> Fit:
        """One factor's own parameters, with beta and E held."""
        if factor not in self.data:
            reason = f"fewer than {LEAST_VALUES} fitted values"
            return Fit(self.form.name, NOT_IDENTIFIED, reason)
        if not self.shared.ok:
            return Fit(self.form.name, self.shared.status, f"no beta and E: {self.shared.reason}")
        held = {name: self.shared.parameters[name] for name in self.shared_names}
        fit = attempt(self.form, {"": self.data[factor]}, self.settings, held=held)
        bound = tuple(name for name in self.shared.at_bound if name in held)
        return replace(fit, status=BOUND_HIT, at_bound=bound) if fit.ok and bound else fit

    def level(self) -> LevelProfile | None:
        """What the points say about E; a cell that two factors share weighs as one."""
        cells = {factor: self.splits[factor].fitted for factor in self.sharing}
        counts = Counter(cell for row in cells.values() for cell in row)
        data = {
            factor: replace(row, weights=row.weight / [counts[cell] for cell in cells[factor]])
            for factor, row in self.sharing.items()
        }
        return profile_level(self.form, data, self.shared_names, len(counts)) if data else None

    def laws(self) -> list[Law]:
        """A law for each factor, with its resamples."""
        by_scheme = self._resample()
        return [
            assembled(
                self.form,
                factor,
                self.fits[factor],
                split,
                self.settings,
                {scheme: found[factor] for scheme, found in by_scheme.items() if factor in found},
            )
            for factor, split in self.splits.items()
        ]

    def _resample(self) -> dict[str, dict[str, Parameters]]:
        """By scheme and factor, the parameters of the refits."""
        fitted = [self.splits[factor].fitted for factor, fit in self.fits.items() if fit.ok]
        simulable = all(self.fits[factor].ok for factor in self.sharing)
        if not (fitted and simulable and self.settings.resamples):
            return {}
        chosen = list(dict.fromkeys(cell for row in fitted for cell in row))
        rng = generator(self.method, self.form.name)
        count = self.settings.resamples
        drawn = case_weights(len(chosen), count, rng)
        schemes = {CASE: self._both_steps(chosen, "weights", drawn)}
        losses = base_model_losses(
            np.array([cell.loss for cell in chosen]),
            self._predicted(chosen),
            [(coordinate(cell, FACTORS[0]), cell.pretraining_tokens) for cell in chosen],
            spent_between=len(self.sharing) + 1,  # an alpha each, and the level they meet at
            spent_within=len(self.form.parameters) - 2,
            resamples=count,
            rng=rng,
        )
        if losses is not None:
            schemes[BASE_MODEL] = self._both_steps(chosen, "losses", losses)
        return schemes

    def _predicted(self, chosen: Sequence[Cell]) -> np.ndarray:
        """Each cell's loss by the laws of all factors it lies on, their geometric mean."""
        logs: dict[Cell, list[float]] = {cell: [] for cell in chosen}
        for factor, fit in self.fits.items():
            if fit.ok:
                values = self.form.predict(fit.parameters, **self.data[factor].variables)
                for cell, value in zip(self.splits[factor].fitted, values, strict=True):
                    logs[cell].append(float(np.log(value)))
        return np.exp([np.mean(logs[cell]) for cell in chosen])

    def _both_steps(
        self, chosen: Sequence[Cell], kind: str, values: np.ndarray
    ) -> dict[str, Parameters]:
        """Refit with each row's `weights` or `losses` (`kind`) of the chosen cells, (R, cells)."""
        place = {cell: index for index, cell in enumerate(chosen)}
        rows = {
            factor: values[:, [place[cell] for cell in self.splits[factor].fitted]]
            for factor, fit in self.fits.items()
            if fit.ok
        }
        drawn = {factor: rows[factor] for factor in self.sharing}
        found = self._refit_rows(self.sharing, self.shared, {kind: drawn}, shared=self.shared_names)
        held = {name: found[name] for name in self.shared_names}
        return {
            factor: self._refit_rows(
                {"": self.data[factor]}, self.fits[factor], {kind: {"": drawn}}, held=held
            )
            for factor, drawn in rows.items()
        }

    def _refit_rows(
        self, data: Mapping[str, Any], fit: Fit, drawn: Mapping[str, Any], **more: Any
    ) -> Parameters:
        refits = refit_rows(
            self.form, data, fit, objective=self.settings.objective, **drawn, **more
        )
        return refits.parameters
