"""Raw files, pinned by SHA-256: what leaves this module has the bytes that were asked for."""

import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from finescale.corpora.download.contents import CHUNK_BYTES, Hashes, difference, hash_file
from finescale.errors import UserError
from finescale.study.sources import Pin, RawFile, Sources

LOCK_COMMAND = "finescale sources --lock"


def fetch(sha256: str, sources: Sources, destination: Path, resume: Path | None = None) -> None:
    """Put the raw file or archive member with this SHA-256 at `destination`.

    What lies at a source's path is taken, linked if it is the network's and copied if it has only
    that path; what does not is downloaded, an archive to its path, since more of its members may be
    asked for. The bytes are checked on the
    way: `destination` appears only when they are right. An unfinished download is kept in the
    folder `resume` (default: beside `destination`).
    """
    file, member, pin = _find(sha256, sources)
    if member is not None:
        if not file.path.is_file():
            _download(file, file.path, None)
        with _open(file, member) as stream:
            _copy_checked(stream, f"{member} in {file.path}", file, pin, destination)
    elif file.path.is_file():
        _take(file, destination)
    else:
        _download(file, destination, resume / "data.part" if resume else None)


def not_pinned(names: Iterable[str], sources: Sources) -> UserError:
    """The message for raw files, by their names in studies, that have no SHA-256 yet."""
    lines = ["these raw files are not pinned by a SHA-256:"]
    lockable: dict[str, None] = {}
    for name in names:
        source, _, part = name.partition(":")
        if part in sources[source].members:  # what an archive holds is declared with its members
            lines.append(f"  {name}: write its sha256 and size into {sources.path}")
        elif source not in lockable:
            lines.append(f"  {source}")
            lockable[source] = None
    if lockable:
        lines.append(f"pin them: {LOCK_COMMAND} {' '.join(lockable)}")
    lines.append("Without it nobody can tell whether what arrives is what was meant.")
    return UserError("\n".join(lines))


def _find(sha256: str, sources: Sources) -> tuple[RawFile, str | None, Pin]:
    found = list(_with(sha256, sources))
    if not found:
        raise UserError(
            f"no source in {sources.path} or its lock has SHA-256 {sha256}: the study was planned "
            "with others; run snakemake again"
        )
    # the same tokenizer lies in every checkpoint: what is here, else what can be downloaded
    return min(found, key=lambda one: (not one[0].path.is_file(), not one[0].urls))


def _with(sha256: str, sources: Sources) -> Iterator[tuple[RawFile, str | None, Pin]]:
    for name, source in sources.items():
        for member, pin in source.members.items():
            if pin.sha256 == sha256:
                yield sources.file(name), member, pin
        for raw in sources.expand(name):
            file = sources.file(raw)
            if file.pin.sha256 == sha256:
                yield file, None, file.pin


def _download(file: RawFile, destination: Path, part: Path | None) -> None:
    if not file.urls:
        raise UserError(f"source {file.name!r}: {file.path} is missing: {file.remedy}")
    from finescale.corpora.download.files import download
    from finescale.corpora.download.progress import Progress

    with Progress([file.pin.size]) as progress:
        download(file, destination, part, progress.of(file.name))
        progress.arrived(file.name)


def _take(file: RawFile, destination: Path) -> None:
    """Put a file that lies here into the store, after a look at its content.

    What can be downloaded again is linked, where the file system allows it. A file that has only a
    path is its owner's: it is copied, so that a change in place does not reach the store.
    """
    partial = _partial(destination)
    if not _linked(file, partial):
        with file.path.open("rb") as stream:
            _copy_checked(stream, str(file.path), file, file.pin, destination)
        return
    try:
        _refuse_wrong(hash_file(partial), str(file.path), file, file.pin)
        os.replace(partial, destination)
    finally:
        partial.unlink(missing_ok=True)


def _linked(file: RawFile, partial: Path) -> bool:
    """Link a file of the network into the store; False where it has to be copied."""
    mask = os.umask(0o022)  # the only way to read it
    os.umask(mask)
    # the mode goes with a link: who may read the store may read all of it
    wanted = 0o444 & ~mask
    if not file.urls or file.path.stat().st_mode & wanted != wanted:
        return False
    try:
        os.link(file.path.resolve(), partial)
    except OSError:
        return False
    return True


@contextmanager
def _open(file: RawFile, member: str) -> Iterator[IO[bytes]]:
    """Stream the archive as far as the member; nothing else is unpacked."""
    try:
        with tarfile.open(file.path, mode="r|*") as archive:
            entry = next((entry for entry in archive if entry.name == member), None)
            content = archive.extractfile(entry) if entry and entry.isfile() else None
            if content is None:
                raise _damaged(file, f"holds no file {member!r}")
            yield content
    except UserError:
        raise
    except Exception as error:
        # each compression has exceptions of its own (LZMAError, zlib.error, EOFError, ...)
        if hash_file(file.path).sha256 == file.pin.sha256:
            raise
        raise _damaged(file, f"cannot be unpacked ({error})") from error


def _copy_checked(
    stream: IO[bytes], label: str, file: RawFile, pin: Pin, destination: Path
) -> None:
    """Copy a stream, to no more than the pinned size: a small archive may unpack to anything."""
    partial = _partial(destination)
    hashes = Hashes(with_md5=False)
    try:
        with partial.open("wb") as out:
            while chunk := stream.read(CHUNK_BYTES):
                hashes.update(chunk)
                if pin.size is not None and hashes.size > pin.size:
                    raise UserError(
                        f"source {file.name!r}: {label} goes on after the expected {pin.size} bytes"
                        f" (SHA-256 {pin.sha256}): {_remedy(file)}"
                    )
                out.write(chunk)
        _refuse_wrong(hashes.content, label, file, pin)
        os.replace(partial, destination)
    finally:
        partial.unlink(missing_ok=True)


def _partial(destination: Path) -> Path:
    return destination.with_name(destination.name + ".partial")


def _refuse_wrong(content: Pin, label: str, file: RawFile, pin: Pin) -> None:
    if difference(content, pin) is not None:
        raise UserError(
            f"source {file.name!r}: {label} has SHA-256 {content.sha256} ({content.size} bytes), "
            f"expected {pin.sha256} ({pin.size} bytes): {_remedy(file)}"
        )


def _damaged(file: RawFile, what: str) -> UserError:
    return UserError(
        f"source {file.name!r}: {file.path} {what}; it has SHA-256 {hash_file(file.path).sha256}, "
        f"expected {file.pin.sha256}: {_remedy(file)}"
    )


def _remedy(file: RawFile) -> str:
    """What a user does about a file with other bytes."""
    return f"remove {file.path}, and it is downloaded again" if file.urls else file.remedy
