"""Log-perplexity: the mean negative log-likelihood of target tokens, in nats."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from finescale.launch import ALONE, Company
from finescale.training.loader import Batch, bounded, collate, empty_batch, on_device
from finescale.training.loss import TargetLoss
from finescale.training.objective import Row

BATCH_IDS = 8192  # ids in an evaluation batch, padding included


class Likelihood(NamedTuple):
    """A sum of negative log-likelihoods over `tokens` target tokens."""

    total: float
    tokens: int

    @property
    def log_perplexity(self) -> float:
        return self.total / self.tokens


def evaluation_batches(rows: Sequence[Row], pad: int) -> list[Batch]:
    """Rows of like length together, in batches of a bounded number of ids."""
    rising = sorted(rows, key=lambda row: len(row.ids))
    return [collate(batch, pad) for batch in bounded(rising, BATCH_IDS)]


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
