"""`finescale sources`: the raw files of studies: what there is, downloads, checks, the lock."""

import argparse
import sys
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finescale.cli.source_names import NAME_HELP, PAPER, Choice
from finescale.cli.store import confirmed
from finescale.cli.tables import text_table
from finescale.counts import format_bytes
from finescale.errors import UserError
from finescale.study.source_files import lock_path, read_sources
from finescale.study.sources import RawFile, Sources

HASHED_AT_ONCE = 2
INTERRUPTED = 130  # the exit status that shells give after Ctrl-C


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser(
        "sources", description="raw files: list, check, download, pin by their SHA-256"
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="only what this study needs (default: everything in config/sources.yaml; tasks are"
        f" those of {PAPER})",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--list", action="store_true", help="name, size, licence, pin and purpose (the default)"
    )
    action.add_argument("--check", action="store_true", help="re-hash what is here")
    action.add_argument("--fetch", nargs="+", metavar="NAME", help=f"download: {NAME_HELP}")
    action.add_argument(
        "--lock",
        nargs="*",
        metavar="NAME",
        help="pin what has no SHA-256 yet: the hub says it, other files are downloaded; the result"
        " is config/sources.lock.json, which belongs into git; names as of --fetch",
    )
    parser.add_argument("--yes", action="store_true", help="download without asking")
    parser.set_defaults(run=_sources)


def _sources(parsed: argparse.Namespace) -> int:
    from finescale.study.files import SOURCES

    chosen = Choice(read_sources(SOURCES, Path()), parsed.config)
    try:
        if parsed.fetch is not None:
            return _fetch(chosen, parsed.fetch, parsed.yes)
        if parsed.lock is not None:
            return _lock(chosen, parsed.lock, parsed.yes)
        return _check(chosen) if parsed.check else _list(chosen)
    except KeyboardInterrupt:
        print("\nInterrupted; the same command goes on from here.", file=sys.stderr)
        return INTERRUPTED


@dataclass
class _Row:
    """The files of one source."""

    files: list[RawFile]

    @property
    def size(self) -> int | None:
        sizes = [file.pin.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def here(self) -> list[RawFile]:
        return [file for file in self.files if file.path.is_file()]


def _rows(sources: Sources, names: Iterable[str]) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for name in names:
        rows.setdefault(name.partition(":")[0], _Row([])).files.append(sources.file(name))
    return rows


def _list(chosen: Choice) -> int:
    sources = chosen.sources
    rows = _rows(sources, chosen.all())
    if rows:
        print(text_table([_shown(sources, name, row) for name, row in rows.items()]))
        print()
    files = [file for row in rows.values() for file in row.files]
    here = [file for row in rows.values() for file in row.here]
    unpinned = [file for file in files if _state(sources, file) == "no"]
    size_here = format_bytes(sum(file.path.stat().st_size for file in here))
    facts = [
        f"{_count(rows, 'source')}, {_count(files)}",
        f"{format_bytes(_known(files))} as far as sizes are known",
        f"{len(here)} here ({size_here})",
        f"{len(unpinned)} not pinned" + (" (finescale sources --lock)" if unpinned else ""),
    ]
    print("; ".join(facts))
    return 0


def _shown(sources: Sources, name: str, row: _Row) -> dict[str, object]:
    states = [_state(sources, file) for file in row.files]
    pinned = sum(state != "no" for state in states)
    size = row.size
    return {
        "source": name,
        "files": len(row.files),
        "size": "-" if size is None else format_bytes(size),
        "here": _share(len(row.here), len(row.files)),
        "pinned": states[0] if len(set(states)) == 1 else _share(pinned, len(states)),
        "licence": row.files[0].licence or "-",
        "purpose": row.files[0].purpose or "-",
    }


def _share(part: int, whole: int) -> str:
    return {0: "no", whole: "yes"}.get(part, f"{part} of {whole}")


def _state(sources: Sources, file: RawFile) -> str:
    """Who pins a file: sources.yaml, the lock, or nobody."""
    if sources.declared(file.name).pin.sha256 or sources[file.name.partition(":")[0]].members:
        return "yes"
    return "locked" if file.pin.sha256 else "no"


def _count(things: Collection[object], noun: str = "file") -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _known(files: Iterable[RawFile]) -> int:
    return sum(file.pin.size or 0 for file in files)


def _check(chosen: Choice) -> int:
    wrong = missing = 0
    for name, row in _rows(chosen.sources, chosen.all()).items():
        here = row.here
        missing += len(row.files) - len(here)
        with ThreadPoolExecutor(HASHED_AT_ONCE) as pool:
            mistakes = [line for line in pool.map(_difference, here) if line]
        wrong += len(mistakes)
        for line in mistakes:
            print(line)
        unpinned = sum(file.pin.sha256 is None and file.pin.md5 is None for file in here)
        note = f", {unpinned} of them not pinned" if unpinned else ""
        if len(here) < len(row.files):
            note += f", missing from {row.files[0].path.parent}"
        print(f"{name}: {len(here)} of {_count(row.files)} here, {len(mistakes)} wrong{note}")
    print(f"{wrong} wrong, {missing} missing")
    return 1 if wrong else 0


def _difference(file: RawFile) -> str | None:
    from finescale.corpora.download.contents import difference, hash_file, needs_md5

    wrong = difference(hash_file(file.path, needs_md5(file.pin)), file.pin)
    remedy = f"remove {file.path} and fetch it again" if file.urls else file.remedy
    return f"{file.name}: {file.path} {wrong}: {remedy}" if wrong else None


def _fetch(chosen: Choice, names: Sequence[str], yes: bool) -> int:
    from finescale.corpora.download.files import download_all, refuse_offline
    from finescale.corpora.sources import not_pinned

    files = [chosen.sources.file(name) for name in chosen.of(names)]
    missing = [file for file in files if not _is_here(file)]
    if unpinned := [file.name for file in missing if _state(chosen.sources, file) == "no"]:
        raise not_pinned(unpinned, chosen.sources)
    if not missing:
        print(f"{_count(files)}, all here (finescale sources --check re-hashes them)")
        return 0
    for file in missing:
        if not file.urls:
            raise UserError(f"{file.name}: {file.path} is missing: {file.remedy}")
    refuse_offline(missing[0])
    if not _agreed(missing, yes):
        return 0
    download_all(missing)
    print(f"{_count(missing)} fetched")
    return 0


def _is_here(file: RawFile) -> bool:
    """Whether a file is at its path, by its name and size."""
    try:
        size = file.path.stat().st_size
    except FileNotFoundError:
        return False
    if file.pin.size not in (None, size):
        remedy = "remove the file to fetch it again" if file.urls else file.remedy
        raise UserError(
            f"{file.path} has {size} bytes, {file.name} should have {file.pin.size}: {remedy}"
        )
    return True


def _agreed(files: Sequence[RawFile], yes: bool) -> bool:
    """Show what is to be downloaded, and ask; what nobody has said of its size the servers say."""
    from finescale.corpora.download.sizes import Size, ask_sizes

    rows: dict[str, list[RawFile]] = {}
    for file in files:
        rows.setdefault(file.name.partition(":")[0], []).append(file)
    sizes = ask_sizes(rows)
    table: list[dict[str, object]] = [
        {
            "source": name,
            "files": len(row),
            "size": str(sizes[name]),
            "licence": row[0].licence or "-",
            "to": str(row[0].path.parent),
        }
        for name, row in rows.items()
    ]
    print(text_table(table))
    whole = sum(sizes.values(), Size(0))
    if yes or confirmed(f"Download {_count(files)}, {whole}? [y/N] "):
        return True
    print("Nothing was downloaded (--yes downloads without asking).")
    return False


def _lock(chosen: Choice, names: Sequence[str], yes: bool) -> int:
    from finescale.corpora.download.hub import on_hub
    from finescale.corpora.download.locking import Lock, ask_for_pins, download_pins

    sources = chosen.sources
    asked = chosen.of(names) if names else chosen.all()
    # a name that was given is looked at again though it is locked; what it has must be the same
    files = [sources.declared(name) for name in asked]
    if names:
        wanted = [file for file in files if _state(sources, file) != "yes"]
    else:
        wanted = [file for file in files if _state(sources, sources.file(file.name)) == "no"]
    lock = Lock(lock_path(sources.path))
    rest = ask_for_pins(wanted, lock)
    small = all(on_hub(file.urls[0]) for file in rest)  # the hub knows the hash of each large file
    if rest and not small and not _agreed(rest, yes):
        print(f"{_count(rest)} not pinned")
        return 1
    download_pins(rest, lock)
    print(f"{_count(wanted)} pinned in {lock.path}" if wanted else "Everything is pinned.")
    return 0
