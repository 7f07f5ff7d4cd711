"""Sizes, lengths, repeated examples and samples of a stream of records."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finescale.cards.statistics import SAMPLE_CHARACTERS, Statistics, summary_of


def record(source, target, number=0, languages=("en", "de")) -> dict[str, str]:
    return {
        "id": str(number),
        "source": source,
        "target": target,
        "source_language": languages[0],
        "target_language": languages[1],
    }


def watched(records, samples=1) -> Statistics:
    statistics = Statistics(samples)
    for _ in statistics.watch(iter(records)):
        pass
    return statistics


def test_a_split_is_counted():
    records = [
        record("Open it.", "Öffnen"),
        record("Open it.", "Öffnen"),
        record("Open it.", "öffnen"),
        record("打开", "Öffnen Sie!", languages=("zh", "de")),
    ]
    found = watched(records).summary()
    assert (found["examples"], found["repeated"]) == (4, 1)
    assert found["languages"] == [
        {"source": "en", "target": "de", "examples": 3},
        {"source": "zh", "target": "de", "examples": 1},
    ]
    assert found["source"]["words"] == {"total": 8, "mean": 2, "median": 2, "p95": 2, "max": 2}
    assert found["target"]["characters"] == {
        **{"total": 29, "mean": 7.25, "median": 6, "p95": 11, "max": 11}
    }


def test_what_is_passed_on_is_what_came():
    records = [record("A  1", "b"), record("c", "D")]
    passed = [(source.normal, target.normal) for source, target in Statistics(1).watch(records)]
    assert passed == [("a 0", "b"), ("c", "d")]


@given(st.lists(st.integers(0, 30), min_size=1))
def test_lengths_are_summed_up_exactly(lengths):
    counts = {length: lengths.count(length) for length in lengths}
    found, ordered = summary_of(counts), sorted(lengths)
    assert (found["total"], found["max"]) == (sum(lengths), max(lengths))
    assert math.isclose(found["mean"], np.mean(lengths), abs_tol=0.0051)
    for name, share in (("median", 0.5), ("p95", 0.95)):
        smallest = next(n for n in ordered if sum(m <= n for m in ordered) >= share * len(ordered))
        assert found[name] == smallest


@given(st.lists(st.tuples(st.text("ab", max_size=2), st.text("ab", max_size=2)), min_size=1))
def test_repeated_are_those_that_came_before(pairs):
    found = watched(record(*pair) for pair in pairs).summary()
    assert found["repeated"] == len(pairs) - len(set(pairs))


@given(st.integers(0, 60), st.integers(1, 5))
def test_samples_are_different_in_order_and_always_the_same(count, room):
    records = [record(f"s{n // 2}", "t", n) for n in range(count)]  # each of them twice
    found = watched(records, room).samples()
    assert found == watched(iter(records), room).samples()
    assert len(found) == min(room, -(-count // 2))
    assert len({sample["source"] for sample in found}) == len(found)
    numbers = [int(sample["id"]) for sample in found]
    assert numbers == sorted(numbers) and all(sample in records for sample in found)


def test_samples_are_spread_over_the_split():
    numbers = [
        int(one["id"])
        for one in watched((record(f"s{n}", "t", n) for n in range(4000)), 40).samples()
    ]
    quarters = np.bincount(np.array(numbers) // 1000, minlength=4)
    assert quarters.min() >= 4


def test_long_samples_are_cut():
    (sample,) = watched([record("word " * 200, "kurz")], 1).samples()
    assert len(sample["source"]) <= SAMPLE_CHARACTERS + 1 and sample["source"].endswith("word…")
    assert sample["target"] == "kurz"
