"""The candidate runs on offer: what each costs by now, and what is there already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from finescale.laws.design.results import Candidate
from finescale.laws.design.runs import FLOPS, Kind, Run


@dataclass(frozen=True)
class Offers:
    """The candidate runs, their costs, and which cells and base models there are by now."""

    runs: Sequence[Run]
    cells: frozenset[Run]
    base_models: frozenset[tuple[float | None, float | None]]
    tokens_per_example: float
    cheapest: float

    @classmethod
    def of(cls, runs: Sequence[Run], cells: Iterable[Run], tokens_per_example: float) -> "Offers":
        """The candidates beside the measured cells of all methods."""
        cells = frozenset(cells)
        base_models = frozenset(run.base_model for run in cells)
        offers = cls(runs, cells, base_models, tokens_per_example, 1.0)
        return replace(offers, cheapest=float(offers.costs.min()))

    @cached_property
    def costs(self) -> np.ndarray:
        """Of each candidate, (K,): its finetuning, and the pretraining that has yet to be done."""
        return np.array(
            [
                run.finetuning_cost(self.tokens_per_example)
                + (0.0 if run.base_model in self.base_models else run.pretraining_cost())
                for run in self.runs
            ]
        )

    @property
    def unit(self) -> str:
        """Of the costs."""
        return "FLOPs" if all(run.llm_model_size for run in self.runs) else "examples"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """How costs are counted, in words."""
        if self.unit == "examples":
            return ("no model sizes: a run costs its finetuning examples, pretraining nothing",)
        finetuning = (
            f"finetuning: {FLOPS} FLOPs per parameter and token, {self.tokens_per_example:g} tokens"
            " per example, one epoch (the points do not say how many)"
        )
        if any(run.pretraining_tokens is None for run in self.runs):
            return finetuning, "no pretraining sizes: pretraining costs nothing"
        return finetuning, (
            f"a new base model: its whole pretraining, {FLOPS} FLOPs per parameter and token, once"
            " (a checkpoint of one that there is would be free)"
        )

    def candidate(self, index: int, width: float) -> Candidate:
        """The candidate of that number, which leaves that width."""
        run, cost = self.runs[index], float(self.costs[index])
        kind = (
            Kind.SEED
            if run in self.cells
            else Kind.CELL
            if run.base_model in self.base_models
            else Kind.BASE_MODEL
        )
        relative = cost / self.cheapest
        return Candidate(run, kind, float(width), cost, relative, -float(np.log(width)) / relative)

    def after(self, index: int) -> "Offers":
        """The offers once that run is made."""
        run = self.runs[index]
        return replace(
            self, cells=self.cells | {run}, base_models=self.base_models | {run.base_model}
        )
