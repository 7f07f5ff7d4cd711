"""The raw files that studies start from, as config/sources.yaml declares and pins them.

An entry is one file, a folder of files, or many shards of one pattern. A user's own entries stand
in `*.sources.yaml` beside it. What an entry does not pin itself, `finescale sources --lock` pins in
sources.lock.json.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from finescale.errors import UserError, suggestion
from finescale.study.readings import RECORDS

SHARD = re.compile(r"\{shard(:0\d+d)?\}")


@dataclass(frozen=True)
class Pin:
    """The content that a raw file must have: SHA-256, size in bytes, number of records.

    `sha256` is None while nobody has measured it: such a file can be planned, not used. `md5` is
    what a publisher gave instead.
    """

    sha256: str | None
    size: int | None
    records: int | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Source:
    """One entry: where it lies and comes from, its content, and what it consists of.

    `members` are files inside an archive, `files` those of a folder or repository, `shards` the
    number of files of one pattern. `reading` says how bytes become records.
    """

    name: str
    path: Path
    urls: tuple[str, ...]
    pin: Pin
    members: Mapping[str, Pin] = field(default_factory=dict)
    files: Mapping[str, Pin] = field(default_factory=dict)
    shards: int = 0
    licence: str = ""
    purpose: str = ""
    reading: Mapping[str, Any] = field(default_factory=lambda: RECORDS)

    @cached_property
    def parts(self) -> Mapping[str, None]:
        """What stands after the colon in the names of the raw files behind this entry, in order."""
        return dict.fromkeys(self.files or map(str, range(self.shards)))


@dataclass(frozen=True)
class RawFile:
    """One file to be had: of an archive's member, the archive."""

    name: str
    path: Path
    urls: tuple[str, ...]
    pin: Pin
    licence: str = ""
    purpose: str = ""

    @property
    def remedy(self) -> str:
        """What a user does when the file is missing or wrong."""
        if self.urls:
            return f"place the file from {self.urls[0]} at {self.path}"
        return (
            f"put the old file back at {self.path} (from git, if it is there); or, if the new "
            "bytes are meant, delete its line in config/sources.lock.json (or its sha256 in the "
            "sources file) and run `finescale sources --lock` again"
        )


@dataclass(frozen=True)
class Locked:
    """What the lock says of a raw file: valid as long as sources.yaml has it at that URL."""

    sha256: str
    size: int | None
    url: str | None


class Sources(Mapping[str, Source]):
    """All entries by name, and the raw files behind them."""

    def __init__(self, entries: Mapping[str, Source], locked: Mapping[str, Locked], path: Path):
        self._entries, self._locked, self.path = entries, locked, path

    def __getitem__(self, name: str) -> Source:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def expand(self, raw: str) -> list[str]:
        """The raw files behind a name in a study: one, a range of shards, or all parts.

        UserError where no entry has it.
        """
        source, part = self._split(raw)
        if not source.parts:
            return [raw]
        if not part:
            return [f"{source.name}:{part}" for part in source.parts]
        first, dash, last = part.partition("-")
        if source.shards and dash and first.isdigit() and last.isdigit():
            if not int(first) <= int(last) < source.shards:
                raise UserError(f"`{raw}`: the shards of `{source.name}` are 0-{source.shards - 1}")
            return [f"{source.name}:{shard}" for shard in range(int(first), int(last) + 1)]
        return [raw]

    def file(self, raw: str) -> RawFile:
        """One raw file, by the name that `expand` gives."""
        file = self.declared(raw)
        locked = self._locked.get(file.name)
        if file.pin.sha256 or locked is None or locked.url not in (*file.urls, None):
            return file
        pin = replace(file.pin, sha256=locked.sha256, size=locked.size)
        return replace(file, pin=pin)

    def declared(self, raw: str) -> RawFile:
        """One raw file with what sources.yaml alone says of it."""
        source, part = self._split(raw)
        if not source.parts:
            return self._whole(source)
        if part not in source.parts:
            raise self._no_part(source, part)
        return RawFile(
            name=raw,
            path=self._part_path(source, part),
            urls=tuple(_part_url(source, url, part) for url in source.urls),
            pin=Pin(None, None) if source.shards else source.files[part],
            licence=source.licence,
            purpose=source.purpose,
        )

    def pin(self, raw: str) -> Pin:
        """The pin of one raw file or archive member, by the name that `expand` gives."""
        source, part = self._split(raw)
        if not part or source.parts:
            return self.file(raw).pin
        if part not in source.members:
            raise self._no_part(source, part)
        return source.members[part]

    def reading(self, raw: str) -> Mapping[str, Any]:
        """How the bytes of a raw file become records."""
        return self._split(raw)[0].reading

    def _split(self, raw: str) -> tuple[Source, str]:
        name, _, part = raw.partition(":")
        if name not in self._entries:
            raise UserError(f"{self.path} has no source `{name}`{suggestion(name, self._entries)}")
        return self._entries[name], part

    def _whole(self, source: Source) -> RawFile:
        about = {"licence": source.licence, "purpose": source.purpose}
        return RawFile(source.name, source.path, source.urls, source.pin, **about)

    def _part_path(self, source: Source, part: str) -> Path:
        if source.files:
            return source.path / part
        return source.path.with_name(_of_shard(source.path.name, part))

    def _no_part(self, source: Source, part: str) -> UserError:
        known = source.members or source.parts
        kind = "shard" if source.shards else "member"
        if source.shards:
            return UserError(
                f"`{source.name}` in {self.path} has no shard `{part}` (0-{source.shards - 1})"
            )
        likely = suggestion(part, known)
        return UserError(f"`{source.name}` in {self.path} has no {kind} `{part}`{likely}")


def _of_shard(pattern: str, part: str) -> str:
    return SHARD.sub(lambda found: f"{{{found[1] or ''}}}".format(int(part)), pattern)


def _part_url(source: Source, url: str, part: str) -> str:
    return f"{url.rstrip('/')}/{part}" if source.files else _of_shard(url, part)


def count_records(raw: Iterable[str], sources: Sources) -> int | None:
    """Records of several raw files together; None while one of them is not counted.

    An entry with shards counts them together.
    """
    counts: list[int | None] = []
    for name in raw:
        source = sources[name.partition(":")[0]]
        whole = source.shards and ":" not in name
        pins = [source.pin] if whole else map(sources.pin, sources.expand(name))
        counts += [pin.records for pin in pins]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
