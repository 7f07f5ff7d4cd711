"""Nested finetuning subsets: the first n of a permutation that (task, seed) alone decide."""

import hashlib
from math import gcd

import numpy as np

from finescale.errors import UserError


def generator(seed: int, task: str) -> np.random.Generator:
    """A random generator that depends on nothing but (seed, task), on any machine."""
    digest = hashlib.sha256(f"{seed}\n{task}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def subset(languages: np.ndarray, size: int, seed: int, task: str) -> np.ndarray:
    """Indices of the `size` examples of a subset: a prefix of `permutation`, so subsets nest."""
    if not 0 < size <= len(languages):
        raise UserError(
            f"{task}: a subset of {size} examples was asked for, the corpus has {len(languages)}: "
            "lower the finetuning size or add data"
        )
    return permutation(languages, seed, task)[:size]


def permutation(languages: np.ndarray, seed: int, task: str) -> np.ndarray:
    """Permute all examples so that each prefix holds the mix of languages.

    `languages` has shape (examples,): an integer code of each example's language. In the first k
    places each language has its share of k within one example, for every k.
    """
    shuffled = generator(seed, task).permutation(len(languages))
    codes, counts = np.unique(languages, return_counts=True)
    if len(codes) < 2:
        return shuffled
    by_language = shuffled[np.argsort(languages[shuffled], kind="stable")]
    places = np.argsort(_interleave(counts.tolist()), kind="stable")
    permuted = np.empty_like(shuffled)
    permuted[places] = by_language
    return permuted


def _interleave(counts: list[int]) -> np.ndarray:
    """The language of each place, as an index into `counts`.

    Place k (from 1) may take the j-th example (from 0) of a language with share p if
    j < k p, so that no prefix has too many, and must have taken it by the time k p >= j + 1, so
    that none has too few. These are unit jobs with release times and deadlines on one machine that
    are feasible fractionally (each place split by the shares), hence earliest deadline first
    meets them all (Horn 1974). Simpler rules, such as the largest remainder first, do not
    for more than a few languages.
    """
    cycles = gcd(*counts)  # the pattern repeats: equal languages just take turns
    shares = [count // cycles for count in counts]
    length = sum(shares)
    pattern = np.empty(length, dtype=np.int16)
    releases = [1] * len(shares)
    deadlines = [-(-length // share) for share in shares]
    taken = [0] * len(shares)
    for place in range(1, length + 1):
        chosen, earliest = -1, length + 1
        for language, deadline in enumerate(deadlines):
            if deadline < earliest and releases[language] <= place:
                chosen, earliest = language, deadline
        pattern[place - 1] = chosen
        taken[chosen] += 1
        releases[chosen] = taken[chosen] * length // shares[chosen] + 1
        deadlines[chosen] = -(-(taken[chosen] + 1) * length // shares[chosen])
    return np.tile(pattern, cycles)
