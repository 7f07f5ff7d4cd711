"""What torch would allocate and compute in one pass of training, without weights or arithmetic.

torch's fake tensors have shapes, types and storages, and no memory. A forward and a backward pass
with them shows what autograd keeps and which products are computed, of models of any size.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from finescale.models import attach, decoder_config, hollow_decoder
from finescale.training import loss as loss_module
from finescale.training.adafactor import Adafactor
from finescale.training.loader import Batch
from finescale.training.loss import TargetLoss

GIB = 2**30
LOGIT_BYTES = 12  # the logit, its logarithm of the probability, its gradient


def memory_of_pass(
    size: Mapping[str, int],
    vocabulary: int,
    method: str,
    pet_size: int | None,
    ids: int,
    length: int,
    targets: int,
    checkpointing: bool,
) -> dict[str, float]:
    """GiB of parameters, gradients, optimizer state, kept activations and logits of one device."""
    mode, loss = fake_loss(size, vocabulary, method, pet_size)
    loss.model.use("sdpa", checkpointing)
    with mode:
        kept = kept_bytes(loss, fake_batch(ids, length, targets))
        trainable = list(loss.model.trainable().values())
        optimizer = Adafactor(trainable, lr=0.01, parameter_scaling=True)
        for parameter in trainable:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        state = [moment for names in optimizer.state.values() for moment in names.values()]
        logits = min(targets * vocabulary, loss_module.TRAINING_LOGITS)
        return {
            "parameters_gib": bytes_of(loss.parameters()) / GIB,
            "gradients_gib": bytes_of(trainable) / GIB,
            "optimizer_gib": bytes_of(state) / GIB,
            "activations_gib": kept / GIB,
            "logits_gib": logits * LOGIT_BYTES / GIB,
        }


def flops_of_pass(
    size: Mapping[str, int],
    vocabulary: int,
    method: str,
    pet_size: int | None,
    ids: int,
    length: int,
    targets: int,
) -> float:
    """FLOPs of the matrix products of a forward and a backward pass, nothing computed twice."""
    mode, loss = fake_loss(size, vocabulary, method, pet_size)
    loss.model.use("eager", activation_checkpointing=False)  # its products are all counted
    pieces, loss_module.TRAINING_LOGITS = loss_module.TRAINING_LOGITS, 2**62
    try:
        with mode, FlopCounterMode(display=False) as counter:
            loss(fake_batch(ids, length, targets)).backward()
    finally:
        loss_module.TRAINING_LOGITS = pieces
    return counter.get_total_flops()


def fake_loss(
    size: Mapping[str, int], vocabulary: int, method: str, pet_size: int | None
) -> tuple[FakeTensorMode, TargetLoss]:
    """A model whose tensors are fake; tied weights stay tied."""
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    loss = TargetLoss(
        attach(hollow_decoder(decoder_config(size, vocabulary)), method, pet_size)
    ).train()
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fakes: dict[int, nn.Parameter] = {}
    for module in loss.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in fakes:
                fake = mode.from_tensor(parameter.detach())
                fakes[id(parameter)] = nn.Parameter(fake, parameter.requires_grad)
                fakes[id(fakes[id(parameter)])] = fakes[id(parameter)]
            if parameter is not None:
                module._parameters[name] = fakes[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = mode.from_tensor(buffer)
    return mode, loss


def fake_batch(ids: int, length: int, targets: int) -> Batch:
    """A batch of this shape; made while a mode is on, its tensors are fake."""
    rows = ids // length
    whole = [torch.zeros(shape, dtype=torch.int64) for shape in ((rows, length), targets, targets)]
    return Batch(*whole)


def kept_bytes(loss: TargetLoss, batch: Batch) -> int:
    """Bytes that autograd keeps between the passes in bf16, parameters left out."""
    own = {parameter.untyped_storage()._cdata for parameter in loss.parameters()}
    kept: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other gets its address
        return tensor

    with (
        torch.autocast("cpu", torch.bfloat16, cache_enabled=False),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        value = loss(batch)
    total = sum(storage.nbytes() for storage in kept.values())
    del value
    return total


def bytes_of(tensors: Any) -> int:
    """Bytes of all tensors together."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
