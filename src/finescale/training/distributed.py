"""Several processes that train one model: how they meet, agree, and leave.

torchrun or srun starts them. What they agree on goes over the CPUs' network (gloo), whatever
carries the gradients. A process that dies must not leave the others waiting: each listens to the
one before it and leaves when that is gone without a word, which the next one hears in turn.
"""

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

import torch
from lightning.fabric.plugins.environments import SLURMEnvironment
from torch import distributed

from finescale.errors import UserError
from finescale.launch import ALONE, Company, Hardware, Place
from finescale.models import device_name, find_device, refuse_shared

T = TypeVar("T")
MEETING = timedelta(minutes=5)  # between the first and the last process to start
EXCHANGE = timedelta(minutes=30)  # of gradients, before a GPU counts as hung
PATIENCE = timedelta(days=2)  # while one process reads, checks or writes for all
GRACE_SECONDS = 15.0  # for a process to stop by itself when another is gone
FAREWELL_SECONDS = 10.0
PORTS = range(15000, 32000)  # below those that systems give to outgoing connections


def join(
    hardware: Hardware, place: Place, environment: Mapping[str, str] = os.environ
) -> AbstractContextManager[Company]:
    """The company of this process, for as long as the block lasts.

    UserError when a GPU was asked for and there is none for this process.
    """
    device = find_device(hardware.accelerator, place.local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if place.ranks == 1:
        return nullcontext(ALONE)
    return Ranks(place, device, meeting_point(environment))


def meeting_point(environment: Mapping[str, str]) -> str:
    """Where the processes meet: as torchrun says, else on the first host of the srun.

    UserError when nobody says.
    """
    if {"MASTER_ADDR", "MASTER_PORT"} <= environment.keys():
        return "env://"
    try:
        host = SLURMEnvironment.resolve_root_node_address(environment["SLURM_STEP_NODELIST"])
        job, step = (int(environment[f"SLURM_{name}_ID"]) for name in ("JOB", "STEP"))
    except (KeyError, ValueError):
        raise UserError(
            "several processes, but neither MASTER_ADDR and MASTER_PORT nor a step of SLURM says "
            "where they meet: start them with torchrun or srun"
        ) from None
    return f"tcp://{host}:{PORTS[(job * 61 + step) % len(PORTS)]}"


class Ranks(Company):
    """Several processes. Leaving the block ends this process, and says to the others how."""

    def __init__(self, place: Place, device: torch.device, meeting_point: str):
        super().__init__(place)
        self.device, self._meeting_point = device, meeting_point
        self._heard = threading.Event()
        self._status = 0  # with which the process before this one left

    def __enter__(self) -> "Ranks":
        meeting = distributed.rendezvous(
            self._meeting_point, rank=self.rank, world_size=self.ranks, timeout=MEETING
        )
        try:
            store, rank, ranks = next(meeting)
        except distributed.DistError:
            raise UserError(
                f"process {self.rank} of 0 ... {self.ranks - 1} waited {MEETING} hours for the "
                "others: did one of them end before they met?"
            ) from None
        options: dict[str, Any] = {"backend": "gloo", "timeout": PATIENCE}
        if self.device.type == "cuda":
            options = {"backend": "nccl", "timeout": EXCHANGE, "device_id": self.device}
        distributed.init_process_group(store=store, rank=rank, world_size=ranks, **options)
        self._words = distributed.new_group(backend="gloo", timeout=PATIENCE)
        self._line = distributed.new_group(backend="gloo", timeout=PATIENCE)
        threading.Thread(target=self._listen, daemon=True).start()
        names: list[Any] = [None] * self.ranks
        distributed.all_gather_object(names, device_name(self.device), group=self._words)
        refuse_shared(names)
        return self

    def decide(self, choice: Callable[[], T]) -> T:
        chosen = [choice() if self.leads else None]
        distributed.broadcast_object_list(chosen, src=0, group=self._words)
        return chosen[0]  # type: ignore[return-value]

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        own = torch.tensor(values, dtype=torch.float64)
        gathered = [torch.empty_like(own) for _ in range(self.ranks)]
        distributed.all_gather(gathered, own, group=self._words)
        return [tensor.tolist() for tensor in gathered]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        status = self._status_of(error)
        if status == 0:
            # the leading one starts the round; until it comes by, the others wait for its results
            if self.leads:
                self._tell(0)
            self._heard.wait(FAREWELL_SECONDS if self.leads else None)
            status = 0 if self.leads else self._status
        self._leave(status)

    def _status_of(self, error: BaseException | None) -> int:
        """The exit status that an error stands for; what the user should read is printed."""
        if error is None:
            return 0
        if isinstance(error, SystemExit) and not isinstance(error.code, str):
            return error.code or 0
        if isinstance(error, SystemExit):
            print(error.code, file=sys.stderr)
            return 1
        # an exchange fails when a process is gone, a moment before or after the line says so
        if isinstance(error, Exception) and self._heard.wait(FAREWELL_SECONDS / 2):
            self._say_lost()
            return self._status or 1
        traceback.print_exception(error)
        return 1

    def _say_lost(self) -> None:
        if self._status != os.EX_TEMPFAIL:
            print(
                f"error: process {self.rank} of 0 ... {self.ranks - 1} stops, because another one "
                "of this job is gone",
                file=sys.stderr,
            )

    def _listen(self) -> None:
        word = torch.zeros(1, dtype=torch.int64)
        try:
            distributed.recv(word, src=(self.rank - 1) % self.ranks, group=self._line)
            self._status = int(word)
        except RuntimeError:
            self._status = 1
        self._heard.set()
        if self._status:
            threading.Event().wait(GRACE_SECONDS)
            self._say_lost()
            self._leave(self._status)

    def _tell(self, status: int) -> None:
        word = torch.tensor([status], dtype=torch.int64)
        with contextlib.suppress(RuntimeError):  # gone already
            distributed.send(word, dst=(self.rank + 1) % self.ranks, group=self._line)

    def _leave(self, status: int) -> None:
        """End this process at once: the libraries would wait for processes that are gone."""
        if status or not self.leads:
            self._tell(status)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
