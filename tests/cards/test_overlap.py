"""Overlap is what a plain computation over everything at once finds."""

import gc
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.cards import overlap
from finescale.cards.overlap import HeldOut, Overlap
from finescale.cards.words import compared

LONG = "one two three four five six seven eight nine ten"
NONE = dict.fromkeys(Overlap.__dataclass_fields__, 0)


def examples(pairs) -> Iterator:
    return ((compared(source), compared(target)) for source, target in pairs)


def measured(training, *held_out) -> list[Overlap]:
    index = HeldOut()
    for one in held_out:
        index.add(examples(one))
    return index.against(examples(training))


def plainly(training, held_out) -> Overlap:
    """The definition, word for word, over texts of words that are separated by spaces."""

    def ngrams(text):
        words = text.lower().split()
        return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

    def folded(text):
        return " ".join(text.lower().split())

    counts = NONE | {"examples": len(held_out)}
    seen = [{folded(pair[side]) for pair in training} for side in (0, 1)]
    grams = [set().union(*(ngrams(pair[side]) for pair in training)) for side in (0, 1)]
    pairs = {(folded(source), folded(target)) for source, target in training}
    for pair in held_out:
        counts["pair"] += tuple(map(folded, pair)) in pairs
        for side, name in enumerate(("source", "target")):
            own = ngrams(pair[side])
            counts[name] += folded(pair[side]) in seen[side]
            counts[f"long_{name}"] += bool(own)
            # 70 % without fractions
            counts[f"near_{name}"] += bool(own) and 10 * len(own & grams[side]) >= 7 * len(own)
    return Overlap(**counts)


# Few words and long texts: repetitions, whole and in part, are frequent.
texts = st.lists(st.sampled_from("aAbß"), max_size=22).map(" ".join)
repeats = st.integers(0, 22).map(lambda n: " ".join(["a"] * n))
pairs = st.lists(st.tuples(texts | repeats, texts | repeats), max_size=6)


@given(pairs, pairs, pairs, st.integers(1, 3))
def test_overlap_is_what_the_definition_says(training, first, second, chunk):
    before, overlap.CHUNK = overlap.CHUNK, chunk
    try:
        found = measured(training, first, second)
    finally:
        overlap.CHUNK = before
    assert found == [plainly(training, first), plainly(training, second)]


@given(pairs, pairs)
def test_held_out_examples_that_training_has_are_held_whole(training, more):
    (found,) = measured(training + more, training)
    count = len(training)
    assert (found.pair, found.source, found.target) == (count, count, count)
    assert (found.near_source, found.near_target) == (found.long_source, found.long_target)


def test_source_and_target_of_different_examples_are_no_pair():
    (found,) = measured([("a", "x"), ("b", "y")], [("a", "y"), ("B", " Y "), ("x", "a")])
    assert (found.pair, found.source, found.target) == (1, 2, 2)


def test_case_digits_and_white_space_do_not_count_but_punctuation_does():
    held_out = [("PAGE\u00a012", "x"), ("page 12.", "x")]
    (found,) = measured([("Page 34", "y")], held_out)
    assert found.source == 1


@pytest.mark.parametrize(("words", "near"), [(17, 1), (18, 0)])
def test_seven_tenths_of_the_ngrams_are_near_and_less_is_not(words, near):
    # of the 17 words (10 n-grams) the first 14 (7 n-grams) are in training
    held_out = " ".join(f"w{i}" for i in range(words)).translate(
        str.maketrans("0123456789", "abcdefghij")
    )
    training = " ".join(held_out.split()[:14])
    (found,) = measured([(training, "x")], [(held_out, "y")])
    assert (found.long_source, found.near_source) == (1, near)


def test_ngrams_do_not_reach_from_one_text_into_the_next():
    words = [f"w{letter}" for letter in "abcdefghijklmnop"]
    training = [(" ".join(words[:8]), "x"), (" ".join(words[8:]), "x")]
    (found,) = measured(training, [(" ".join(words), "y")])
    assert (found.long_source, found.near_source) == (1, 0)


def test_an_ngram_that_a_text_repeats_counts_once():
    (found,) = measured([("a " * 8, "x")], [("a " * 30 + "b c d", "y")])
    assert (found.long_source, found.near_source) == (1, 0)


def test_chinese_is_compared_by_characters():
    held_out = [("单击按钮打开新的文件", "x"), ("单击按钮", "x")]
    (found,) = measured([("请您单击按钮打开新的文件。", "y")], held_out)
    assert (found.long_source, found.near_source, found.source) == (1, 1, 0)


def test_nothing_has_no_overlap():
    assert measured([], [], [("a", "b")]) == [
        Overlap(**NONE),
        Overlap(**NONE | {"examples": 1}),
    ]
    assert HeldOut().against(examples([("a", "b")])) == []


class Word(str):
    """A text that can be watched."""


def test_training_is_read_once_and_not_kept():
    alive, most = weakref.WeakSet(), 0

    def stream():
        nonlocal most
        for number in range(3 * overlap.CHUNK):
            text = Word(f"{LONG} {number}")
            alive.add(text)
            most = max(most, len(alive))
            yield compared(text)._replace(normal=text), compared("x")
        del text

    index = HeldOut()
    index.add(examples([(LONG, "x")]))
    once = stream()
    (found,) = index.against(once)
    assert list(once) == []
    assert (found.near_source, found.target) == (1, 1)
    gc.collect()
    # two chunks at most: one is looked at, while the next begins
    assert most <= 2 * overlap.CHUNK + 1
    assert len(alive) == 0
