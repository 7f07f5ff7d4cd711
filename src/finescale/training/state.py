"""The state of a training run: all that its future and its result depend on.

The same file resumes an interrupted run and continues a finished shorter one.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from finescale.training.placement import Placement

STATE_FILE = "training_state.safetensors"


@dataclass
class Best:
    """The best evaluation so far and the weights it had, or this process's shares of them."""

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
    """Weights that further training does not touch, in the host's memory."""
    return {name: parameter.detach().to("cpu", copy=True) for name, parameter in parameters.items()}


@torch.no_grad()
def restore_weights(parameters: dict[str, nn.Parameter], weights: dict[str, Tensor]) -> None:
    """Copy `weights` into `parameters`; their names must be the same."""
    _refuse_other_names(parameters, weights)
    for name, parameter in parameters.items():
        parameter.copy_(weights[name].to(parameter.device))


def _refuse_other_names(parameters: dict[str, nn.Parameter], weights: dict[str, Tensor]) -> None:
    if parameters.keys() != weights.keys():
        raise ValueError(f"weights of other parameters: {sorted(parameters.keys() ^ weights)}")


def save_state(
    path: Path,
    state: State,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    placement: Placement,
    checked: bool = True,
) -> None:
    """Write everything at once: a kill or a full disk leaves the old file or the new one.

    All processes must call it; the leading one writes. A safetensors file, because equal states
    must give equal bytes, which pickles do not. With `checked`, the file has a checksum, which
    `is_whole` looks at; what is published has a better one in its manifest.
    """
    packed = optimizer.state_dict()
    tensors = {f"weights/{name}": parameter.detach() for name, parameter in parameters.items()}
    for index, moments in packed["state"].items():
        tensors |= {f"optimizer/{index}/{name}": moment for name, moment in moments.items()}
    progress = {**vars(state), "best": None}
    if state.best is not None:
        progress["best"] = [state.best.step, state.best.log_perplexity]
        tensors |= {f"best/{name}": weight for name, weight in state.best.weights.items()}
    tensors = placement.collect(tensors)
    if not placement.company.leads:
        return
    content = {"state": progress, "groups": packed["param_groups"]}
    if checked:
        content["checksum"] = _checksum(content, sorted(tensors), tensors.__getitem__)
    scratch = path.with_suffix(".part")
    try:
        save_file(tensors, scratch, metadata={"progress": json.dumps(content)})
        with open(scratch, "rb") as file:
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)  # what is cut short leaves its room to others


def is_whole(path: Path) -> bool:
    """Whether a file that `save_state` wrote with a checksum still holds what was written."""
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()["progress"])
            written = content.pop("checksum")
            return written == _checksum(content, sorted(file.keys()), file.get_tensor)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _checksum(content: Any, names: Iterable[str], tensor: Callable[[str], Tensor]) -> int:
    """CRC-32 of the progress and of the tensors with their names, types and shapes."""
    value = zlib.crc32(json.dumps(content).encode())
    for name in names:
        values = tensor(name).contiguous()
        value = zlib.crc32(f"{name} {values.dtype} {tuple(values.shape)}".encode(), value)
        value = zlib.crc32(values.reshape(-1).view(torch.uint8).numpy().data, value)
    return value


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


@torch.no_grad()
def restore_state(
    path: Path,
    parameters: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    placement: Placement,
) -> State:
    """Put a saved state into parameters and optimizer and return the rest of it.

    All processes must call it; the leading one reads.
    """
    leads, decide = placement.company.leads, placement.company.decide
    state, weights, packed = load_state(path) if leads else (State(), {}, {"state": {}})
    best = state.best.weights if state.best else {}
    state = decide(lambda: replace(state, best=state.best and replace(state.best, weights={})))
    groups, shapes = decide(lambda: (packed["param_groups"], _shapes(packed["state"])))
    if leads:
        _refuse_other_names(parameters, weights)
    for name, parameter in parameters.items():
        parameter.copy_(placement.spread(weights.get(name), parameter))
    if state.best is not None:
        state.best.weights = {
            name: placement.spread(best.get(name), parameter).to("cpu")
            for name, parameter in parameters.items()
        }
    likes = list(parameters.values())
    moments = {
        index: {
            name: placement.spread(packed["state"].get(index, {}).get(name), likes[index], shape)
            for name, shape in names.items()
        }
        for index, names in shapes.items()
    }
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return state


def _shapes(moments: dict[int, dict[str, Tensor]]) -> dict[int, dict[str, tuple[int, ...]]]:
    return {
        index: {name: tuple(moment.shape) for name, moment in names.items()}
        for index, names in moments.items()
    }
