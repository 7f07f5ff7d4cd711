"""Subsets nest, keep the mix of languages, and depend on (task, seed) alone."""

from fractions import Fraction
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.corpora import generator, permutation, subset
from finescale.errors import UserError

seeds = st.integers(0, 2**40)
pools = st.lists(st.integers(0, 7), min_size=1, max_size=200).map(np.array)
counts = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@given(pools, seeds)
def test_it_is_a_permutation(languages, seed):
    order = permutation(languages, seed, "task")
    assert sorted(order) == list(range(len(languages)))
    assert np.array_equal(order, permutation(languages, seed, "task"))


@given(pools, seeds, st.data())
def test_subsets_nest(languages, seed, data):
    larger = data.draw(st.integers(1, len(languages)))
    smaller = data.draw(st.integers(1, larger))
    large = subset(languages, larger, seed, "task")
    small = subset(languages, smaller, seed, "task")
    assert len(set(large)) == larger
    assert np.array_equal(small, large[:smaller])


def worst_deviation(languages: np.ndarray, order: np.ndarray) -> Fraction:
    """Largest |count - share of the prefix| over all prefixes and languages, exactly."""
    worst = Fraction(0)
    for code, total in zip(*np.unique(languages, return_counts=True), strict=True):
        seen = np.cumsum(languages[order] == code)
        difference = seen * len(order) - np.arange(1, len(order) + 1) * total
        worst = max(worst, Fraction(int(np.abs(difference).max()), len(order)))
    return worst


@given(counts, seeds)
def test_every_prefix_holds_the_mix_within_one(counts, seed):
    languages = np.repeat(np.arange(len(counts)), counts)
    assert worst_deviation(languages, permutation(languages, seed, "task")) < 1


def test_mix_of_a_large_uneven_pool():
    languages = np.repeat([0, 1, 2, 3, 5], [3001, 20_011, 7, 1, 977])
    np.random.default_rng(0).shuffle(languages)
    assert worst_deviation(languages, permutation(languages, 1, "task")) < 1


def test_seed_and_task_decide():
    languages = np.zeros(500, dtype=np.int16)
    order = permutation(languages, 0, "a")
    assert not np.array_equal(order, permutation(languages, 1, "a"))
    assert not np.array_equal(order, permutation(languages, 0, "b"))
    # neither is a shift or a concatenation of the other: (1, "1x") is not (11, "x")
    assert generator(1, "1x").integers(2**60) != generator(11, "x").integers(2**60)


def test_the_order_is_the_same_on_every_machine():
    assert permutation(np.zeros(8), 0, "help-en-de").tolist() == [4, 2, 5, 6, 1, 0, 3, 7]


def test_examples_of_one_language_are_shuffled_too():
    languages = np.repeat([0, 1], 500)
    order = permutation(languages, 0, "task")
    for code in (0, 1):
        inside = order[languages[order] == code]
        assert abs(np.corrcoef(np.arange(500), inside)[0, 1]) < 0.2


def test_uniform_over_seeds():
    first = [permutation(np.zeros(4), seed, "task")[0] for seed in range(400)]
    assert np.bincount(first, minlength=4).min() > 60  # 100 expected, 8.7 is a standard deviation


@pytest.mark.parametrize("size", [0, 11])
def test_an_impossible_size_names_both(size):
    with pytest.raises(UserError, match=rf"help-en-de.* {size} .* 10"):
        subset(np.zeros(10), size, 0, "help-en-de")


def slow_permutation(languages: np.ndarray, seed: int, task: str) -> np.ndarray:
    """The permutation as its definition reads: earliest deadline first, place by place."""
    shuffled = generator(seed, task).permutation(len(languages))
    codes, counts = np.unique(languages, return_counts=True)
    queues = [shuffled[languages[shuffled] == code].tolist()[::-1] for code in codes]
    shares = [int(count) // gcd(*counts.tolist()) for count in counts]
    length, taken, order = sum(shares), [0] * len(shares), []
    for place in range(len(languages)):
        due = [
            (-(-(n + 1) * length // share), language)
            for language, (n, share) in enumerate(zip(taken, shares, strict=True))
            if n * length // share <= place
        ]
        chosen = min(due)[1]
        taken[chosen] += 1
        order.append(queues[chosen].pop())
    return np.array(order)


@given(pools, seeds, st.data())
def test_every_index_is_the_same_as_by_definition(languages, seed, data):
    wanted = slow_permutation(languages, seed, "task")
    assert np.array_equal(permutation(languages, seed, "task"), wanted)
    size = data.draw(st.integers(1, len(languages)))
    assert np.array_equal(subset(languages, size, seed, "task"), wanted[:size])


def test_the_mix_of_mlsum_by_definition():
    counts = [2871, 2209, 2664, 3929]  # a hundredth of it
    languages = np.repeat(np.arange(4, dtype=np.uint16), counts)
    found = permutation(languages, 3, "mlsum")
    assert np.array_equal(found, slow_permutation(languages, 3, "mlsum"))
    assert found.dtype == np.int64
