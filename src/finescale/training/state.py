"""The state of a training run: all that its future and its result depend on.

The same file resumes an interrupted run and continues a finished shorter one.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

STATE_FILE = "training_state.safetensors"


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
    """Write everything at once: a kill leaves the old file or the new one.

    A safetensors file, because equal states must give equal bytes, which pickles do not.
    """
    packed = optimizer.state_dict()
    tensors = {f"weights/{name}": parameter.detach() for name, parameter in parameters.items()}
    for index, moments in packed["state"].items():
        tensors |= {f"optimizer/{index}/{name}": moment for name, moment in moments.items()}
    progress = {**vars(state), "best": None}
    if state.best is not None:
        progress["best"] = [state.best.step, state.best.log_perplexity]
        tensors |= {f"best/{name}": weight for name, weight in state.best.weights.items()}
    text = json.dumps({"state": progress, "groups": packed["param_groups"]})
    scratch = path.with_suffix(".part")
    save_file(tensors, scratch, metadata={"progress": text})
    with open(scratch, "rb") as file:
        os.fsync(file.fileno())
    os.replace(scratch, path)


def load_state(path: Path) -> tuple[State, dict[str, Tensor], dict[str, Any]]:
    """State, weights and optimizer state that `save_state` wrote."""
    with safe_open(path, framework="pt") as file:
        progress = json.loads(file.metadata()["progress"])
        tensors: dict[str, dict[str, Tensor]] = {"weights": {}, "optimizer": {}, "best": {}}
        for key in file.keys():  # noqa: SIM118
            kind, name = key.split("/", 1)
            tensors[kind][name] = file.get_tensor(key)
    state = State(**progress["state"])
    if progress["state"]["best"] is not None:
        step, log_perplexity = progress["state"]["best"]
        state.best = Best(step, log_perplexity, tensors["best"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, moment in tensors["optimizer"].items():
        index, name = key.split("/")
        moments.setdefault(int(index), {})[name] = moment
    return state, tensors["weights"], {"state": moments, "param_groups": progress["groups"]}
