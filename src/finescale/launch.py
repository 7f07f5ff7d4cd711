"""How a program was started: on what hardware, and as one of how many processes."""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from finescale.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Hardware:
    """What a job runs on. It changes no result beyond rounding, so it is in no recipe."""

    accelerator: str = "cpu"
    strategy: str = "ddp"
    activation_checkpointing: bool = False
    attention: str = "sdpa"
    micro_batch_tokens: int | None = None
    workers: int = 1

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Hardware":
        """What the command line says; the default where a program has no such option."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in vars(arguments).items() if name in names})


CPU = Hardware()


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


OPTIONS: dict[str, dict[str, Any]] = {
    "accelerator": {
        "choices": ("cpu", "gpu"),
        "default": "cpu",
        "help": "with gpu, a process that sees none ends at once (default: cpu)",
    },
    "strategy": {
        "choices": ("ddp", "fsdp"),
        "default": "ddp",
        "help": "of several processes: each holds the model, or a share of it (default: ddp)",
    },
    "activation_checkpointing": {
        "action": "store_true",
        "help": "compute activations a second time instead of keeping them",
    },
    "attention": {
        "choices": ("sdpa", "eager"),
        "default": "sdpa",
        "help": "the attention kernel (default: sdpa)",
    },
    "micro_batch_tokens": {
        "type": _positive,
        "metavar": "N",
        "help": "most ids of one forward pass of one process, padding included "
        "(default: its whole share of the batch)",
    },
    "workers": {
        "type": _positive,
        "default": 1,
        "metavar": "N",
        "help": "processes that read or encode text (default: 1)",
    },
}


TRAINING = tuple(name for name in OPTIONS if name != "workers")  # what training programs take


def add_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add the options of these fields of `Hardware`."""
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}", **OPTIONS[name])


@dataclass(frozen=True)
class Place:
    """Which of the processes that were started together this one is."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0  # on this host

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Place":
        """As torchrun says, else as the srun that started this process says, else alone.

        A SLURM batch script is one process however many tasks its job has: only a step's count is
        heeded. UserError when what torchrun sets is there in part.
        """
        if "WORLD_SIZE" in environment:
            names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        elif "SLURM_STEP_NUM_TASKS" in environment:
            names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
        else:
            return cls()
        try:
            return cls(*(int(environment[name]) for name in names))
        except (KeyError, ValueError):
            raise UserError(
                f"the environment has {names[1]}, but not whole numbers in all of "
                f"{', '.join(names)}: start with torchrun or srun, or unset it"
            ) from None


class Company:
    """The processes that make one artifact together; this class: one process by itself."""

    def __init__(self, place: Place | None = None) -> None:
        place = place or Place()
        self.rank, self.ranks, self.local_rank = place.rank, place.ranks, place.local_rank

    @property
    def leads(self) -> bool:
        """Whether this process is the one that touches the store and reports."""
        return self.rank == 0

    def decide(self, choice: Callable[[], T]) -> T:
        """What the leading process chooses, in all processes."""
        return choice()

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """The numbers of every process, in all processes, in the order of the ranks."""
        return [list(values)]

    def total(self, value: float) -> float:
        """The sum over all processes, to the last bit the same in each."""
        return sum(values[0] for values in self.gather([value]))


ALONE = Company()
