"""Text files in parts: what one process encodes at a time, and what is kept when it is done."""

import gc
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finescale.store.artifacts import list_files

PART_BYTES = 1 << 26
DONE = "done.json"

Counts = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """The records of a file whose lines begin at bytes `start` to before `end`.

    `name` tells it from all other parts of the same job, in any run of it.
    """

    name: str
    path: Path
    start: int
    end: int


def parts_of(path: Path, name: str) -> list[Part]:
    """The parts of a file, in order; an empty file has none."""
    size = path.stat().st_size
    return [
        Part(f"{name}-{start // PART_BYTES:05d}", path, start, min(start + PART_BYTES, size))
        for start in range(0, size, PART_BYTES)
    ]


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
    with _no_search_for_garbage():
        counts = write(scratch)
    done = {"counts": counts, "files": list_files(scratch)}
    (scratch / DONE).write_text(json.dumps(done), encoding="utf-8")
    os.rename(scratch, folder)
    return counts


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Without Python looking for cycles: lists of ids are in none, but each of them counts."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


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


def write_json(path: Path, value: object) -> None:
    """Write indented JSON with a newline at its end."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def add_counts(total: Counts, counts: Counts) -> None:
    """Add the numbers of `counts` to those of the same names in `total`."""
    for name, count in counts.items():
        total[name] = total.get(name, 0) + count
