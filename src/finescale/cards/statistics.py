"""What a split or a test set is like: sizes, lengths, languages, repeated examples, samples."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Any

import numpy as np

from finescale.cards.overlap import Example
from finescale.cards.words import compared

SAMPLE_CHARACTERS = 400  # of a source or a target
ENDS = ("source", "target")


class Statistics:
    """Reads examples as a stream, in bounded memory: 8 bytes an example and the lengths there are.

    It keeps `samples` of them (1 at least): those with the smallest hashes, so that the choice is
    random, yet always the same.
    """

    def __init__(self, samples: int) -> None:
        self.languages: Counter[tuple[str, str]] = Counter()
        self._characters: dict[str, Counter[int]] = {end: Counter() for end in ENDS}
        self._words: dict[str, Counter[int]] = {end: Counter() for end in ENDS}
        self._hashes = array("Q")
        self._room = samples
        self._samples: list[tuple[int, int, dict[str, str]]] = []  # a heap, the largest hash first

    def watch(self, records: Iterable[dict[str, str]]) -> Iterator[Example]:
        """Count every example on its way to whoever compares it with others."""
        for record in records:
            example = compared_example(record)
            self.languages[record["source_language"], record["target_language"]] += 1
            for end, text in zip(ENDS, example, strict=True):
                self._characters[end][len(record[end])] += 1
                self._words[end][len(text.words)] += 1
            self._keep(record)
            yield example

    def _keep(self, record: dict[str, str]) -> None:
        both = f"{record['source']}\0{record['target']}".encode()
        value = int.from_bytes(blake2b(both, digest_size=8).digest(), "big")
        entry = (-value, len(self._hashes), record)
        self._hashes.append(value)
        is_wanted = len(self._samples) < self._room or entry > self._samples[0]
        if is_wanted and not self._is_sampled(value):
            heappush(self._samples, entry)
            if len(self._samples) > self._room:
                heappop(self._samples)

    def _is_sampled(self, value: int) -> bool:
        return any(-negative == value for negative, *_ in self._samples)

    def summary(self) -> dict[str, Any]:
        """Everything but the samples; what it says of equal examples means every character."""
        lengths = {
            end: {
                "characters": summary_of(self._characters[end]),
                "words": summary_of(self._words[end]),
            }
            for end in ENDS
        }
        return {
            "examples": len(self._hashes),
            "repeated": len(self._hashes) - _different(self._hashes),
            "languages": [
                {"source": source, "target": target, "examples": count}
                for (source, target), count in sorted(self.languages.items())
            ],
            **lengths,
        }

    def samples(self) -> list[dict[str, str]]:
        """The samples in the order of the file, long texts cut."""
        records = [record for _, _, record in sorted(self._samples, key=lambda entry: entry[1])]
        return [record | {end: _cut(record[end]) for end in ENDS} for record in records]


def compared_example(record: Mapping[str, str]) -> Example:
    """Source and target of a record, to be compared with others."""
    return compared(record["source"]), compared(record["target"])


def summary_of(counts: Mapping[int, int]) -> dict[str, float | int]:
    """Sum, mean, median, 95th percentile and maximum of lengths, given how often each occurs.

    A percentile is the smallest length that this share of the texts does not exceed.
    """
    lengths = np.array(sorted(counts), dtype=np.int64)
    upto = np.cumsum([counts[length] for length in lengths.tolist()])
    total, texts = sum(length * count for length, count in counts.items()), int(upto[-1])
    median, high = (int(lengths[np.searchsorted(upto, texts * p / 100)]) for p in (50, 95))
    return {
        "total": total,
        "mean": round(total / texts, 2),
        "median": median,
        "p95": high,
        "max": int(lengths[-1]),
    }


def _different(hashes: array) -> int:
    """How many different numbers there are. They are sorted in place."""
    values = np.frombuffer(hashes, dtype=np.uint64)
    values.sort()
    return int(np.count_nonzero(values[1:] != values[:-1])) + 1


def _cut(text: str) -> str:
    return text if len(text) <= SAMPLE_CHARACTERS else text[:SAMPLE_CHARACTERS].rstrip() + "…"
