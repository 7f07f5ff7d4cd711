"""Where a run's tensors are: on one device, whole on several, or in shares on several.

Shares are FSDP2's: every parameter is a DTensor cut along its first dimension, and so are its
gradient and what the optimizer keeps of it. Files hold whole tensors, whatever made them.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, distribute_tensor

from finescale.launch import ALONE, CPU, Company, Hardware
from finescale.models import TunedModel, find_device
from finescale.models.structure import blocks
from finescale.training.loss import TargetLoss


class Placement:
    """The device of this process, and how tensors get there and back.

    All processes of the company must call `put`, `spread` and `collect` in the same order.
    """

    def __init__(self, hardware: Hardware = CPU, company: Company = ALONE):
        self.hardware, self.company = hardware, company
        self.device = find_device(hardware.accelerator, company.local_rank)
        self.sharded = company.ranks > 1 and hardware.strategy == "fsdp"

    @property
    def builds_whole(self) -> bool:
        """Whether this process needs a model's weights before `put`; else a hollow one does."""
        return self.company.leads or not self.sharded

    def put(self, model: TunedModel) -> TargetLoss:
        """Put the model, built on the CPU, in its place, and return its loss."""
        model.use(self.hardware.attention, self.hardware.activation_checkpointing)
        loss = TargetLoss(model)
        if self.sharded:
            self._shard(loss)
        return loss.to(self.device)

    def _shard(self, loss: TargetLoss) -> None:
        self.company.decide(lambda: None)  # the others wait here until the weights are made
        whole = {name: parameter.detach() for name, parameter in loss.named_parameters()}
        mesh = init_device_mesh(self.device.type, (self.company.ranks,))
        for part in [*blocks(loss.model.decoder), loss]:
            fully_shard(part, mesh=mesh, reshard_after_forward=True)
        with torch.no_grad():
            for name, parameter in loss.named_parameters():
                parameter.copy_(self.spread(whole.pop(name), parameter))

    def back(self, loss: TargetLoss) -> None:
        """Undo Lightning's move of an unsharded model to the CPU after training."""
        if not self.sharded:
            loss.to(self.device)

    def spread(
        self, whole: Tensor | None, like: Tensor, shape: Sequence[int] | None = None
    ) -> Tensor:
        """The leading process's tensor, placed in all processes as the parameter `like` is.

        `shape` is for tensors of another shape than `like`, as an optimizer's averages over rows or
        columns are. What the other processes give for `whole` is not looked at.
        """
        if self.company.ranks == 1:
            assert whole is not None
            return whole.to(self.device)
        shape = tuple(like.shape if shape is None else shape)
        if self.company.leads:
            assert whole is not None
            tensor = whole.to(self.device).contiguous()
        else:
            tensor = torch.empty(shape, dtype=like.dtype, device=self.device)
        if isinstance(like, DTensor):
            cut_alike = shape[:1] == tuple(like.shape[:1])
            places = like.placements if cut_alike else [Replicate()]
            return distribute_tensor(tensor, like.device_mesh, places)
        distributed.broadcast(tensor, src=0)
        return tensor

    def collect(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Whole tensors on the CPU of the leading process; nothing in the others."""
        collected = {}
        for name, tensor in tensors.items():
            tensor = tensor.detach()
            if isinstance(tensor, DTensor):
                share = cast(DTensor, tensor.to(self.device))
                tensor = share.full_tensor()
            if self.company.leads:
                collected[name] = tensor.cpu()
        return collected
