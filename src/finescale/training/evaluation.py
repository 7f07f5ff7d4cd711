"""Log-perplexity: the mean negative log-likelihood of target tokens, in nats."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from finescale.launch import ALONE, Company
from finescale.training.loader import (
    Batch,
    Examples,
    bounded,
    collate,
    empty_batch,
    finetuning_row,
    on_device,
)
from finescale.training.loss import TargetLoss
from finescale.training.objective import Row, evenly_spaced
from finescale.training.vocabulary import Vocabulary

BATCH_IDS = 8192  # ids in an evaluation batch, padding included


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
    rising = [rows[i] for i in _by_length(rows)]
    return [collate(batch, pad) for batch in bounded(rising, BATCH_IDS)]


def _by_length(rows: Sequence[Row]) -> list[int]:
    """Indices of rows in the order of batches: rising, the last is the longest."""
    return sorted(range(len(rows)), key=lambda i: len(rows[i].ids))


@torch.no_grad()
def likelihood(
    loss: TargetLoss,
    batches: Sequence[Batch],
    precision: str = "fp32",
    company: Company = ALONE,
) -> Likelihood:
    """The likelihood of all targets of `batches`, in fp32 or bf16.

    The processes of a company share the batches; each must ask, and each gets the whole.
    """
    device = next(loss.parameters()).device
    own = list(batches[company.rank :: company.ranks])
    # a sharded model answers when all processes ask, so each asks equally often
    own += [empty_batch()] * (-(-len(batches) // company.ranks) - len(own))
    total = 0.0
    with torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=company.ranks == 1
    ):
        for batch in own:
            for piece in loss(on_device(batch, device)).tolist():
                total += piece
    return Likelihood(company.total(total), sum(len(batch.targets) for batch in batches))


@torch.no_grad()
def example_likelihoods(
    loss: TargetLoss, rows: Sequence[Row], pad: int, precision: str = "fp32"
) -> tuple[Likelihood, list[Likelihood]]:
    """What `likelihood` gives for the batches of `rows`, to the bit, and that of each row."""
    device = next(loss.parameters()).device
    pieces: list[torch.Tensor] = []
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for batch in evaluation_batches(rows, pad):
            pieces += loss.of_targets(on_device(batch, device))
    total = 0.0
    for piece in pieces:  # sum() would round otherwise in newer versions of Python
        total += piece.sum().item()
    order = _by_length(rows)
    counts = [len(rows[i].ids) - rows[i].start for i in order]
    sums = [part.sum().item() for part in torch.cat(pieces).split(counts)]
    found = dict(zip(order, map(Likelihood, sums, counts), strict=True))
    return Likelihood(total, sum(counts)), [found[i] for i in range(len(rows))]


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
