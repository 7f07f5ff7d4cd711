"""Batches addressed by step: the only state of a loader is the step."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from finescale.launch import ALONE, Company
from finescale.training.objective import Objective, Row
from finescale.training.vocabulary import Vocabulary

WINDOW = 8  # batches whose rows are sorted by length together
WHOLE = slice(None)


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


def empty_batch() -> Batch:
    """A batch without targets: its loss and all its gradients are zero."""
    nothing = torch.empty(0, dtype=torch.int64)
    return Batch(torch.zeros((1, 1), dtype=torch.int64), nothing, nothing)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the model is."""
    return Batch(*(tensor.to(device) for tensor in batch))


def bounded(rows: Iterable[Row], most_ids: float) -> list[list[Row]]:
    """Rows in batches, in order, each of at most `most_ids` ids with its padding, or of one row."""
    batches: list[list[Row]] = []
    longest = 0
    for row in rows:
        longest = max(longest, len(row.ids))
        if not batches or (len(batches[-1]) + 1) * longest > most_ids:
            batches.append([])
            longest = len(row.ids)
        batches[-1].append(row)
    return batches


def finetuning_row(source: np.ndarray, target: np.ndarray, vocabulary: Vocabulary) -> Row:
    """<bos> source <sep> target, with the loss on the target."""
    ids = np.concatenate(([vocabulary.bos], source, [vocabulary.sep], target)).astype(np.int64)
    return Row(ids, len(source) + 2)


class Batches(Protocol):
    """The rows of each step's batch, a function of the step alone."""

    pad: int

    def rows(self, step: int, share: slice = WHOLE) -> list[Row]:
        """Those of the batch that `share` selects."""


class Loader:
    """What one process does in steps `step`, `step` + 1, ... up to `steps`, made one at a time.

    Of n processes each takes every n-th row of a batch, in micro-batches of at most `most_ids` ids.
    The rows of a batch come sorted by length or are alike, so the shares weigh the same.
    """

    def __init__(
        self,
        batches: Batches,
        step: int,
        steps: int,
        company: Company = ALONE,
        most_ids: int | None = None,
    ):
        self.batches, self.step, self.steps = batches, step, steps
        self.share = slice(company.rank, None, company.ranks)
        self.most_ids = math.inf if most_ids is None else most_ids

    def __len__(self) -> int:
        return self.steps - self.step

    def __iter__(self) -> Iterator[list[Batch]]:
        return map(self._micro_batches, range(self.step, self.steps))

    def _micro_batches(self, step: int) -> list[Batch]:
        rows = self.batches.rows(step, self.share)
        return [collate(batch, self.batches.pad) for batch in bounded(rows, self.most_ids)]


class PretrainingBatches:
    """Batch k holds the objective's rows k * size ... (k + 1) * size - 1."""

    def __init__(self, objective: Objective, size: int):
        self.objective, self.size = objective, size
        self.pad = objective.vocabulary.pad

    def rows(self, step: int, share: slice = WHOLE) -> list[Row]:
        first = step * self.size
        return [self.objective.row(i) for i in range(first, first + self.size)[share]]


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
        self.size, self.seed, self.pad = size, seed, vocabulary.pad
        self.steps_per_epoch = -(-len(indices) // size)
        self._epoch: tuple[int, list[np.ndarray]] | None = None

    def rows(self, step: int, share: slice = WHOLE) -> list[Row]:
        epoch, place = divmod(step, self.steps_per_epoch)
        return [
            finetuning_row(self.examples.sources[i], self.examples.targets[i], self.vocabulary)
            for i in self.order(epoch)[place][share]
        ]

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
