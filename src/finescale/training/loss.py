"""The negative log-likelihood of target tokens: what training lowers and evaluation reports."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from finescale.models import TunedModel
from finescale.training.loader import Batch

EVALUATION_LOGITS = 2**26  # most logits held at once: 256 MB in float32
TRAINING_LOGITS = 2**29  # 2 GB; more are made in pieces, and a second time for the gradient


class TargetLoss(nn.Module):
    """The loss of a batch under a model, as one module: what processes share out among them."""

    def __init__(self, model: TunedModel):
        super().__init__()
        self.model = model
        self.vocabulary = model.decoder.config.vocab_size

    def forward(self, batch: Batch) -> Tensor:
        """The sum over the batch's targets, in nats, a scalar with its gradient.

        Without gradients it is more precise: float64 sums over pieces of the batch [pieces].
        Logits are made at the targets' positions alone.
        """
        if torch.is_grad_enabled():
            return self._training(self._hidden(batch), batch.targets)
        return torch.stack([piece.sum() for piece in self.of_targets(batch)])

    def of_targets(self, batch: Batch) -> list[Tensor]:
        """The loss of each target, in float64 and in pieces of the batch [targets of a piece]."""
        rows = max(1, EVALUATION_LOGITS // self.vocabulary)
        pieces = zip(self._hidden(batch).split(rows), batch.targets.split(rows), strict=True)
        return [self._losses(*piece, "none").double() for piece in pieces]

    def _hidden(self, batch: Batch) -> Tensor:
        return self.model(batch.ids).flatten(0, 1).index_select(0, batch.positions)

    def _training(self, hidden: Tensor, targets: Tensor) -> Tensor:
        if len(targets) * self.vocabulary <= TRAINING_LOGITS:
            return self._losses(hidden, targets, "sum")
        rows = max(1, TRAINING_LOGITS // self.vocabulary)
        pieces = zip(hidden.split(rows), targets.split(rows), strict=True)
        losses = [checkpoint(self._losses, *piece, "sum", use_reentrant=False) for piece in pieces]
        return torch.stack(losses).sum()

    def _losses(self, hidden: Tensor, targets: Tensor, reduction: str) -> Tensor:
        return functional.cross_entropy(self.model.logits(hidden), targets, reduction=reduction)
