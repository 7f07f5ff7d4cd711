"""A training program of the workflow as it is, but often saving, and with little memory if asked.

`trainer.py SECONDS MIB SCRIPT RECIPE ...`: the state is saved every SECONDS; when the libraries are
imported, the program may take MIB more of memory (0: as much as there is).
"""

import importlib
import resource
import runpy
import sys
from functools import partial
from pathlib import Path

from finescale.store.forkserver import run_forked


def leave_room(mebibytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    # before the script does so itself: in the forked process this program begins anew
    modules = [f"finescale.training.{name}" for name in ("pretrain", "finetune")]
    status = run_forked(["finescale.models", *modules])
    if status is not None:
        sys.exit(status)
    seconds, mebibytes = float(sys.argv[1]), int(sys.argv[2])
    for module in map(importlib.import_module, modules):
        name = module.__name__.rpartition(".")[2]
        setattr(module, name, partial(getattr(module, name), checkpoint_every_seconds=seconds))
    if mebibytes:
        leave_room(mebibytes)
    del sys.argv[:3]
    runpy.run_path(sys.argv[0], run_name="__main__")
