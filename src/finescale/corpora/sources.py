"""Raw files, pinned by SHA-256: what leaves this module has the bytes that were asked for."""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from finescale.errors import UserError
from finescale.study.sources import Pin, Source

CHUNK_BYTES = 1 << 20


def fetch(sha256: str, sources: Mapping[str, Source], destination: Path) -> None:
    """Put the raw file or archive member with this SHA-256 at `destination`.

    The bytes are checked on the way: `destination` appears only when they are right.
    """
    source, member, pin = _find(sha256, sources)
    if not source.path.is_file():
        raise UserError(f"source {source.name!r}: {source.path} is missing: {source.remedy}")
    with _open(source, member) as stream:
        _copy_checked(stream, source, member, pin, destination)


def not_pinned(name: str, sources: Mapping[str, Source]) -> UserError:
    """The message for a raw file, `<source>` or `<source>:<member>`, that has no SHA-256 yet."""
    source = sources.get(name.partition(":")[0])
    remedy = f"{source.remedy}, then " if source else ""
    return UserError(
        f"source {name!r} is not pinned: {remedy}write its sha256 and size into config/sources.yaml"
    )


def _find(sha256: str, sources: Mapping[str, Source]) -> tuple[Source, str | None, Pin]:
    for source in sources.values():
        if source.pin.sha256 == sha256:
            return source, None, source.pin
        for member, pin in source.members.items():
            if pin.sha256 == sha256:
                return source, member, pin
    raise UserError(f"no source in config/sources.yaml has SHA-256 {sha256}")


@contextmanager
def _open(source: Source, member: str | None) -> Iterator[IO[bytes]]:
    """Open the file, or stream the archive as far as the member; nothing else is unpacked."""
    if member is None:
        with source.path.open("rb") as stream:
            yield stream
        return
    try:
        with tarfile.open(source.path, mode="r|*") as archive:
            entry = next((entry for entry in archive if entry.name == member), None)
            content = archive.extractfile(entry) if entry and entry.isfile() else None
            if content is None:
                raise _damaged(source, f"holds no file {member!r}")
            yield content
    except UserError:
        raise
    except Exception as error:
        # each compression has exceptions of its own (LZMAError, zlib.error, EOFError, ...)
        if _sha256(source.path) == source.pin.sha256:
            raise
        raise _damaged(source, f"cannot be unpacked ({error})") from error


def _copy_checked(
    stream: IO[bytes], source: Source, member: str | None, pin: Pin, destination: Path
) -> None:
    label = str(source.path) if member is None else f"{member} in {source.path}"
    partial = destination.with_name(destination.name + ".partial")
    digest, size = hashlib.sha256(), 0
    try:
        with partial.open("wb") as out:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
        if digest.hexdigest() != pin.sha256 or pin.size not in (None, size):
            raise UserError(
                f"source {source.name!r}: {label} has SHA-256 {digest.hexdigest()} ({size} bytes), "
                f"expected {pin.sha256} ({pin.size} bytes): {source.remedy}"
            )
        os.replace(partial, destination)
    finally:
        partial.unlink(missing_ok=True)


def _damaged(source: Source, what: str) -> UserError:
    return UserError(
        f"source {source.name!r}: {source.path} {what}; it has SHA-256 {_sha256(source.path)}, "
        f"expected {source.pin.sha256}: {source.remedy}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
