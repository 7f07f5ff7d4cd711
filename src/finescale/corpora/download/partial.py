"""A file on its way: what is there of it, the hashes of that, and the server's word on its state.

It lies beside its destination as `NAME.part`, with a note `NAME.part.json`, and is held by one
process at a time. Every byte is written as it comes, so that a killed download loses none.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from finescale.corpora.download.contents import CHUNK_BYTES, Hashes
from finescale.study.sources import Pin


class Part:
    """An unfinished file, hashed as it grows."""

    def __init__(self, path: Path, stream: IO[bytes], with_md5: bool) -> None:
        self.path, self._stream, self._with_md5 = path, stream, with_md5
        self._note = note_path(path)
        self.remembered = _read_note(self._note)
        self._hashes = Hashes(with_md5)
        while chunk := stream.read(CHUNK_BYTES):
            self._hashes.update(chunk)

    @property
    def size(self) -> int:
        return self._hashes.size

    @property
    def content(self) -> Pin:
        """What has arrived so far."""
        return self._hashes.content

    def write(self, data: bytes) -> None:
        """Add bytes."""
        view = memoryview(data)
        while view:  # a raw file may take less than it is given
            view = view[self._stream.write(view) :]
        self._hashes.update(data)

    def restart(self) -> None:
        """Drop everything that is there."""
        self._stream.seek(0)
        self._stream.truncate()
        self._hashes = Hashes(self._with_md5)
        self.remember({})

    def remember(self, state: dict[str, Any]) -> None:
        """Note what the server said of the file, for the process that goes on after a kill."""
        if state != self.remembered:
            self.remembered = state
            self._note.write_text(json.dumps(state))

    def put(self, destination: Path) -> None:
        """Move the complete file to its place, in one step where both are on one file system."""
        os.fsync(self._stream.fileno())
        shutil.move(self.path, destination)
        self._note.unlink(missing_ok=True)


def note_path(path: Path) -> Path:
    """Where the note of a part is."""
    return path.with_name(path.name + ".json")


def _read_note(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextlib.contextmanager
def open_part(path: Path, with_md5: bool) -> Iterator[Part]:
    """Hold the part at `path`, waiting for whoever holds it; an empty one goes at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(path) as stream:
        part = Part(path, stream, with_md5)
        try:
            yield part
        finally:
            if part.size == 0:
                path.unlink(missing_ok=True)
                note_path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[IO[bytes]]:
    while True:
        with path.open("a+b", buffering=0) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting: another process downloads {path}", flush=True)
                fcntl.flock(stream, fcntl.LOCK_EX)
            if not _is_at(path, stream):
                continue  # whoever held it has put it in its place
            stream.seek(0)
            yield stream
            return


def _is_at(path: Path, stream: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
