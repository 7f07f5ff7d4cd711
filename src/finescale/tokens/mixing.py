"""The order of the documents in a pretraining stream."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from finescale.corpora import generator
from finescale.tokens.arrays import Ragged

LABEL = "pretraining"  # of the random generators


class Documents:
    """The encoded documents of one language in one or several files, in the order of the files."""

    def __init__(self, parts: Sequence[Ragged]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        # tokens of each document, shape (documents,)
        self.lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, i: int) -> np.ndarray:
        part = int(np.searchsorted(self._ends, i, side="right"))
        return self._parts[part][i - (self._ends[part - 1] if part else 0)]


@dataclass(frozen=True)
class Piece:
    """A stretch of the stream: for each i document `documents[i]` of `corpora[languages[i]]`."""

    corpora: Sequence[Documents]
    languages: np.ndarray
    documents: np.ndarray

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, places: slice) -> "Piece":
        return Piece(self.corpora, self.languages[places], self.documents[places])

    def rows(self) -> list[np.ndarray]:
        """The tokens of each document."""
        pairs = zip(self.languages.tolist(), self.documents.tolist(), strict=True)
        return [self.corpora[language][document] for language, document in pairs]

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, shape (documents,)."""
        lengths = np.empty(len(self), np.int64)
        for language, corpus in enumerate(self.corpora):
            own = self.languages == language
            lengths[own] = corpus.lengths[self.documents[own]]
        return lengths


def blockwise(blocks: Iterable[Sequence[Documents]], seed: int) -> Iterator[Piece]:
    """All documents of one block after the other, those of a block in one random order.

    A block has one `Documents` for each language.
    """
    for number, corpora in enumerate(blocks):
        ends = np.cumsum([len(corpus) for corpus in corpora])
        label = f"{LABEL} {number}" if number else LABEL
        order = generator(seed, label).permutation(ends[-1])
        languages = np.searchsorted(ends, order, side="right")
        yield Piece(corpora, languages, order - np.concatenate([[0], ends])[languages])


def mixed(
    files: Sequence[Iterator[Documents]],
    languages: Sequence[str],
    shares: Sequence[float],
    seed: int,
) -> Iterator[Piece]:
    """Documents of all languages, so that their tokens follow the shares; until one runs out.

    Each language's files come one after the other, each in a random order of its own. Next is
    always the document whose middle, in tokens of its language divided by the share, comes first
    (of several, that of the first language). Two languages so stay within half a document of their
    shares at every place, more of them within about one: Webster's method, of documents.
    """
    queues = [_Queue(*each, seed) for each in zip(files, languages, shares, strict=True)]
    if not all(queue.advance() for queue in queues):
        return
    while True:
        # the language that runs out of its file first, and all that comes before its next one
        first = min(queues, key=lambda queue: queue.end)
        taken = [queue.take(first.end) for queue in queues]
        codes = np.repeat(np.arange(len(queues)), [len(documents) for documents, _ in taken])
        documents, keys = (np.concatenate(parts) for parts in zip(*taken, strict=True))
        order = np.lexsort((codes, keys))
        yield Piece([queue.documents for queue in queues], codes[order], documents[order])
        if not first.advance():
            return


class _Queue:
    """The documents of one language in order, one file in memory at a time.

    `keys` holds for each document of the file the language's tokens before its middle, divided by
    the share: as these grow, sorting the documents of all languages by them is the rule of `mixed`.
    """

    def __init__(self, files: Iterator[Documents], language: str, share: float, seed: int) -> None:
        self._files, self._share = files, share
        self._generators = (generator(seed, f"{LABEL} {language} {k}") for k in count())
        self._tokens = 0  # in all files so far

    def advance(self) -> bool:
        """Go on to the next file; whether there is one."""
        documents = next(self._files, None)
        if documents is None:
            return False
        self.documents = documents
        self._order = next(self._generators).permutation(len(documents))
        lengths = documents.lengths[self._order]
        ends = self._tokens + np.cumsum(lengths)
        # whole and half numbers below 2**52, divided once: the same on every machine
        self._keys = (ends - lengths / 2) / self._share
        self._tokens, self._place = self._tokens + int(lengths.sum()), 0
        self.end = self._tokens / self._share  # before all keys of the next file
        return True

    def take(self, end: float) -> tuple[np.ndarray, np.ndarray]:
        """The next documents and their keys, those with keys up to `end`."""
        here, self._place = self._place, int(np.searchsorted(self._keys, end, side="right"))
        return self._order[here : self._place], self._keys[here : self._place]


def until(pieces: Iterable[Piece], tokens: int) -> Iterator[Piece]:
    """As many documents as it takes to reach a number of tokens, the last one whole."""
    for piece in pieces:
        ends = np.cumsum(piece.lengths)
        if len(ends) and ends[-1] >= tokens:
            yield piece[: int(np.searchsorted(ends, tokens)) + 1]
            return
        tokens -= int(ends[-1]) if len(ends) else 0
        yield piece
