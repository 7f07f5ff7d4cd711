"""Text files in parts: what one process encodes at a time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finescale.store.kept import Counts

PART_BYTES = 1 << 26


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


@contextmanager
def no_search_for_garbage() -> Iterator[None]:
    """Without Python looking for cycles: lists of ids are in none, but each of them counts."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


def add_counts(total: Counts, counts: Counts) -> None:
    """Add the numbers of `counts` to those of the same names in `total`."""
    for name, count in counts.items():
        total[name] = total.get(name, 0) + count
