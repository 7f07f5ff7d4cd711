"""Parts of a job's work that are kept when they are done, so that an interrupted job goes on."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finescale.store.artifacts import list_files

DONE = "done.json"

Counts = dict[str, Any]


def keep(folder: Path, write: Callable[[Path], Counts]) -> Counts:
    """What `write` counted when it filled `folder`: an earlier run, if its files are whole, or now.

    A folder appears under its name when all of it is there. The hashes beside the files tell
    whether they still are what was written: a machine may stop before they reach the disk.
    """
    counts = _counts_of_whole(folder)
    if counts is not None:
        return counts
    shutil.rmtree(folder, ignore_errors=True)
    scratch = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    counts = write(scratch)
    done = {"counts": counts, "files": list_files(scratch)}
    (scratch / DONE).write_text(json.dumps(done), encoding="utf-8")
    os.rename(scratch, folder)
    return counts


def drop_unfinished(folder: Path) -> None:
    """Remove what killed processes had begun to write beside the finished parts."""
    for scratch in folder.glob(".*"):
        shutil.rmtree(scratch, ignore_errors=True)


def _counts_of_whole(folder: Path) -> Counts | None:
    try:
        done = json.loads((folder / DONE).read_text(encoding="utf-8"))
        files = [file for file in list_files(folder) if file["name"] != DONE]
        return done["counts"] if files == done["files"] else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):  # half of it reached the disk
        return None
