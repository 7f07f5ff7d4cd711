"""Reading config/sources.yaml, a user's `*.sources.yaml` beside it, and their lock."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from finescale.errors import UserError
from finescale.study.config import compose_yaml, parse_yaml
from finescale.study.readings import read_reading
from finescale.study.source_checks import (
    check_addresses,
    check_entry,
    check_part,
    check_pin,
    refuse_duplicates,
)
from finescale.study.sources import SHARD, Locked, Pin, Source, Sources


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
    places: dict[Path, tuple[str, Pin]] = {}
    for file in [path, *sorted(path.parent.glob("*.sources.yaml"))]:
        for name, entry in _entries(file).items():
            where = f"{file}: {name}"
            if name in found:
                raise UserError(f"{where}: another file declares this source already")
            found[name] = _source(name, entry, root, where)
            _refuse_shared_places(found[name], places, where)
    return Sources(found, _read_lock(lock_path(path)), path)


def _entries(file: Path) -> Mapping[Any, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        entries = parse_yaml(text)
        refuse_duplicates(compose_yaml(text), str(file))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not YAML: {error}") from None
    except (TypeError, ValueError) as error:  # a mapping as a key, a date that is none
        raise UserError(f"{file} has a value that cannot be read: {error}") from None
    if not isinstance(entries, (dict, type(None))):
        raise UserError(f"{file}: expected a mapping of source names")
    return entries or {}


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
    pin = check_pin({key: entry.get(key) for key in ("sha256", "size")}, where)
    if "sha256" not in pin:
        raise UserError(f"{where} has no sha256: delete the line, or restore the file from git")
    return Locked(pin["sha256"], pin.get("size"), entry.get("url"))


def _source(name: Any, entry: Any, root: Path, where: str) -> Source:
    entry = check_entry(name, entry, where)
    url, shards, mirrors = entry.get("url"), entry.get("shards", 0), entry.get("mirrors", [])
    members, files = (_pins(entry.get(key, {}), where) for key in ("members", "files"))
    urls = (*([url] if url else []), *mirrors)
    check_addresses(urls, files, where)
    if shards and not SHARD.search(url or entry["path"]):
        raise UserError(f"{where}: shards need a url with {{shard}} in it, such as {{shard:05d}}")
    path = root / (entry.get("path") or _default_path(name, url or "", bool(files)))
    if shards and not SHARD.search(path.name):
        raise UserError(
            f"{where}: all shards would lie at {path}: give a `path` with {{shard}} in its last "
            "part, such as data/{shard:05d}.gz"
        )
    return Source(
        name=name,
        path=path,
        urls=urls,
        pin=_pin(entry),
        members=members,
        files=files,
        shards=shards,
        licence=entry.get("licence", ""),
        purpose=entry.get("purpose", ""),
        reading=read_reading(entry.get("reading"), where),
    )


def _default_path(name: str, url: str, several: bool) -> PurePosixPath:
    folder = PurePosixPath("resources/raw") / name
    return folder if several else folder / PurePosixPath(url).name


def _pins(parts: Mapping[Any, Any] | Sequence[Any], where: str) -> dict[str, Pin]:
    """The pin of each member or file; those of a list of names have none."""
    pins = parts.items() if isinstance(parts, Mapping) else [(name, None) for name in parts]
    return {name: _pin(check_part(name, pin, where)) for name, pin in pins}


def _pin(entry: Mapping[str, Any]) -> Pin:
    return Pin(entry.get("sha256"), entry.get("size"), entry.get("records"), entry.get("md5"))


def _refuse_shared_places(source: Source, places: dict[Path, tuple[str, Pin]], where: str) -> None:
    """Two downloads to one place would replace each other; a user's own file may be read twice."""
    files = {source.path / name: pin for name, pin in source.files.items()}
    for place, pin in (files or {source.path: source.pin}).items():
        content = replace(pin, records=None)
        other, its_content = places.setdefault(place, (source.name, content))
        if other != source.name and (source.urls or content != its_content):
            raise UserError(
                f"{where}: `{other}` has a file at {place} too: give one of them another `path`"
            )
