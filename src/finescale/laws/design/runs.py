"""Runs that could be made next, and what they would cost."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise, product
from typing import Any

from finescale.counts import format_count
from finescale.laws.points import FACTORS, Cell, coordinate

MODEL_SIZE, TOKENS, _ = FACTORS
FLOPS = 6  # a parameter and token, forward and backward: Kaplan et al. 2020, arXiv 2001.08361
BEYOND = (2.0, 10**0.5)  # how far above the measured values to look
LEAST_STEP = 1.5  # between neighbours: only a wider gap is worth a value inside


class Kind(StrEnum):
    """What a run adds to those that there are."""

    SEED = "another seed"
    CELL = "new cell"
    BASE_MODEL = "new base model"


@dataclass(frozen=True)
class Run:
    """One finetuning run; None for what the table of points does not have.

    `llm_model_size` counts the parameters that the laws count.
    """

    method: str
    llm_model_size: float | None
    pretraining_tokens: float | None
    pet_parameter_size: float | None
    finetuning_examples: float

    def __str__(self) -> str:
        values = {
            "model size {}": self.llm_model_size,
            "{} pretraining tokens": self.pretraining_tokens,
            "PET size {}": self.pet_parameter_size,
        }
        factors = [words.format(format_count(value)) for words, value in values.items() if value]
        examples = format_count(self.finetuning_examples)
        return ", ".join([f"{self.method} on {examples} examples", *factors])

    @property
    def base_model(self) -> tuple[float | None, float | None]:
        """What was pretrained for it, possibly for other runs too."""
        return self.llm_model_size, self.pretraining_tokens

    def finetuning_cost(self, tokens_per_example: float) -> float:
        """FLOPs of one epoch; without a model size, the examples."""
        if self.llm_model_size is None:
            return self.finetuning_examples
        return FLOPS * self.llm_model_size * self.finetuning_examples * tokens_per_example

    def pretraining_cost(self) -> float:
        """FLOPs; 0 where the table does not tell."""
        return FLOPS * (self.llm_model_size or 0.0) * (self.pretraining_tokens or 0.0)


def run_of(cell: Cell, model_size_as: str) -> Run:
    """The run that would give a measured cell one more seed."""
    sized = coordinate(cell, MODEL_SIZE) is not None
    tokens, pet = cell.pretraining_tokens, cell.pet_parameter_size
    return Run(
        method=cell.method,
        llm_model_size=cell.x(MODEL_SIZE, model_size_as) if sized else None,
        pretraining_tokens=None if tokens is None else float(tokens),
        pet_parameter_size=None if pet is None else float(pet),
        finetuning_examples=float(cell.finetuning_examples),
    )


def candidates(measured: Sequence[Run], base: Mapping[str, float]) -> list[Run]:
    """The measured cells of one method again, and cells that lie between and beyond them.

    Each of a law's factors, the keys of `base`, gets new values while the others stay at their base
    value, as in a star design; model sizes and pretraining sizes are crossed where both vary. All
    of these meet all data sizes, measured and new.
    """
    places = [*measured]
    for factor in base:
        for value in new_values(getattr(run, factor) for run in measured):
            places.append(_at(measured, {**base, factor: value}))
    if {MODEL_SIZE, TOKENS} <= base.keys():
        crossed = product(
            *({getattr(run, name) for run in measured} for name in (MODEL_SIZE, TOKENS))
        )
        places += [
            _at(measured, {**base, MODEL_SIZE: size, TOKENS: tokens})
            for size, tokens in sorted(crossed)
        ]
    examples = {run.finetuning_examples for run in measured}
    examples |= set(new_values(examples))
    runs = (replace(place, finetuning_examples=n) for place in places for n in sorted(examples))
    return list(dict.fromkeys(runs))


def _at(measured: Sequence[Run], factors: Mapping[str, Any]) -> Run:
    """A run with these factors, in all else like the measured one of the nearest model size."""
    size = factors.get(MODEL_SIZE)
    if size is None:
        return replace(measured[0], **factors)
    nearest = min(measured, key=lambda run: abs(math.log((run.llm_model_size or size) / size)))
    return replace(nearest, **factors)


def new_values(values: Iterable[float]) -> list[float]:
    """Values in wide gaps and above the largest, whole numbers of two digits.

    None below the smallest: that is where laws break first (the loss is flat until there are enough
    data to matter, and noisy), and a linearised law would always go where it holds least.
    """
    known = sorted(set(values))
    inside = [math.sqrt(low * high) for low, high in pairwise(known) if high > LEAST_STEP * low]
    above = [known[-1] * step for step in BEYOND]
    rounded = {float(round(float(f"{value:.2g}"))) for value in inside + above}
    return sorted(rounded - set(known))
