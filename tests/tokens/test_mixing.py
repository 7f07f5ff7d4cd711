"""Mixed streams follow their shares, document by document, whatever the files are."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.tokens.mixing import Documents, mixed, until


class InMemory:
    """Documents of given lengths, without tokens."""

    def __init__(self, lengths):
        self.lengths = np.array(lengths, dtype=np.int64)

    def __len__(self):
        return len(self.lengths)


lengths = st.lists(st.integers(1, 50), max_size=8)
corpora = st.integers(2, 4).flatmap(
    lambda languages: st.lists(
        st.lists(lengths, min_size=1, max_size=4), min_size=languages, max_size=languages
    )
)


def order_of(corpus, shares, seed=0):
    """(language, length) of each document of the mixed stream."""
    files = [iter([Documents([InMemory(file)]) for file in own]) for own in corpus]
    names = [f"l{i}" for i in range(len(corpus))]
    return [
        pair
        for piece in mixed(files, names, shares, seed)
        for pair in zip(piece.languages.tolist(), piece.lengths.tolist(), strict=True)
    ]


@given(corpora, st.lists(st.sampled_from([0.25, 0.5, 1.0, 3.0]), min_size=4, max_size=4))
def test_next_is_the_document_whose_middle_comes_first(corpus, shares):
    shares = [Fraction(share) for share in shares[: len(corpus)]]
    order = order_of(corpus, [float(share) for share in shares])
    tokens, middles = [0] * len(corpus), []
    for language, length in order:
        middles.append(((tokens[language] + Fraction(length, 2)) / shares[language], language))
        tokens[language] += length
    assert middles == sorted(middles)
    # it ended because a language has no more, and all that comes before its end is there
    ends = [Fraction(count) / share for count, share in zip(tokens, shares, strict=True)]
    out = [
        language
        for language, own in enumerate(corpus)
        if sum(each == language for each, _ in order) == sum(map(len, own))
    ]
    assert out
    end = min(ends[language] for language in out)
    assert all(middle <= end for middle, _ in middles)
    for language in set(range(len(corpus))) - set(out):
        longest = max(length for file in corpus[language] for length in file)
        assert ends[language] + Fraction(longest, 2) / shares[language] >= end


def errors(corpus, shares):
    """How far any language is from its share at any place, in documents of the largest length."""
    order = np.array(order_of(corpus, shares)).reshape(-1, 2)
    tokens = np.cumsum((order[:, :1] == np.arange(len(corpus))) * order[:, 1:], axis=0)
    targets = tokens.sum(axis=1, keepdims=True) * np.array(shares) / sum(shares)
    longest = max((length for own in corpus for file in own for length in file), default=1)
    return np.abs(tokens - targets) / longest


@given(
    st.lists(st.lists(lengths, min_size=1, max_size=4), min_size=2, max_size=2), st.floats(0.01, 1)
)
def test_two_languages_are_within_half_a_document_of_their_shares_everywhere(corpus, share):
    assert errors(corpus, [share, 1]).max(initial=0) <= 0.5 + 1e-9


@pytest.mark.parametrize("languages", [3, 4, 6, 8])
def test_more_languages_are_within_about_a_document(languages):
    rng = np.random.default_rng(languages)
    for _ in range(20):
        longest = rng.choice([1, 10, 50], languages)
        corpus = [[rng.integers(1, most + 1, 30), rng.integers(1, most + 1, 9)] for most in longest]
        assert errors(corpus, rng.dirichlet(np.ones(languages)) + 0.01).max() < 1.3


def test_the_order_of_a_language_does_not_depend_on_the_others():
    corpus = [[list(range(1, 9))] * 3, [[50] * 9]]
    alone = [length for language, length in order_of(corpus, [1, 1]) if language == 0]
    more = [
        length for language, length in order_of([*corpus, [[9] * 99]], [1, 2, 2]) if not language
    ]
    shorter = min(len(alone), len(more))
    assert shorter > 5
    assert alone[:shorter] == more[:shorter]


def test_files_are_opened_one_at_a_time_as_they_are_needed():
    opened = []

    def files(language, count):
        for k in range(count):
            opened.append((language, k))
            yield Documents([InMemory([10] * 10)])

    pieces = mixed([files("a", 50), files("b", 50)], ["a", "b"], [0.9, 0.1], 0)
    list(until(pieces, 500))
    assert opened == [("a", 0), ("b", 0), *(("a", k) for k in range(1, 5))]


@pytest.mark.parametrize("tokens", [1, 9, 10, 11, 199, 200, 201])
def test_a_stream_ends_with_the_document_that_reaches_its_tokens(tokens):
    files = [iter([Documents([InMemory([10] * 10)])]) for _ in range(2)]
    pieces = until(mixed(files, ["a", "b"], [1, 1], 0), tokens)
    assert sum(map(len, pieces)) == min(math.ceil(tokens / 10), 20)


def test_documents_are_found_in_the_part_that_holds_them():
    class Part(InMemory):
        def __getitem__(self, i):
            assert 0 <= i < len(self)
            return (self.name, int(i))

    parts = [Part([1, 1]), Part([]), Part([1, 1, 1])]
    for name, part in zip("abc", parts, strict=True):
        part.name = name
    documents = Documents(parts)
    found = [documents[i] for i in range(5)]
    assert found == [("a", 0), ("a", 1), ("c", 0), ("c", 1), ("c", 2)]
