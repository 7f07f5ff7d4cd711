"""Reading config/sources.yaml, a user's `*.sources.yaml` beside it, and their lock."""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from finescale.errors import UserError
from finescale.study.config import parse_yaml
from finescale.study.readings import read_reading
from finescale.study.sources import SHARD, Locked, Pin, Source, Sources

KEYS = {
    *("path", "url", "mirrors", "sha256", "md5", "size", "records", "licence", "purpose"),
    *("reading", "members", "files", "shards"),
}
PARTS = ("members", "files", "shards")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


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
    if not NAME.fullmatch(str(name)):
        raise UserError(f"{where}: a name has letters, digits and _ . - alone")
    if not isinstance(entry, dict) or not (entry.get("path") or entry.get("url")):
        raise UserError(f"{where}: a source needs a path or a url")
    if unknown := set(entry) - KEYS:
        raise UserError(f"{where}: unknown keys {sorted(unknown)}, known: {sorted(KEYS)}")
    parts = [key for key in PARTS if entry.get(key)]
    if len(parts) > 1:
        raise UserError(f"{where}: a source has {' or '.join(parts)}, not both")
    url, shards, mirrors = entry.get("url"), entry.get("shards") or 0, entry.get("mirrors") or []
    if not isinstance(shards, int) or shards < 0:
        raise UserError(f"{where}: shards is {shards!r}, expected how many files there are")
    if not isinstance(mirrors, list):
        raise UserError(f"{where}: mirrors is {mirrors!r}, expected a list of URLs")
    if shards and not SHARD.search(url or entry["path"]):
        raise UserError(f"{where}: shards need a url with {{shard}} in it, such as {{shard:05d}}")
    path = root / (entry.get("path") or _default_path(name, entry))
    if shards and not SHARD.search(path.name):
        raise UserError(
            f"{where}: all shards would lie at {path}: give a `path` with {{shard}} in its last "
            "part, such as data/{shard:05d}.gz"
        )
    return Source(
        name=name,
        path=path,
        urls=(*([url] if url else []), *mirrors),
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
