"""Adafactor with the semantics of T5X, the paper's optimizer.

Shazeer and Stern 2018 as T5X configures it: no first moment, no weight decay, second moment
decayed by 1 - t^-0.8 and factored for large matrices, updates clipped at a root mean square of 1,
and, with parameter scaling, steps relative to the size of the parameter. torch's own Adafactor
caps the step at 1/sqrt(t), which breaks prompt tuning's rate of 0.3; transformers' factors small
matrices too. Every operation here is out of place or elementwise, so it also holds for DTensors.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

DECAY = 0.8
CLIP = 1.0
EPSILON_GRADIENT = 1e-30  # added to the squared gradient
EPSILON_PARAMETER = 1e-3  # the least size of a parameter in a relative step
FACTORED_FROM = 128  # both of the last two dimensions must be at least this to be factored


def root_mean_square(tensor: Tensor) -> Tensor:
    """A scalar, for a tensor of any shape."""
    return torch.linalg.vector_norm(tensor) / tensor.numel() ** 0.5


class Adafactor(torch.optim.Optimizer):
    """T5X Adafactor; `parameter_scaling` makes steps relative to the parameter's size.

    The learning rate is used as it is: set `group["lr"]` before each step to follow a schedule.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, parameter_scaling: bool):
        super().__init__(parameters, {"lr": lr, "parameter_scaling": parameter_scaling, "step": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; returns the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            group["step"] += 1
            for parameter in group["params"]:
                if parameter.grad is not None:
                    _update(parameter, parameter.grad, self.state[parameter], group)
        return loss


def _update(parameter: Tensor, gradient: Tensor, state: dict, group: dict[str, Any]) -> None:
    decay = 1 - group["step"] ** -DECAY
    update = _inverse_root(state, gradient.square().add_(EPSILON_GRADIENT), decay).mul(gradient)
    factor = -group["lr"] / (root_mean_square(update) / CLIP).clamp(min=1.0)
    if group["parameter_scaling"]:
        factor = factor * root_mean_square(parameter).clamp(min=EPSILON_PARAMETER)
    parameter.add_(update.mul_(factor))


def _inverse_root(state: dict, squared: Tensor, decay: float) -> Tensor:
    """Update the second moment in `state`; return its power -1/2."""
    if squared.dim() < 2 or min(squared.shape[-2:]) < FACTORED_FROM:
        return _average(state, "moment", squared, decay).rsqrt()
    row = _average(state, "row", squared.mean(dim=-1, keepdim=True), decay)
    column = _average(state, "column", squared.mean(dim=-2, keepdim=True), decay)
    return (row / row.mean(dim=-2, keepdim=True)).rsqrt() * column.rsqrt()


def _average(state: dict, name: str, value: Tensor, decay: float) -> Tensor:
    old = state.get(name)
    state[name] = value if old is None else torch.lerp(value, old, decay)
    return state[name]
