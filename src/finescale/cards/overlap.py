"""How much of held-out examples another split holds: equal texts, and shared 8-grams.

The held-out examples are indexed, the other split is read once as a stream: memory depends on the
held-out examples alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

from finescale.cards.words import Text

NGRAM = 8  # words
NEAR = 0.7  # of a text's different n-grams: it is nearly repeated
CHUNK = 512  # examples at a time; documents are long
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
SHIFT = np.uint64(29)

Example = tuple[Text, Text]  # source and target
T = TypeVar("T")


@dataclass(frozen=True)
class Overlap:
    """How many of a set's `examples` another split holds.

    `source`, `target` and `pair`: with the same source, the same target, both in one example.
    `long_...`: with a text of 8 words at least; `near_...`: those of them of which at least 70 % of
    the 8-grams occur on the same side of the other split.
    """

    examples: int
    source: int
    target: int
    pair: int
    long_source: int
    near_source: int
    long_target: int
    near_target: int


class HeldOut:
    """Sets of held-out examples, asked how much of them a stream of other examples holds."""

    def __init__(self) -> None:
        self._sources, self._targets = _Side(), _Side()
        self._sets: list[np.ndarray] = []  # numbers of source and target, (examples, 2)

    def add(self, examples: Iterable[Example]) -> None:
        """Index one more set. All sets must be there before the first stream."""
        sides = self._sources, self._targets
        numbers = [
            tuple(side.add(text) for side, text in zip(sides, example, strict=True))
            for example in examples
        ]
        self._sets.append(np.array(numbers, dtype=np.int64).reshape(-1, 2))

    def against(self, stream: Iterable[Example]) -> list[Overlap]:
        """The overlap of every set, in the order they were added. The stream is read once."""
        sources, targets = _Seen(self._sources), _Seen(self._targets)
        pairs: set[tuple[int, int]] = set()
        for chunk in _chunks(stream):
            first = sources.look([source for source, _ in chunk])
            second = targets.look([target for _, target in chunk])
            both = zip(first, second, strict=True)
            pairs.update((s, t) for s, t in both if s is not None and t is not None)
        equal, near = (sources.texts, targets.texts), (sources.near(), targets.near())
        return [self._overlap(numbers, equal, near, pairs) for numbers in self._sets]

    def _overlap(
        self,
        numbers: np.ndarray,
        equal: tuple[np.ndarray, np.ndarray],
        near: tuple[np.ndarray, np.ndarray],
        pairs: set[tuple[int, int]],
    ) -> Overlap:
        source, target = numbers.T

        def count(flags: np.ndarray, side: np.ndarray) -> int:
            return int(np.count_nonzero(flags[side]))

        return Overlap(
            examples=len(numbers),
            source=count(equal[0], source),
            target=count(equal[1], target),
            pair=sum(tuple(row) in pairs for row in numbers.tolist()),
            long_source=count(self._sources.are_long(), source),
            near_source=count(near[0], source),
            long_target=count(self._targets.are_long(), target),
            near_target=count(near[1], target),
        )


@dataclass
class _Side:
    """All different sources (or targets) of the held-out sets, numbered, with their n-grams."""

    texts: dict[str, int] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)  # numbered from 1
    ngrams: list[np.ndarray] = field(default_factory=list)  # hashes of the different ones, by text

    def add(self, text: Text) -> int:
        """The number of a text."""
        number = self.texts.setdefault(text.normal, len(self.texts))
        if number == len(self.ngrams):
            known = self.words
            ids = [known.setdefault(word, len(known) + 1) for word in text.words]
            self.ngrams.append(_different(_ngram_hashes(np.array(ids, dtype=np.uint64))))
        return number

    def are_long(self) -> np.ndarray:
        """Whether each text has an n-gram, shape (texts,)."""
        return np.array([len(own) > 0 for own in self.ngrams], dtype=bool)


class _Seen:
    """What a stream has shown of one side. `texts`: whether each text was there, (texts,)."""

    def __init__(self, side: _Side) -> None:
        self._side = side
        self._known = _different(np.concatenate([np.empty(0, np.uint64), *side.ngrams]))
        self._found = np.zeros(len(self._known), dtype=bool)
        self.texts = np.zeros(len(side.texts), dtype=bool)

    def look(self, texts: Sequence[Text]) -> list[int | None]:
        """Mark what these texts hold; the number of each, None for those of no held-out example."""
        numbers = [self._side.texts.get(text.normal) for text in texts]
        self.texts[[number for number in numbers if number is not None]] = True
        number_of = self._side.words.get
        ids: list[int] = []
        for text in texts:
            if len(text.words) >= NGRAM:
                ids += [number_of(word, 0) for word in text.words]
                ids.append(0)  # no n-gram goes from one text to the next
        self._mark(_ngram_hashes(np.array(ids, dtype=np.uint64)))
        return numbers

    def _mark(self, hashes: np.ndarray) -> None:
        if len(self._known):
            hashes.sort()  # neighbours are found near each other, several times as fast
            places = np.searchsorted(self._known, hashes)
            places[places == len(self._known)] = 0
            self._found[places[self._known[places] == hashes]] = True

    def near(self) -> np.ndarray:
        """Whether each text is nearly repeated, shape (texts,)."""
        found = (self._found[np.searchsorted(self._known, own)] for own in self._side.ngrams)
        return np.array([len(own) > 0 and own.mean() >= NEAR for own in found], dtype=bool)


def _ngram_hashes(ids: np.ndarray) -> np.ndarray:
    """A hash of every `NGRAM` ids in a row of which none is 0, in the order of `ids` (uint64).

    With 64 bits, two n-grams of ten million each have the same hash with a chance of 1 in 100,000.
    """
    known = np.concatenate([[0], np.cumsum(ids != 0)])
    starts = np.flatnonzero(known[NGRAM:] - known[:-NGRAM] == NGRAM)
    hashes = np.zeros(len(starts), dtype=np.uint64)
    for place in range(NGRAM):
        hashes = (hashes ^ ids[starts + place]) * MULTIPLIER
        hashes ^= hashes >> SHIFT
    return hashes


def _different(hashes: np.ndarray) -> np.ndarray:
    """The hashes without repetitions, sorted; the array is sorted in place.

    `np.unique` takes several times as long and as much memory for whole numbers.
    """
    hashes.sort()
    return hashes[np.concatenate([[True], hashes[1:] != hashes[:-1]])] if len(hashes) else hashes


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
