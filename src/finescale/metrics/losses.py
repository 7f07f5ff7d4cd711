"""The log-perplexity of a model on test sets, from the losses of their examples."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finescale.metrics.bootstrap import interval, resampled_sums


@dataclass(frozen=True)
class ExampleLosses:
    """For each test set, (examples, 2): negative log-likelihoods in nats, and target tokens."""

    sets: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> "ExampleLosses":
        """From the examples.csv of a loss artifact."""
        sets: dict[str, list[tuple[float, float]]] = {}
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                loss = float(row["negative_log_likelihood"]), float(row["target_tokens"])
                sets.setdefault(row["test_set"], []).append(loss)
        return cls({name: np.array(losses) for name, losses in sets.items()})

    def __len__(self) -> int:
        return sum(map(len, self.sets.values()))

    def interval(self, resamples: int) -> tuple[float, float]:
        """The central 95% of resampled log-perplexities; each test set is drawn for itself."""
        sums = [resampled_sums(losses, resamples, name) for name, losses in self.sets.items()]
        total, tokens = np.sum(sums, axis=0).T
        return interval(total / tokens)
