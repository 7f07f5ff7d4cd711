"""From raw files to one file of typed records, or one for each shard."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np

from finescale.corpora import json_lines
from finescale.corpora.cleaning import clean, filters, first_occurrences
from finescale.corpora.formats import Columns, Raw, read
from finescale.corpora.records import read_examples, read_texts, write_records
from finescale.corpora.workers import in_order
from finescale.errors import UserError
from finescale.store.kept import drop_unfinished, keep

RECORDS = {"format": "records"}
LINES, HASHES = "records.jsonl", "hashes"  # in a part's folder
COPY_BYTES = 1 << 20
COUNTED_FIRST = ("read", "kept", "empty")


@dataclass(frozen=True)
class Part:
    """The records of one raw file: its number in the split, what is left out, and where they wait.

    The folder's name is that of their file, where each raw file has one of its own.
    """

    raw: Raw
    number: int
    cleaning: Mapping[str, Any]
    folder: Path

    @property
    def path(self) -> Path:
        """The file of the records."""
        return self.folder / LINES

    @property
    def hashes(self) -> Path:
        """The file of the records' 64-bit hashes, eight bytes each."""
        return self.folder / HASHES


def convert(
    raw: Sequence[Path],
    settings: Mapping[str, Any],
    split: str,
    out: Path,
    names: Sequence[str] = (),
    unfinished: Path | None = None,
    workers: int = 1,
) -> dict[str, int] | None:
    """Turn the raw files of a split into `<split>.jsonl` in the folder `out`.

    `settings` is what a corpus recipe says of the split: `{"format": "records"}` for records of
    ours, which are checked and joined, or `readings`, with `languages`, `cleaning` and `shards`
    (then each raw file has a file of its own, `text-00000.jsonl` and so on). The split `text` holds
    documents, every other one examples. `names` are what messages call the raw files. Raw files are
    read by `workers` processes; what is finished waits in `unfinished` for what is not.

    Returns how many records were read, kept, and left out for what; None for plain records.
    UserError when a raw file cannot be read or no record is left.
    """
    if settings.get("format") == "records" and "languages" not in settings:
        _join(raw, split, out / f"{split}.jsonl")
        return None
    with TemporaryDirectory(dir=out) as scratch:
        folder = (unfinished or Path(scratch)) / f"{split}.parts"
        drop_unfinished(folder)
        parts = _parts(raw, names or list(map(str, raw)), settings, split, folder)
        counts = sum((Counter(each) for each in in_order(_make, parts, workers)), Counter())
        if not counts["kept"]:
            reasons = ", ".join(f"{name} {n}" for name, n in counts.items() if name != "read")
            raise UserError(
                f"split {split!r} has no records left of {counts['read']} ({reasons or 'none'})"
            )
        first: list[Any] = [None] * len(parts)
        if settings.get("cleaning", {}).get("duplicates"):
            first = first_occurrences([part.hashes for part in parts])
            counts["duplicates"] = sum(int((~keep).sum()) for keep in first)
            counts["kept"] -= counts["duplicates"]
        shards = settings.get("shards", False)
        files = [out / f"{part.folder.name if shards else split}.jsonl" for part in parts]
        for path in files:
            path.unlink(missing_ok=True)
        deliveries = list(zip(parts, first, files, strict=True))
        list(in_order(_deliver, deliveries, workers if shards else 1))
        shutil.rmtree(folder)
    return _in_order_of_use(counts, parts)


def _join(raw: Sequence[Path], split: str, out: Path) -> None:
    read = read_texts if split == "text" else read_examples
    if write_records(out, chain.from_iterable(map(read, raw))) == 0:
        raise UserError(f"split {split!r} has no records: {', '.join(map(str, raw))} empty")


def _in_order_of_use(counts: Counter[str], parts: Sequence[Part]) -> dict[str, int]:
    """All counts that were asked for, those of zero too."""
    asked = [name for name in parts[0].cleaning if name not in COUNTED_FIRST]
    return {name: counts[name] for name in dict.fromkeys([*COUNTED_FIRST, *counts, *asked])}


def _parts(
    raw: Sequence[Path],
    names: Sequence[str],
    settings: Mapping[str, Any],
    split: str,
    folder: Path,
) -> list[Part]:
    """What is to be made of each raw file, or two."""
    readings = settings.get("readings", [RECORDS])
    readings = list(readings) * len(raw) if len(readings) == 1 else list(readings)
    given, documents = settings.get("languages"), split == "text"
    numbered = [
        (number, Raw(reading, paths, called, _languages(given, reading), folder, documents))
        for number, reading, paths, called in _grouped(raw, names, readings)
    ]
    cleaning = settings.get("cleaning", {})
    return [
        Part(raw, number, cleaning, folder / f"{split}-{place:05d}")
        for place, (number, raw) in enumerate(numbered)
    ]


def _grouped(
    raw: Sequence[Path], names: Sequence[str], readings: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, Mapping[str, Any], tuple[Path, ...], tuple[str, ...]]]:
    """Each raw file with its number, or two for one where the format has its sides in two files."""
    number = 0
    while number < len(raw):
        size = 2 if readings[number]["format"] == "moses" else 1
        paths = tuple(raw[number : number + size])
        if len(paths) < size or (size == 2 and readings[number + 1]["format"] != "moses"):
            raise UserError(
                f"{names[number]}: moses files come in pairs, source then target; `raw` lists this "
                "one without its second"
            )
        yield number, readings[number], paths, tuple(names[number : number + size])
        number += size


def _languages(given: Sequence[str] | None, reading: Mapping[str, Any]) -> tuple[str, str] | None:
    if given:
        return given[0], given[1]
    return (reading["language"],) * 2 if "language" in reading else None


def _make(part: Part) -> dict[str, int]:
    """Write a part's files, unless an earlier run did; return what it counted."""
    return keep(part.folder, partial(_write_part, part))


def _write_part(part: Part, out: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with (out / LINES).open("wb") as lines, ExitStack() as stack:
        hashes = None
        if part.cleaning.get("duplicates"):
            hashes = stack.enter_context((out / HASHES).open("wb"))
        raw = replace(
            part.raw,
            scratch=Path(stack.enter_context(TemporaryDirectory(dir=out))),
            left_out=Counter(),
        )
        _write(replace(part, raw=raw), lines, hashes, counts)
    return dict(counts)


def _write(part: Part, out: IO[bytes], hashes: IO[bytes] | None, counts: Counter[str]) -> None:
    raw = part.raw
    chosen = filters(part.cleaning, raw.documents, raw.languages)
    before = 0
    for columns in read(raw):
        columns = _complete(columns, raw, part.number, before)
        before += len(columns["id"])
        columns = clean(columns, chosen, counts)
        lines, contents = _lines(columns, raw)
        out.write(lines)
        if hashes:
            hashes.write(b"".join(json_lines.hashes(contents)))
        counts["kept"] += len(contents)
    counts.update(raw.left_out)
    counts["read"] += before + raw.left_out.total()


def _complete(columns: Columns, raw: Raw, number: int, before: int) -> Columns:
    """Columns with ids, `<number of the raw file>-<number of the record>`, and languages."""
    sides = ("text",) if raw.documents else ("source", "target")
    if not set(sides) <= columns.keys():
        found = ", ".join(columns)
        raise UserError(f"{raw.name} has to give {' and '.join(sides)} here, but it gives {found}")
    rows = len(columns[sides[0]])
    ids = [f"{number}-{before + row}" for row in range(1, rows + 1)]
    if "id" in columns:
        pairs = zip(columns["id"], ids, strict=True)
        ids = [given if given and given.strip() else own for given, own in pairs]
    complete = {"id": ids, **{side: columns[side] for side in sides}}
    if raw.documents:
        return complete
    for side, language in enumerate(("source_language", "target_language")):
        if language in columns:
            complete[language] = columns[language]
            if raw.languages is None:  # else those of no language are of another
                _check_languages(columns[language], ids, language, raw.name)
        elif raw.languages is not None:
            complete[language] = [raw.languages[side]] * rows
        else:
            raise UserError(
                f"{raw.name} does not say its languages: give the data set "
                "`languages: [source, target]`, or the reading `language`"
            )
    return complete


def _check_languages(values: list[str | None], ids: list[str], column: str, name: str) -> None:
    for value, record in zip(values, ids, strict=True):
        if not value or not value.strip():
            raise UserError(
                f"{name}: record {record} does not say its {column}: give the data set "
                "`languages: [source, target]`, and such records are left out"
            )


def _lines(columns: Columns, raw: Raw) -> tuple[bytes, list[bytes]]:
    """The records as lines, and each line behind its id."""
    try:
        contents = json_lines.contents(columns)
        return json_lines.lines(columns["id"], contents), contents
    except UnicodeEncodeError:
        rows = zip(*columns.values(), strict=True)
        wrong = next(row[0] for row in rows if not all(map(_is_unicode, row)))
        raise UserError(f"{raw.name}: record {wrong} holds half of a surrogate pair") from None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _deliver(delivery: tuple[Part, np.ndarray | None, Path]) -> None:
    """Put a part's records, or those to keep of them, at the end of a file."""
    part, keep, path = delivery
    if keep is None and not path.exists():
        shutil.move(part.path, path)
        return
    with part.path.open("rb") as lines, path.open("ab") as out:
        if keep is None:
            shutil.copyfileobj(lines, out, COPY_BYTES)
        else:
            out.writelines(compress(lines, keep.tobytes()))
    if keep is None:
        part.path.unlink()  # the disk need not hold all twice
