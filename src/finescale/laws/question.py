"""The place that advice is asked about, in the terms of each method's law."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finescale.counts import format_count
from finescale.errors import UserError, suggestion
from finescale.laws.combined import CombinedLaw, most_common
from finescale.laws.points import FACTORS, MODEL_SIZE_COLUMNS, Cell, coordinate, methods

NAMES = {
    "D": "finetuning examples",
    "llm_model_size": "model size",
    "pretraining_tokens": "pretraining tokens",
    "pet_parameter_size": "PET size",
}
MODEL_SIZE, PRETRAINING, PET_SIZE = FACTORS


@dataclass(frozen=True)
class Question:
    """Finetuning examples, and the factors that are given; PET size is one for all or by method."""

    data: float
    model: float | None = None
    pretraining: float | None = None
    pet_size: Mapping[str, float] | float | None = None

    def asked(self, factor: str, method: str) -> float | None:
        """What is asked of a factor, None if nothing."""
        if factor != PET_SIZE:
            return {MODEL_SIZE: self.model, PRETRAINING: self.pretraining}[factor]
        return self.pet_size.get(method) if isinstance(self.pet_size, Mapping) else self.pet_size

    def check(self, cells: Sequence[Cell]) -> None:
        """Raise UserError for what is no size, and what none of the cells can have."""
        known = methods(cells)
        for method in self.pet_size if isinstance(self.pet_size, Mapping) else ():
            if method not in known:
                raise UserError(f"no runs of method {method!r}{suggestion(method, known)}")
        _check_size("D", self.data)
        for factor in FACTORS:
            values = [self.asked(factor, method) for method in known]
            for value in filter(lambda value: value is not None, values):
                _check_size(factor, value)
                if all(coordinate(cell, factor) is None for cell in cells):
                    raise UserError(
                        f"a {NAMES[factor]} is asked for, but the table has none: add the column"
                        f" {_column(factor)}, or leave it out of the question"
                    )

    def places(
        self, laws: Mapping[str, CombinedLaw], model_size_as: str
    ) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
        """The variables of each method's law, or the reason why it cannot answer.

        What is not asked for is the most common value: of all methods together, for a comparison
        of like with like, but for PET size, which means something else to each.
        """
        common = {factor: _common(laws, factor) for factor in (MODEL_SIZE, PRETRAINING)}
        places, reasons = {}, {}
        for method, law in laws.items():
            wanted = {name: self.asked(name, method) or common.get(name) for name in FACTORS}
            reason = next(filter(None, self._obstacles(law, wanted, model_size_as)), "")
            if reason:
                reasons[method] = reason
            else:
                places[method] = law.place(self.data, **{f: wanted[f] for f in law.factors})
        return places, reasons

    def _obstacles(
        self, law: CombinedLaw, wanted: Mapping[str, float | None], model_size_as: str
    ) -> Iterator[str]:
        """Why the law cannot answer: factors that it does not know at the wanted value."""
        for factor, value in wanted.items():
            if value is None or factor in law.factors:
                continue
            present = [cell for cell in law.cells if coordinate(cell, factor) is not None]
            values = [cell.x(factor, model_size_as) for cell in present]
            if not values:
                for_all = factor == PET_SIZE and not isinstance(self.pet_size, Mapping)
                yield "" if for_all else f"its runs have no {NAMES[factor]}"
            elif len(set(values)) > 1:
                yield f"its {NAMES[factor]} varies with other factors, never alone"
            elif not np.isclose(values[0], value, rtol=1e-9):
                yield f"all its runs have {NAMES[factor]} {format_count(values[0])}"


def _check_size(name: str, value: float | None) -> None:
    if value is None or not (math.isfinite(value) and value > 0):
        raise UserError(f"{NAMES[name]} must be a positive number, not {value}")


def _column(factor: str) -> str:
    return " or ".join(MODEL_SIZE_COLUMNS.values()) if factor == MODEL_SIZE else factor


def _common(laws: Mapping[str, CombinedLaw], factor: str) -> float | None:
    """The most common value of the laws that know the factor; None if none does."""
    values = [law.data.variables[factor] for law in laws.values() if factor in law.factors]
    return most_common(np.concatenate(values)) if values else None
