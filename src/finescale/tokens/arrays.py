"""Arrays on disk, written as a stream and read through a memory map: no corpus need fit in RAM."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from finescale.errors import UserError
from finescale.store import Artifact


def token_type(vocab_size: int) -> type[np.unsignedinteger]:
    """The smallest type that holds every id of a vocabulary."""
    return np.uint16 if vocab_size < 1 << 16 else np.uint32


class ArrayWriter:
    """Appends to a one-dimensional .npy file whose length nobody knows yet."""

    def __init__(self, path: Path, dtype: type[np.generic]):
        self._dtype = np.dtype(dtype)
        self._file = path.open("wb")
        self._write_header()
        self.length = 0

    def append(self, values: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
        self.length += len(values)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header(self.length)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_header(self, length: int = 0) -> None:
        # numpy pads its headers, so that one with a longer shape fits in the same place
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (length,),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


@dataclass(frozen=True)
class Rows:
    """Rows of any length in memory: their values end to end, and the length of each."""

    values: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> "Rows":
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        return cls(np.concatenate([np.zeros(0, np.int32), *rows]), lengths)

    @classmethod
    def of_lists(cls, rows: Sequence[list[int]]) -> "Rows":
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        count = int(lengths.sum())
        return cls(np.fromiter(chain.from_iterable(rows), np.int32, count), lengths)

    def ended(self, value: int) -> "Rows":
        """With a value after each row."""
        return Rows(np.insert(self.values, np.cumsum(self.lengths), value), self.lengths + 1)

    def cut(self, most: int) -> "Rows":
        """The first `most` values of each row."""
        if not (self.lengths > most).any():
            return self
        starts = np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        places = np.arange(len(self.values)) - starts
        return Rows(self.values[places < most], np.minimum(self.lengths, most))


class RaggedWriter:
    """Appends rows of any length: values end to end, and int64 offsets (rows + 1 of them)."""

    def __init__(self, values: Path, offsets: Path, dtype: type[np.generic]):
        self._values = ArrayWriter(values, dtype)
        self._offsets = ArrayWriter(offsets, np.int64)
        self._offsets.append(np.zeros(1, dtype=np.int64))

    def extend(self, rows: Sequence[np.ndarray]) -> None:
        self.append(Rows.of(rows))

    def append(self, rows: Rows) -> None:
        self._offsets.append(self._values.length + np.cumsum(rows.lengths))
        self._values.append(rows.values)

    def append_stored(self, rows: "Ragged") -> None:
        """Rows that are on disk, their values copied from there."""
        self._offsets.append(self._values.length + rows.offsets[1:])
        self._values.append(rows.values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._values.close()
        self._offsets.close()


class Ragged:
    """Rows of a ragged array on disk; `ragged[i]` is a view of row i."""

    def __init__(self, values: Path, offsets: Path):
        self.values = _map(values)
        self.offsets = _map(offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        if not 0 <= i < len(self):
            raise IndexError(f"row {i} of {len(self)}")
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Length of each row, shape (rows,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Examples:
    """Encoded examples of one split: `sources[i]`, `targets[i]`, and an integer code of the
    target language of each, shape (examples,)."""

    sources: Ragged
    targets: Ragged
    languages: np.ndarray

    def __len__(self) -> int:
        return len(self.sources)


def example_paths(folder: Path, split: str) -> dict[str, Path]:
    """Where the arrays of a split lie."""
    parts = ("sources", "source_offsets", "targets", "target_offsets", "languages")
    return {part: folder / f"{split}.{part}.npy" for part in parts}


def open_examples(folder: Path, split: str) -> Examples:
    """Open the examples of one split, memory-mapped."""
    paths = example_paths(folder, split)
    if missing := [path.name for path in paths.values() if not path.is_file()]:
        raise UserError(f"{folder} has no {split!r} examples: {', '.join(missing)} missing")
    return Examples(
        sources=Ragged(paths["sources"], paths["source_offsets"]),
        targets=Ragged(paths["targets"], paths["target_offsets"]),
        languages=_map(paths["languages"]),
    )


def stored_examples(artifact: Artifact, split: str) -> Examples:
    """Open the examples of one split of an artifact, its files checked."""
    for path in example_paths(artifact.folder, split).values():
        artifact.file(path.name)
    return open_examples(artifact.folder, split)


def open_stream(folder: Path, split: str) -> np.ndarray:
    """Open the pretraining stream (`train` or `validation`), shape (tokens,), memory-mapped."""
    return _map(folder / f"{split}.npy")


def _map(path: Path) -> np.ndarray:
    # a plain view of the map: slices of np.memmap itself are slow
    return np.load(path, mmap_mode="r").view(np.ndarray)
