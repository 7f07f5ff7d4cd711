"""The device a process computes on: the one that was asked for, or an error at once."""

import socket
from collections.abc import Iterable

import torch

from finescale.errors import UserError


def find_device(accelerator: str, local_rank: int = 0) -> torch.device:
    """The CPU, or the CUDA device of this process among those of its host.

    A process that sees one device alone takes it, whatever its rank: schedulers can bind devices to
    processes. UserError when a GPU was asked for and there is none for this process.
    """
    if accelerator == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0 or 1 < count <= local_rank:
        raise UserError(
            f"--accelerator gpu: {socket.gethostname()} shows {count or 'no'} CUDA "
            f"device{'s' * (count > 1)} to this process, number {local_rank + 1} of this host. "
            "Ask for a GPU for each process, or set `accelerator: cpu` in the config's `hardware`."
        )
    return torch.device("cuda", local_rank if local_rank < count else 0)


def device_name(device: torch.device) -> str:
    """Host and GPU as no other has them; a CPU can be shared and has no name."""
    if device.type == "cpu":
        return ""
    return f"{socket.gethostname()} GPU {torch.cuda.get_device_properties(device).uuid}"


def refuse_shared(names: Iterable[str]) -> None:
    """UserError when two processes have the same GPU."""
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise UserError(f"--accelerator gpu: two processes have to share {name}")
        seen.add(name)
