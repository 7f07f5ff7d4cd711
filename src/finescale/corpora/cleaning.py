"""Filters of records. Each drop is counted under the first filter that asks for it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from finescale.corpora.formats import Columns
from finescale.corpora.languages import LANGUAGE_NAMES, identify
from finescale.errors import UserError

Filter = Callable[[Columns], list[bool]]  # whether to keep each record
LANGUAGE_CHARACTERS = 1000  # of a text: the identifier needs no more
BUCKET_HASHES = 1 << 23  # looked at together, in about 300 MB


def filters(
    cleaning: Mapping[str, Any], documents: bool, languages: tuple[str, str] | None
) -> dict[str, Filter]:
    """The filters of a data set by name, in the order in which they apply; duplicates are apart."""
    sides = ("text",) if documents else ("source", "target")
    chosen: dict[str, Filter] = {"empty": lambda columns: _not_empty(columns, sides)}
    if languages and not documents:
        chosen["other_languages"] = lambda columns: _of_pair(columns, languages)
    if least := cleaning.get("min_characters"):
        chosen["min_characters"] = lambda columns: _each(columns, sides, lambda n: n >= least)
    if most := cleaning.get("max_characters"):
        chosen["max_characters"] = lambda columns: _each(columns, sides, lambda n: n <= most)
    if (ratio := cleaning.get("max_length_ratio")) and not documents:
        chosen["max_length_ratio"] = lambda columns: _within(columns, ratio)
    if cleaning.get("language"):
        if documents and not languages:
            raise UserError(
                "cleaning by language: nothing says which language the text should be in: write "
                "`language: CODE` into the reading of its source"
            )
        chosen["language"] = lambda columns: _in_language(columns, sides, languages)
    return chosen


def clean(columns: Columns, chosen: Mapping[str, Filter], counts: Counter[str]) -> Columns:
    """The records that every filter keeps; the others are counted."""
    for name, keeps in chosen.items():
        kept = keeps(columns)
        if not all(kept):
            counts[name] += kept.count(False)
            columns = {field: list(compress(values, kept)) for field, values in columns.items()}
    return columns


def _not_empty(columns: Columns, sides: Sequence[str]) -> list[bool]:
    kept = [True] * len(columns["id"])
    for side in sides:
        texts = columns[side]
        if None in texts or not all(map(str.strip, texts)):
            blank = (text is None or not text.strip() for text in texts)
            kept = [keep and not empty for keep, empty in zip(kept, blank, strict=True)]
    return kept


def _of_pair(columns: Columns, languages: tuple[str, str]) -> list[bool]:
    ours, theirs = columns["source_language"], columns["target_language"]
    if ours.count(languages[0]) == len(ours) and theirs.count(languages[1]) == len(theirs):
        return [True] * len(ours)
    pairs = zip(ours, theirs, strict=True)
    return [pair == languages for pair in pairs]


def _each(
    columns: Columns, sides: Sequence[str], fits: Callable[[np.ndarray], np.ndarray]
) -> list[bool]:
    return np.logical_and.reduce([fits(_lengths(columns[side])) for side in sides]).tolist()


def _within(columns: Columns, ratio: float) -> list[bool]:
    source, target = _lengths(columns["source"]), _lengths(columns["target"])
    return (np.maximum(source, target) <= ratio * np.minimum(source, target)).tolist()


def _lengths(texts: list[str]) -> np.ndarray:
    return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


def _in_language(
    columns: Columns, sides: Sequence[str], languages: tuple[str, str] | None
) -> list[bool]:
    """Whether each text is in its own language, among those that prompts name and its record's."""
    if languages is None or "source_language" in columns:
        own = list(zip(*(columns[f"{side}_language"] for side in sides), strict=True))
    else:
        own = [languages[:1]] * len(columns["id"])
    texts = zip(*(columns[side] for side in sides), strict=True)
    return [
        all(_is_in(text, code, codes) for text, code in zip(record, codes, strict=True))
        for record, codes in zip(texts, own, strict=True)
    ]


def _is_in(text: str, language: str, also: Sequence[str]) -> bool:
    candidates = tuple(sorted({*LANGUAGE_NAMES, *also}))
    return identify(text[:LANGUAGE_CHARACTERS], candidates) in (None, language)


def first_occurrences(hashes: Sequence[Path]) -> list[np.ndarray]:
    """Which records are the first of their content, over several files of 64-bit hashes.

    For each file a boolean array. Two different records in N have one hash with probability
    N^2 / 2^65: once in 60,000 data sets of 25 million. Memory: one byte a record and a bucket.
    """
    files = [_hashes(path) for path in hashes]
    starts = np.cumsum([0, *map(len, files)])
    buckets = max(1, -(-int(starts[-1]) // BUCKET_HASHES))
    first = np.ones(starts[-1], dtype=bool)
    for bucket in range(buckets):
        chosen = [np.flatnonzero(values % np.uint64(buckets) == bucket) for values in files]
        parts = list(zip(files, chosen, starts, strict=False))
        values = np.concatenate([values[at] for values, at, _ in parts])
        places = np.concatenate([at + start for _, at, start in parts])
        order = np.argsort(values, kind="stable")  # so that the first of equals stays the first
        repeated = values[order[1:]] == values[order[:-1]]
        first[places[order[1:][repeated]]] = False
    return np.split(first, starts[1:-1])


def _hashes(path: Path) -> np.ndarray:
    if path.stat().st_size == 0:
        return np.empty(0, dtype=np.uint64)
    return np.memmap(path, dtype="<u8", mode="r")
