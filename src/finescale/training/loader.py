"""Batches addressed by step: the only state of a loader is the step."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from finescale.training.objective import Objective, Row
from finescale.training.vocabulary import Vocabulary

WINDOW = 8  # batches whose rows are sorted by length together


class Batch(NamedTuple):
    """Rows padded on the right, and the positions where the loss is.

    `positions` index the flattened [rows * length] hidden states; the state at `positions[k]`
    predicts `targets[k]`.
    """

    ids: Tensor
    positions: Tensor
    targets: Tensor


class Arrays(Protocol):
    """Arrays of ids by index, in memory or mapped."""

    def __getitem__(self, index: int, /) -> np.ndarray: ...


class Examples(Protocol):
    """Encoded examples: targets carry their end-of-sequence id, sources no special ids."""

    @property
    def sources(self) -> Arrays: ...

    @property
    def targets(self) -> Arrays: ...

    def __len__(self) -> int: ...


def collate(rows: Sequence[Row], pad: int) -> Batch:
    """Stack rows; no attention mask, because causal attention never sees padding on the right."""
    length = max(len(row.ids) for row in rows)
    ids = np.full((len(rows), length), pad, dtype=np.int64)
    positions = []
    for k, row in enumerate(rows):
        ids[k, : len(row.ids)] = row.ids
        positions.append(np.arange(row.start - 1, len(row.ids) - 1) + k * length)
    flat = np.concatenate(positions)
    targets = ids.reshape(-1)[flat + 1]
    return Batch(*(torch.from_numpy(array) for array in (ids, flat, targets)))


def finetuning_row(source: np.ndarray, target: np.ndarray, vocabulary: Vocabulary) -> Row:
    """<bos> source <sep> target, with the loss on the target."""
    ids = np.concatenate(([vocabulary.bos], source, [vocabulary.sep], target)).astype(np.int64)
    return Row(ids, len(source) + 2)


class Loader:
    """Batches `step`, `step` + 1, ... up to `steps`, made one at a time."""

    def __init__(self, batch: Callable[[int], Batch], step: int, steps: int):
        self.batch, self.step, self.steps = batch, step, steps

    def __len__(self) -> int:
        return self.steps - self.step

    def __iter__(self) -> Iterator[Batch]:
        return map(self.batch, range(self.step, self.steps))


class PretrainingBatches:
    """Batch k holds the objective's rows k * size ... (k + 1) * size - 1."""

    def __init__(self, objective: Objective, size: int):
        self.objective, self.size = objective, size

    def __call__(self, step: int) -> Batch:
        rows = [self.objective.row(step * self.size + k) for k in range(self.size)]
        return collate(rows, self.objective.vocabulary.pad)


class FinetuningBatches:
    """Each example once an epoch, in an order that depends on (seed, epoch).

    Within a window of 8 batches rows are sorted by length, so that a batch holds rows of like
    length and little padding; then the window's batches are shuffled.
    """

    def __init__(
        self,
        examples: Examples,
        indices: np.ndarray,
        vocabulary: Vocabulary,
        size: int,
        seed: int,
    ):
        self.examples, self.indices, self.vocabulary = examples, indices, vocabulary
        self.size, self.seed = size, seed
        self.steps_per_epoch = -(-len(indices) // size)
        self._epoch: tuple[int, list[np.ndarray]] | None = None

    def __call__(self, step: int) -> Batch:
        epoch, place = divmod(step, self.steps_per_epoch)
        return collate(
            [
                finetuning_row(self.examples.sources[i], self.examples.targets[i], self.vocabulary)
                for i in self.order(epoch)[place]
            ],
            self.vocabulary.pad,
        )

    def order(self, epoch: int) -> list[np.ndarray]:
        """The example indices of each batch of an epoch."""
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(self.indices)
            width = WINDOW * self.size
            batches: list[np.ndarray] = []
            for start in range(0, len(order), width):
                batches += self._window(order[start : start + width], rng)
            self._epoch = (epoch, batches)
        return self._epoch[1]

    def _window(self, window: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        lengths = [len(self.examples.sources[i]) + len(self.examples.targets[i]) for i in window]
        ordered = window[np.argsort(lengths, kind="stable")]
        batches = [ordered[k : k + self.size] for k in range(0, len(ordered), self.size)]
        return [batches[k] for k in rng.permutation(len(batches))]
