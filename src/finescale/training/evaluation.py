"""Log-perplexity: the mean negative log-likelihood of target tokens, in nats."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from finescale.models import TunedModel
from finescale.training.loader import Batch, Examples, collate, finetuning_row
from finescale.training.objective import Row, evenly_spaced
from finescale.training.vocabulary import Vocabulary

BATCH_IDS = 8192  # ids in an evaluation batch, padding included
LOGITS = 2**26  # most logits held at once: 256 MB in float32


class Likelihood(NamedTuple):
    """A sum of negative log-likelihoods over `tokens` target tokens."""

    total: float
    tokens: int

    @property
    def log_perplexity(self) -> float:
        return self.total / self.tokens


def held_out_rows(examples: Examples, most: int | None, vocabulary: Vocabulary) -> dict[int, Row]:
    """Rows of at most `most` evenly spaced examples, by index: a set sorted by language keeps its
    mix."""
    return {
        int(i): finetuning_row(examples.sources[i], examples.targets[i], vocabulary)
        for i in evenly_spaced(len(examples), most)
    }


def evaluation_batches(rows: Sequence[Row], pad: int) -> list[Batch]:
    """Rows of like length together, in batches of a bounded number of ids."""
    batches: list[list[Row]] = []
    for row in (rows[i] for i in _by_length(rows)):
        if not batches or (len(batches[-1]) + 1) * len(row.ids) > BATCH_IDS:
            batches.append([])
        batches[-1].append(row)
    return [collate(batch, pad) for batch in batches]


def _by_length(rows: Sequence[Row]) -> list[int]:
    """Indices of rows in the order of batches: rising, the last is the longest."""
    return sorted(range(len(rows)), key=lambda i: len(rows[i].ids))


def negative_log_likelihood(model: TunedModel, batch: Batch) -> Tensor:
    """The sum over the batch's targets, a scalar; logits are made at those positions alone."""
    hidden = model(batch.ids).flatten(0, 1).index_select(0, batch.positions)
    return functional.cross_entropy(model.logits(hidden), batch.targets, reduction="sum")


def likelihood(model: TunedModel, batches: Sequence[Batch], precision: str = "fp32") -> Likelihood:
    """The likelihood of all targets of `batches` under `model`, in fp32 or bf16."""
    return _sum(_target_losses(model, batches, precision))


def example_likelihoods(
    model: TunedModel, rows: Sequence[Row], pad: int, precision: str = "fp32"
) -> tuple[Likelihood, list[Likelihood]]:
    """What `likelihood` gives for the batches of `rows`, to the bit, and that of each row."""
    losses = _target_losses(model, evaluation_batches(rows, pad), precision)
    order = _by_length(rows)
    counts = [len(rows[i].ids) - rows[i].start for i in order]
    sums = [part.sum().item() for part in torch.cat(losses).split(counts)]
    found = dict(zip(order, map(Likelihood, sums, counts), strict=True))
    return _sum(losses), [found[i] for i in range(len(rows))]


def _sum(losses: Sequence[Tensor]) -> Likelihood:
    total = 0.0
    for part in losses:  # sum() would round otherwise in newer versions of Python
        total += part.sum().item()
    return Likelihood(total, sum(map(len, losses)))


@torch.inference_mode()
def _target_losses(model: TunedModel, batches: Sequence[Batch], precision: str) -> list[Tensor]:
    """The losses of all targets in the order of the batches, in float64, in parts."""
    device = next(model.parameters()).device
    chunk = max(1, LOGITS // model.decoder.config.vocab_size)
    parts = []
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for batch in batches:
            ids, positions, targets = (tensor.to(device) for tensor in batch)
            hidden = model(ids).flatten(0, 1).index_select(0, positions)
            for states, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True):
                losses = functional.cross_entropy(model.logits(states), wanted, reduction="none")
                parts.append(losses.double())
    return parts


def results_on(sets: Sequence[Likelihood]) -> dict[str, Any]:
    """Log-perplexity on each test set, and over all their target tokens together."""
    overall = Likelihood(sum(s.total for s in sets), sum(s.tokens for s in sets))
    return {
        "test_log_perplexity": overall.log_perplexity,
        "target_tokens": overall.tokens,
        "test_sets": [
            {"log_perplexity": s.log_perplexity, "target_tokens": s.tokens} for s in sets
        ],
    }
