"""Compressed files and archives, read with care: what they say of themselves is not believed.

What a file is tells its content, not its name. Of an archive nothing is unpacked but the regular
files that were asked for, under names of our own, so no path or link in it leads anywhere. What
grows beyond reason on the way is refused before it fills the memory or the disk.
"""

import bz2
import errno
import io
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, Self

from finescale.errors import MOST_SHOWN, UserError

MOST_EXPANSION = 200  # times the compressed size: text shrinks to a third, logs to a twentieth
ALWAYS_ALLOWED = 1 << 26  # bytes that even a file of a few bytes may become
MOST_MEMBERS = 200_000
CHUNK_BYTES = 1 << 18  # at a time: what goes from copy to copy stays in the processor's cache
COMPRESSED_BYTES = 1 << 17  # what comes of them mostly fits in a chunk
GZIP = 16 + zlib.MAX_WBITS  # zlib's sign for a gzip header and its checksum
COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda stream: Gunzip(stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
TAR = b"ustar"  # at byte 257
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)
# What else zipfile and tarfile raise on numbers and names that damage has changed.
STUMBLES = (ValueError, LookupError, OverflowError, AttributeError, RecursionError, struct.error)


@dataclass(frozen=True)
class Member:
    """A file of an archive: its name there, and how to open it, decompressed."""

    name: str
    open: Callable[[], IO[bytes]]


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what the libraries say of a damaged file into a message that names it."""
    try:
        yield
    except DAMAGE as error:
        raise UserError(
            f"{name} cannot be unpacked: it is damaged or cut short ({error})"
        ) from error
    except NotImplementedError as error:  # a zip file's compression
        raise UserError(f"{name} cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # the disk's; EINVAL: before its start
            raise
        raise UserError(f"{name} cannot be unpacked: it is damaged ({error})") from error


@contextmanager
def _unpacking(name: str) -> Iterator[None]:
    """Around calls of zipfile and tarfile alone: elsewhere such errors would be our own."""
    try:
        yield
    except STUMBLES as error:
        raise UserError(f"{name} cannot be unpacked: it is damaged ({error})") from error


def open_file(path: Path, name: str) -> IO[bytes]:
    """Open a raw file, decompressed. UserError when it is an archive."""
    stream = _decompressed(path.open("rb"), path.stat().st_size, name)
    head = stream.peek(512)  # type: ignore[attr-defined]
    if head.startswith(ZIP) or _is_tar(head):
        stream.close()
        raise UserError(f"{name} is an archive: its reading has to name a `member`")
    return stream


@contextmanager
def open_members(
    path: Path, patterns: Sequence[str], name: str, scratch: Path
) -> Iterator[list[list[Member]]]:
    """The members of an archive that fit each pattern (a name, or one with `*`, `?`, `[...]`), in
    the order of their names.

    A zip file is read where it lies; of a tar file they are unpacked into `scratch` for the time
    being. UserError when a pattern fits none, or an archive has two members of one name.
    """
    with ExitStack() as stack:
        with path.open("rb") as stream:
            is_zip = stream.read(4) in ZIP
        if is_zip:
            with _unpacking(name):
                archive = stack.enter_context(zipfile.ZipFile(path))
                found = _of_zip(archive, name)
        else:
            folder = scratch / "members"
            folder.mkdir(parents=True)
            stack.callback(shutil.rmtree, folder)
            with _unpacking(name):
                found = _of_tar(path, patterns, name, folder)
        yield [_fitting(found, pattern, name) for pattern in patterns]


def _fits(member: str, pattern: str) -> bool:
    return member.removeprefix("./") == pattern or fnmatchcase(member.removeprefix("./"), pattern)


def _fitting(members: Sequence[Member], pattern: str, name: str) -> list[Member]:
    """The members for a pattern, by name."""
    found = sorted((m for m in members if _fits(m.name, pattern)), key=lambda m: m.name)
    if not members:
        raise UserError(f"{name} is an empty archive: it holds no files at all, so no {pattern!r}")
    if not found:
        names = [member.name for member in members]
        near = get_close_matches(pattern, names, n=MOST_SHOWN, cutoff=0.4) or names[:MOST_SHOWN]
        listed = ", ".join(near)
        raise UserError(f"{name} holds no file {pattern!r}; it holds {listed} ({len(names)} files)")
    for member, count in Counter(member.name for member in found).items():
        if count > 1:
            raise UserError(f"{name} holds {count} files {member!r}: which is meant is not known")
    return found


def _of_zip(archive: zipfile.ZipFile, name: str) -> list[Member]:
    entries = archive.infolist()
    _check_count(len(entries), name)
    return [
        Member(entry.filename, lambda entry=entry: _open_zipped(archive, entry, name))  # type: ignore[misc]
        for entry in entries
        if not entry.is_dir() and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
    ]


def _open_zipped(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> IO[bytes]:
    where = f"{entry.filename} in {name}"
    if entry.flag_bits & 1:
        raise UserError(f"{where} is encrypted: unpack it and give the file itself")
    with _unpacking(where):
        content = Bounded(archive.open(entry), entry.compress_size, where)
    return _decompressed(io.BufferedReader(content, CHUNK_BYTES), entry.file_size, where)


def _of_tar(path: Path, patterns: Sequence[str], name: str, folder: Path) -> list[Member]:
    """All regular members; those that fit a pattern are unpacked, the others cannot be opened."""
    members = []
    with closing(_decompressed(path.open("rb"), path.stat().st_size, name)) as stream:
        if not _is_tar(stream.peek(512)):  # type: ignore[attr-defined]
            raise UserError(f"{name} is no archive: neither zip nor tar")
        with tarfile.open(
            fileobj=stream, mode="r|", bufsize=CHUNK_BYTES, tarinfo=_Header
        ) as archive:
            for number, entry in enumerate(archive):
                _check_count(number, name)
                if entry.size > _most_bytes(path.stat().st_size):  # tarfile would skip it for ever
                    raise _too_large(f"{entry.name} in {name}")
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                if entry.isreg() and not entry.issparse():
                    members.append(_unpacked(archive, entry, patterns, name, folder / str(number)))
        while stream.read(CHUNK_BYTES):  # to the checksum of what it is compressed by
            pass
    return members


class _Header(tarfile.TarInfo):
    """One that says when it is damaged, or not there: tarfile takes either for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """The next header."""
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
                raise
            raise tarfile.ReadError(str(error)) from None


def _unpacked(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, patterns: Sequence[str], name: str, to: Path
) -> Member:
    where = f"{entry.name} in {name}"
    if any(_fits(entry.name, pattern) for pattern in patterns):
        content = archive.extractfile(entry)
        assert content is not None
        with to.open("xb") as out:
            shutil.copyfileobj(content, out, CHUNK_BYTES)
    return Member(
        entry.name.removeprefix("./"), lambda: _decompressed(to.open("rb"), entry.size, where)
    )


def _check_count(members: int, name: str) -> None:
    if members > MOST_MEMBERS:
        raise UserError(f"{name} holds more than {MOST_MEMBERS} members: not a corpus")


def _is_tar(head: bytes) -> bool:
    return head[257:262] == TAR


def _decompressed(stream: IO[bytes], size: int, name: str) -> IO[bytes]:
    """A buffered stream of the content; `size` is that of the compressed bytes."""
    head = stream.peek(8)[:8]  # type: ignore[attr-defined]
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        raise UserError(f"{name} is compressed by zstd, which cannot be read: unpack it")
    for magic, opened in COMPRESSIONS.items():
        if head.startswith(magic):
            return io.BufferedReader(Bounded(opened(stream), size, name, stream), CHUNK_BYTES)
    return stream


class Gunzip:
    """What the members of a gzip file hold, one after the other.

    The gzip module does the same in smaller pieces, which costs a sixth of its time. EOFError when
    the file is cut short, zlib.error when it is damaged.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, b""
        self._member = zlib.decompressobj(GZIP)

    def read(self, most: int) -> bytes:
        """Between one and `most` bytes; none at the end."""
        while True:
            if self._member.eof:
                self._left = self._behind_zeros(self._member.unused_data)
                if not self._left:
                    return b""
                self._member = zlib.decompressobj(GZIP)
            compressed = self._left or self._stream.read(COMPRESSED_BYTES)
            if not compressed:
                raise EOFError("it ends within a member")
            content = self._member.decompress(compressed, most)
            self._left = self._member.unconsumed_tail
            if content:
                return content

    def _behind_zeros(self, compressed: bytes) -> bytes:
        """What follows the zeros with which some programs fill up a member."""
        while not (left := compressed.lstrip(b"\0")):
            compressed = self._stream.read(COMPRESSED_BYTES)
            if not compressed:
                break
        return left

    def close(self) -> None:
        self._stream.close()


def _most_bytes(compressed: int) -> int:
    return max(ALWAYS_ALLOWED, MOST_EXPANSION * compressed)


def _too_large(name: str) -> UserError:
    return UserError(f"{name} unpacks to more than {MOST_EXPANSION} times its size: not a corpus")


class Bounded(io.RawIOBase):
    """A stream of unpacked bytes that ends in an error when there are too many of them."""

    def __init__(
        self, stream: IO[bytes], compressed: int, name: str, below: IO[bytes] | None = None
    ) -> None:
        self._stream, self._below, self._name = stream, below, name
        self._left = _most_bytes(compressed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _unpacking(self._name):
            chunk = self._stream.read(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise _too_large(self._name)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            if self._below is not None:
                self._below.close()
        super().close()
