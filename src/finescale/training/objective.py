"""The pretraining objective: rows of ids, and where in each row the loss starts.

The modified UL2 mixture of Garcia et al. 2023: causal and prefix language modelling, and span
corruption of two kinds. Row `i` is a function of (seed, i) and the token stream, so training can
stop and go on at any step, and a longer run starts with the rows of a shorter one. A row is

    causal           <bos> x1 ... xn                      loss on all of x
    prefix           <bos> x1 ... xn                      loss on a suffix of x
    span corruption  <bos> corrupted x, targets <eos>     loss on the targets

where each span is replaced by a sentinel, and the targets are each sentinel and its span.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from finescale.errors import UserError
from finescale.training.vocabulary import Vocabulary

SEQUENTIAL = "[S2S]"  # UL2's mode token of causal and prefix rows


class Row(NamedTuple):
    """One training row: the loss is on `ids[start:]`, each predicted from what is before it."""

    ids: np.ndarray
    start: int


@dataclass(frozen=True)
class SpanCorruption:
    """Replace `density` of the tokens, in spans of `mean_span` tokens on average."""

    share: float
    density: float
    mean_span: float

    @property
    def mode(self) -> str:
        """UL2's token: extreme when spans are long or much is missing, regular otherwise."""
        return "[NLG]" if self.density >= 0.3 or self.mean_span >= 12 else "[NLU]"

    def counts(self, tokens: int) -> tuple[int, int]:
        """How many of `tokens` tokens are replaced, in how many spans."""
        noise = min(max(round(tokens * self.density), 1), tokens - 1)
        return noise, min(max(round(noise / self.mean_span), 1), noise, tokens - noise)

    def raw_length(self, room: int) -> int:
        """The most tokens whose corrupted text, targets and end fit in `room` ids."""
        tokens = room
        while tokens + 2 * self.counts(tokens)[1] + 1 > room:
            tokens -= 1
        return tokens


class Objective:
    """Rows of a token stream under a mixture of objectives.

    `settings` has causal and prefix (shares), span_corruption (a list of share, density,
    mean_span) and mode_tokens (whether a row starts with its UL2 mode). `stream` is a 1-D array
    of ids, `context` the length of the longest row.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        stream: np.ndarray,
        vocabulary: Vocabulary,
        context: int,
        seed: int,
    ):
        self.spans = [SpanCorruption(**spans) for spans in settings["span_corruption"]]
        self.shares = [settings["causal"], settings["prefix"], *(s.share for s in self.spans)]
        self.modes: list[str] | None = [SEQUENTIAL, SEQUENTIAL, *(s.mode for s in self.spans)]
        if not settings["mode_tokens"]:
            self.modes = None
        self.stream, self.vocabulary, self.seed = stream, vocabulary, seed
        self.room = context - 1 - (self.modes is not None)
        self.chunks = len(stream) // self.room
        self._check(context)

    def _check(self, context: int) -> None:
        if abs(sum(self.shares) - 1) > 1e-9:
            raise UserError(f"pretraining.objective: the shares {self.shares} do not add up to 1")
        if not self.chunks:
            raise UserError(
                f"{len(self.stream)} training tokens do not fill one row of {context}: "
                "lower `context` or add text"
            )
        needed = max((s.counts(s.raw_length(self.room))[1] for s in self.spans), default=0)
        if needed > len(self.vocabulary.sentinels):
            raise UserError(
                f"span corruption of {context} tokens needs {needed} sentinels; "
                f"the tokenizer has {len(self.vocabulary.sentinels)}: raise its `sentinels`"
            )
        if self.modes and set(self.modes) - set(self.vocabulary.mode_tokens):
            raise UserError(f"the tokenizer has no mode tokens {sorted(set(self.modes))}")

    def row(self, index: int) -> Row:
        """Row `index` of the training stream."""
        rng = np.random.default_rng([self.seed, index])
        kind = int(np.searchsorted(np.cumsum(self.shares[:-1]), rng.random(), side="right"))
        epoch, place = divmod(index, self.chunks)
        start = self.room * shuffled(place, self.chunks, (self.seed, epoch))
        tokens = np.asarray(self.stream[start : start + self.room], dtype=np.int64)
        head = self._head(kind)
        if kind == 0:
            return Row(np.concatenate([head, tokens]), len(head))
        if kind == 1:
            cut = int(rng.integers(1, len(tokens)))
            return Row(np.concatenate([head, tokens]), len(head) + cut)
        spans = self.spans[kind - 2]
        corrupted, targets = self._corrupt(tokens[: spans.raw_length(self.room)], spans, rng)
        return Row(np.concatenate([head, corrupted, targets]), len(head) + len(corrupted))

    def _head(self, kind: int) -> list[int]:
        bos = self.vocabulary.bos
        return [bos] if self.modes is None else [bos, self.vocabulary.mode_tokens[self.modes[kind]]]

    def _corrupt(
        self, tokens: np.ndarray, spans: SpanCorruption, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Corrupted text and targets; kept and replaced pieces take turns, a kept one first."""
        noise, pieces = spans.counts(len(tokens))
        lengths = np.empty(2 * pieces, dtype=np.int64)
        lengths[0::2] = random_partition(len(tokens) - noise, pieces, rng)
        lengths[1::2] = random_partition(noise, pieces, rng)
        parts = np.split(tokens, np.cumsum(lengths)[:-1])
        sentinels = [np.array([s]) for s in self.vocabulary.sentinels[:pieces]]
        corrupted = [p for pair in zip(parts[0::2], sentinels, strict=True) for p in pair]
        targets = [p for pair in zip(sentinels, parts[1::2], strict=True) for p in pair]
        return np.concatenate(corrupted), np.concatenate([*targets, [self.vocabulary.eos]])

    def causal_rows(self, stream: np.ndarray, rows: int) -> list[Row]:
        """At most `rows` rows, evenly spaced over a validation stream, with the causal loss."""
        chunks = len(stream) // self.room
        head = self._head(0)
        return [
            Row(np.concatenate([head, stream[k * self.room : (k + 1) * self.room]]), len(head))
            for k in evenly_spaced(chunks, rows)
        ]


def random_partition(total: int, parts: int, rng: np.random.Generator) -> np.ndarray:
    """`parts` positive integers that add up to `total`, every such composition equally likely."""
    cuts = np.sort(rng.choice(total - 1, size=parts - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))


def evenly_spaced(count: int, wanted: int | None) -> np.ndarray:
    """At most `wanted` of the indices 0 ... count - 1, evenly spaced from the first on."""
    if wanted is None or wanted >= count:
        return np.arange(count)
    return np.arange(wanted) * count // wanted


def shuffled(index: int, count: int, key: tuple[int, ...]) -> int:
    """Where a pseudorandom permutation of 0 ... count - 1 sends `index`.

    A Feistel network, walked until it lands below `count`: constant memory, so that the rows of
    a stream of 10^11 tokens can be visited in random order, from any step on.
    """
    bits = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << bits) - 1
    keys = [int(k) for k in np.random.SeedSequence([*key, count]).generate_state(4, np.uint64)]
    while True:
        left, right = index >> bits, index & mask
        for round_key in keys:
            left, right = right, left ^ (_mix(right ^ round_key) & mask)
        index = left << bits | right
        if index < count:
            return index


def _mix(value: int) -> int:
    """The finaliser of splitmix64: every output bit depends on every input bit."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)
