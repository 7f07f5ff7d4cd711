"""The state of a training run: all that its future and its result depend on.

The same file resumes an interrupted run and continues a finished shorter one.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Best:
    """The best evaluation so far and the weights it had."""

    step: int
    log_perplexity: float
    weights: dict[str, Tensor]


@dataclass
class State:
    """Progress after `step` steps.

    `curve` holds evaluations, `loss_curve` the training loss (nats per target token) averaged
    over the steps since the entry before, `loss_sum` and `loss_steps` the average in the making.
    """

    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    loss_curve: list[dict[str, float]] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_steps: int = 0
    best: Best | None = None
    evaluations_without_gain: int = 0
    stopped: bool = False
    diverged: str | None = None


def copy_weights(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Weights that further training does not touch."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


@torch.no_grad()
def restore_weights(parameters: dict[str, nn.Parameter], weights: dict[str, Tensor]) -> None:
    """Copy `weights` into `parameters`; their names must be the same."""
    if parameters.keys() != weights.keys():
        raise ValueError(f"weights of other parameters: {sorted(parameters.keys() ^ weights)}")
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])


def save_state(
    path: Path,
    state: State,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write everything at once: a kill leaves the old file or the new one."""
    content = {
        "state": _fields(state),
        "weights": {name: parameter.detach() for name, parameter in parameters.items()},
        "optimizer": optimizer.state_dict(),
    }
    scratch = path.with_suffix(".part")
    with open(scratch, "wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)


def _fields(state: State) -> dict[str, Any]:
    fields = vars(state).copy()
    fields["best"] = None if state.best is None else vars(state.best)
    return fields


def load_state(path: Path) -> tuple[State, dict[str, Tensor], dict[str, Any]]:
    """State, weights and optimizer state that `save_state` wrote; only data is unpickled."""
    content = torch.load(path, weights_only=True, map_location="cpu")
    fields = content["state"]
    if fields["best"] is not None:
        fields["best"] = Best(**fields["best"])
    return State(**fields), content["weights"], content["optimizer"]
