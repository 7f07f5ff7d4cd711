"""What a file holds: size, SHA-256 and, where a publisher gave nothing else, MD5."""

import hashlib
from pathlib import Path

from finescale.study.sources import Pin

CHUNK_BYTES = 1 << 20


class Hashes:
    """Size and hashes of bytes that come one after the other."""

    def __init__(self, with_md5: bool) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None

    def update(self, data: bytes) -> None:
        """Count and hash more bytes."""
        self.size += len(data)
        self._sha256.update(data)
        if self._md5:
            self._md5.update(data)

    @property
    def content(self) -> Pin:
        """Of all bytes so far."""
        md5 = self._md5.hexdigest() if self._md5 else None
        return Pin(self._sha256.hexdigest(), self.size, md5=md5)


def needs_md5(pin: Pin) -> bool:
    """Whether the MD5 is the only published hash of a file."""
    return pin.sha256 is None and pin.md5 is not None


def hash_file(path: Path, with_md5: bool = False) -> Pin:
    """What the file at `path` holds."""
    hashes = Hashes(with_md5)
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            hashes.update(chunk)
    return hashes.content


def difference(content: Pin, pin: Pin) -> str | None:
    """How a content differs from what is pinned, in words; None where it does not."""
    if pin.size is not None and content.size != pin.size:
        return f"has {content.size} bytes, expected {pin.size}"
    if pin.sha256 is not None and content.sha256 != pin.sha256:
        return f"has SHA-256 {content.sha256}, expected {pin.sha256}"
    if content.md5 is not None and pin.md5 is not None and content.md5 != pin.md5:
        return f"has MD5 {content.md5}, expected {pin.md5}"
    return None
