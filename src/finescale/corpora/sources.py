"""Raw files, pinned by SHA-256: what leaves this module has the bytes that were asked for."""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import yaml

from finescale.errors import UserError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Pin:
    """The content that a raw file must have; `sha256` is None where nobody has measured it yet."""

    sha256: str | None
    size: int | None


@dataclass(frozen=True)
class Source:
    """One raw file: where it lies, where it comes from, its content, and its archive members."""

    name: str
    path: Path
    url: str | None
    pin: Pin
    members: dict[str, Pin]

    @property
    def remedy(self) -> str:
        """What a user does when the file is missing or wrong."""
        if self.url:
            return f"place the file from {self.url} at {self.path}"
        return f"restore {self.path} (git checkout -- {self.path})"


def read_sources(path: Path, root: Path) -> dict[str, Source]:
    """Read the declaration of all raw files; relative paths in it start at `root`.

    A source without a `path` is expected at `resources/raw/<last part of its URL>`.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise UserError(f"{path} is missing: it declares the raw files") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected a mapping of source names")
    return {name: _source(name, entry, root, path) for name, entry in entries.items()}


def _source(name: str, entry: dict, root: Path, file: Path) -> Source:
    where = f"{file}: {name}"
    if not isinstance(entry, dict) or not (entry.get("path") or entry.get("url")):
        raise UserError(f"{where}: a source needs a path or a url")
    url = entry.get("url")
    default = PurePosixPath("resources/raw") / PurePosixPath(url or name).name
    members = entry.get("members") or {}
    for member in members:
        if member.startswith("/") or ".." in PurePosixPath(member).parts:
            raise UserError(f"{where}: member {member!r} points outside of the archive")
    return Source(
        name=name,
        path=root / (entry.get("path") or default),
        url=url,
        pin=_pin(entry, where),
        members={member: _pin(pin, f"{where}: {member}") for member, pin in members.items()},
    )


def _pin(entry: dict, where: str) -> Pin:
    sha256, size = entry.get("sha256"), entry.get("size")
    if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(sha256)):
        raise UserError(f"{where}: sha256 is {sha256!r}, expected 64 hexadecimal digits (or null)")
    if size is not None and not isinstance(size, int):
        raise UserError(f"{where}: size is {size!r}, expected a number of bytes (or null)")
    return Pin(sha256, size)


def fetch(sha256: str, sources: dict[str, Source], destination: Path) -> None:
    """Put the raw file or archive member with this SHA-256 at `destination`.

    The bytes are checked on the way: `destination` appears only when they are right.
    """
    source, member, pin = _find(sha256, sources)
    if not source.path.is_file():
        raise UserError(f"source {source.name!r}: {source.path} is missing: {source.remedy}")
    with _open(source, member) as stream:
        _copy_checked(stream, source, member, pin, destination)


def not_pinned(name: str, sources: dict[str, Source]) -> UserError:
    """The message for a raw file, `<source>` or `<source>:<member>`, that has no SHA-256 yet."""
    source = sources.get(name.partition(":")[0])
    remedy = f"{source.remedy}, then " if source else ""
    return UserError(
        f"source {name!r} is not pinned: {remedy}write its sha256 and size into config/sources.yaml"
    )


def _find(sha256: str, sources: dict[str, Source]) -> tuple[Source, str | None, Pin]:
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
