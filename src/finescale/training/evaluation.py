"""Log-perplexity: the mean negative log-likelihood of target tokens, in nats."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from finescale.models import TunedModel
from finescale.training.loader import Batch, collate
from finescale.training.objective import Row

BATCH_IDS = 8192  # ids in an evaluation batch, padding included
LOGITS = 2**26  # most logits held at once: 256 MB in float32


class Likelihood(NamedTuple):
    """A sum of negative log-likelihoods over `tokens` target tokens."""

    total: float
    tokens: int

    @property
    def log_perplexity(self) -> float:
        return self.total / self.tokens


def evaluation_batches(rows: Sequence[Row], pad: int) -> list[Batch]:
    """Rows of like length together, in batches of a bounded number of ids."""
    batches: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):  # rising: the last is the longest
        if not batches or (len(batches[-1]) + 1) * len(row.ids) > BATCH_IDS:
            batches.append([])
        batches[-1].append(row)
    return [collate(batch, pad) for batch in batches]


def negative_log_likelihood(model: TunedModel, batch: Batch) -> Tensor:
    """The sum over the batch's targets, a scalar; logits are made at those positions alone."""
    hidden = model(batch.ids).flatten(0, 1).index_select(0, batch.positions)
    return functional.cross_entropy(model.logits(hidden), batch.targets, reduction="sum")


@torch.inference_mode()
def likelihood(model: TunedModel, batches: Sequence[Batch], precision: str = "fp32") -> Likelihood:
    """The likelihood of all targets of `batches` under `model`, in fp32 or bf16."""
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        return _likelihood(model, batches, device)


def _likelihood(model: TunedModel, batches: Sequence[Batch], device: torch.device) -> Likelihood:
    total, tokens = 0.0, 0
    for batch in batches:
        ids, positions, targets = (tensor.to(device) for tensor in batch)
        hidden = model(ids).flatten(0, 1).index_select(0, positions)
        chunk = max(1, LOGITS // model.decoder.config.vocab_size)
        for states, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True):
            losses = functional.cross_entropy(model.logits(states), wanted, reduction="none")
            total += losses.double().sum().item()
        tokens += len(targets)
    return Likelihood(total, tokens)
