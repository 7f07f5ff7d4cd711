"""The raw files that studies start from, as config/sources.yaml declares and pins them.

An entry is one file, a folder of files, or many shards of one pattern. A user's own entries stand
in `*.sources.yaml` beside it. What an entry does not pin itself, `finescale sources --lock` pins in
sources.lock.json.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from finescale.errors import UserError, suggestion
from finescale.study.config import parse_yaml
from finescale.study.readings import RECORDS, read_reading

SOURCE_KEYS = {
    *("path", "url", "mirrors", "sha256", "md5", "size", "records", "licence", "purpose"),
    *("reading", "members", "files", "shards"),
}
PARTS = ("members", "files", "shards")
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

    @property
    def remedy(self) -> str:
        """What a user does when the file is missing or wrong."""
        if self.urls:
            return f"place the file from {self.urls[0]} at {self.path}"
        return f"restore {self.path} (git checkout -- {self.path})"

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
        return f"restore {self.path} (git checkout -- {self.path})"


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
        pin = source.files.get(part, source.pin if not source.shards else Pin(None, None))
        return RawFile(
            name=raw,
            path=self._part_path(source, part),
            urls=tuple(_part_url(source, url, part) for url in source.urls),
            pin=pin,
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


def lock_path(sources_file: Path) -> Path:
    """Where the pins are that `finescale sources --lock` has written."""
    return sources_file.with_name("sources.lock.json")


def read_sources(path: Path, root: Path) -> Sources:
    """Read the declaration of all raw files; relative paths in it start at `root`.

    `path` is sources.yaml; its siblings `*.sources.yaml` are read too. A source without a `path` is
    expected at `resources/raw/<its name>/<last part of its URL>`.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: it declares the raw files")
    found: dict[str, Source] = {}
    for file in [path, *sorted(path.parent.glob("*.sources.yaml"))]:
        for name, entry in _entries(file).items():
            if name in found:
                raise UserError(f"{file}: {name}: another file declares this source already")
            found[name] = _source(name, entry, root, file)
    return Sources(found, _read_lock(lock_path(path)), path)


def _entries(file: Path) -> Mapping[str, Any]:
    try:
        entries = parse_yaml(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not YAML: {error}") from None
    if not isinstance(entries, dict):
        raise UserError(f"{file}: expected a mapping of source names")
    return entries


def _read_lock(path: Path) -> dict[str, Locked]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _locked(entry, f"{path}: {name}") for name, entry in content.items()}
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not a lock ({error}): restore it (git checkout -- {path})"
        ) from None


def _locked(entry: Mapping[str, Any], where: str) -> Locked:
    pin = _pin(entry, where)
    if pin.sha256 is None:
        raise UserError(f"{where} has no sha256: delete the line, or restore the file from git")
    return Locked(pin.sha256, pin.size, entry.get("url"))


def _source(name: str, entry: Any, root: Path, file: Path) -> Source:
    where = f"{file}: {name}"
    if not isinstance(entry, dict) or not (entry.get("path") or entry.get("url")):
        raise UserError(f"{where}: a source needs a path or a url")
    if unknown := set(entry) - SOURCE_KEYS:
        raise UserError(f"{where}: unknown keys {sorted(unknown)}, known: {sorted(SOURCE_KEYS)}")
    parts = [key for key in PARTS if entry.get(key)]
    if len(parts) > 1:
        raise UserError(f"{where}: a source has {' or '.join(parts)}, not both")
    url, shards = entry.get("url"), entry.get("shards") or 0
    if shards and not SHARD.search(url or entry["path"]):
        raise UserError(f"{where}: shards need a url with {{shard}} in it, such as {{shard:05d}}")
    return Source(
        name=name,
        path=root / (entry.get("path") or _default_path(name, entry)),
        urls=(*([url] if url else []), *entry.get("mirrors", ())),
        pin=_pin(entry, where),
        members=_pins(entry.get("members") or {}, "member", where),
        files=_pins(entry.get("files") or {}, "file", where),
        shards=shards,
        licence=str(entry.get("licence", "")),
        purpose=str(entry.get("purpose", "")),
        reading=read_reading(entry.get("reading"), where),
    )


def _default_path(name: str, entry: Mapping[str, Any]) -> PurePosixPath:
    folder = PurePosixPath("resources/raw") / name
    return folder if entry.get("files") else folder / PurePosixPath(entry["url"]).name


def _pins(entries: Mapping[str, Any], kind: str, where: str) -> dict[str, Pin]:
    for name in entries:
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise UserError(f"{where}: {kind} {name!r} points outside of the archive or folder")
    return {name: _pin(pin or {}, f"{where}: {name}") for name, pin in entries.items()}


def _pin(entry: Mapping[str, Any], where: str) -> Pin:
    sha256, md5, size = entry.get("sha256"), entry.get("md5"), entry.get("size")
    if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(sha256)):
        raise UserError(f"{where}: sha256 is {sha256!r}, expected 64 hexadecimal digits (or null)")
    if md5 is not None and not re.fullmatch("[0-9a-f]{32}", str(md5)):
        raise UserError(f"{where}: md5 is {md5!r}, expected 32 hexadecimal digits (or null)")
    if size is not None and not isinstance(size, int):
        raise UserError(f"{where}: size is {size!r}, expected a number of bytes (or null)")
    return Pin(sha256, size, entry.get("records"), md5)


def count_records(raw: Iterable[str], sources: Sources) -> int | None:
    """Records of several raw files together; None while one of them is not counted.

    An entry with shards counts them together.
    """
    counts: list[int | None] = []
    for name in raw:
        source = sources[name.partition(":")[0]]
        whole = source.shards and ":" not in name
        counts += (
            [source.pin.records]
            if whole
            else [sources.pin(each).records for each in sources.expand(name)]
        )
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
