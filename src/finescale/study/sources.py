"""The raw files that a study starts from, as config/sources.yaml pins them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from finescale.errors import UserError, suggestion
from finescale.study.config import parse_yaml

SOURCE_KEYS = {"path", "url", "sha256", "size", "records", "licence", "members"}


@dataclass(frozen=True)
class Pin:
    """The content that a raw file must have: SHA-256, size in bytes, number of records.

    `sha256` is None while nobody has measured it: such a file can be planned, not used.
    """

    sha256: str | None
    size: int | None
    records: int | None = None


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

    A source without a `path` is expected at `resources/raw/<its name>/<last part of its URL>`.
    """
    try:
        entries = parse_yaml(path.read_text(encoding="utf-8")) or {}
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
    if unknown := set(entry) - SOURCE_KEYS:
        raise UserError(f"{where}: unknown keys {sorted(unknown)}, known: {sorted(SOURCE_KEYS)}")
    url = entry.get("url")
    default = PurePosixPath("resources/raw") / name / PurePosixPath(url or name).name
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
    return Pin(sha256, size, entry.get("records"))


def pin_of(name: str, sources: dict[str, Source], path: Path) -> Pin:
    """The pin of `<source>` or `<source>:<member>`; UserError when `path` declares no such file."""
    source, _, member = name.partition(":")
    if source not in sources:
        raise UserError(f"{path} has no source `{source}`{suggestion(source, sources)}")
    if not member:
        return sources[source].pin
    members = sources[source].members
    if member not in members:
        likely = suggestion(member, members)
        raise UserError(f"`{source}` in {path} has no member `{member}`{likely}")
    return members[member]


def count_records(names: Iterable[str], pins: Mapping[str, Pin]) -> int | None:
    """Records of several raw files together; None while one of them is not counted."""
    counts = [pins[name].records for name in names]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
