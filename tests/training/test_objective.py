"""The UL2 stream: shares, corruption rates, and that nothing is lost."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.errors import UserError
from finescale.training.objective import Objective, evenly_spaced, random_partition, shuffled
from finescale.training.vocabulary import Vocabulary

BOS, EOS = 2, 1
SENTINELS = tuple(range(50, 82))
MODES = {"[NLU]": 5, "[NLG]": 6, "[S2S]": 7}
VOCABULARY = Vocabulary(size=10**6, sep=4, sentinels=SENTINELS, mode_tokens=MODES)
UL2 = {
    "causal": 0.6,
    "prefix": 0.2,
    "span_corruption": [
        {"share": 0.1, "density": 0.15, "mean_span": 3},
        {"share": 0.1, "density": 0.5, "mean_span": 32},
    ],
    "mode_tokens": True,
}
STREAM = np.arange(100, 60_100)  # every token occurs once, so that rows tell where they are from


def only(**span):
    return {"causal": 0, "prefix": 0, "span_corruption": [{"share": 1.0, **span}]}


def objective(settings=UL2, context=128, seed=0, stream=STREAM):
    return Objective({"mode_tokens": False, **settings}, stream, VOCABULARY, context, seed)


def restore(row, head=1):
    """Original tokens of a corrupted row, each span put where its sentinel stands."""
    corrupted, targets = row.ids[head : row.start], row.ids[row.start :]
    assert targets[-1] == EOS
    spans, current = {}, None
    for token in targets[:-1]:
        if token in SENTINELS:
            current = spans.setdefault(int(token), [])
        else:
            current.append(token)
    original = []
    for token in corrupted:
        original += spans.pop(int(token)) if token in SENTINELS else [token]
    assert not spans
    return original


def kind_of(row):
    if row.ids[1] == MODES["[S2S]"]:
        return "causal" if row.start == 2 else "prefix"
    return {MODES["[NLU]"]: "regular", MODES["[NLG]"]: "extreme"}[row.ids[1]]


def test_shares_of_a_long_stream():
    source = objective()
    kinds = Counter(kind_of(source.row(i)) for i in range(6000))
    expected = {"causal": 0.6, "prefix": 0.2, "regular": 0.1, "extreme": 0.1}
    for kind, share in expected.items():
        deviation = (share * (1 - share) / 6000) ** 0.5
        assert abs(kinds[kind] / 6000 - share) < 4 * deviation, kind


@pytest.mark.parametrize(("density", "mean_span", "context"), [(0.15, 3, 128), (0.5, 32, 512)])
def test_density_and_span_length(density, mean_span, context):
    source = objective(only(density=density, mean_span=mean_span), context)
    lengths, tokens, starts = [], 0, []
    for i in range(400):
        row = source.row(i)
        spans = np.isin(row.ids[row.start :], SENTINELS).sum()
        missing = len(row.ids) - row.start - 1 - spans
        lengths.append(missing / spans)
        tokens += len(restore(row))
        starts.append(missing)
    assert sum(starts) / tokens == pytest.approx(density, rel=0.02)
    assert np.mean(lengths) == pytest.approx(mean_span, rel=0.06)


@given(
    index=st.integers(0, 10**7),
    density=st.floats(0.05, 0.9),
    mean_span=st.floats(3, 40),
    context=st.integers(12, 150),
)
def test_every_token_of_a_corrupted_row_can_be_restored(index, density, mean_span, context):
    row = objective(only(density=density, mean_span=mean_span), context).row(index)
    original = restore(row)
    assert row.ids[0] == BOS
    assert len(row.ids) <= context
    np.testing.assert_array_equal(original, np.arange(original[0], original[0] + len(original)))
    assert row.ids[1] not in SENTINELS  # a kept piece comes first


def test_corruption_fills_the_row():
    source = objective(only(density=0.15, mean_span=3), 128)
    assert all(126 <= len(source.row(i).ids) <= 128 for i in range(50))


def test_causal_and_prefix_rows_hold_the_text_as_it_is():
    causal = objective({"causal": 1, "prefix": 0, "span_corruption": []})
    prefix = objective({"causal": 0, "prefix": 1, "span_corruption": []})
    starts = []
    for i in range(2000):
        row = prefix.row(i)
        np.testing.assert_array_equal(np.diff(row.ids[1:]), 1)
        starts.append(row.start)
    assert causal.row(3).start == 1
    np.testing.assert_array_equal(np.diff(causal.row(3).ids[1:]), 1)
    assert (min(starts), max(starts)) == (2, 127)  # 127 tokens: prefix and suffix are never empty
    assert np.mean(starts) == pytest.approx(64.5, abs=4 * 36.4 / 2000**0.5)


def test_a_row_depends_on_seed_and_index_alone():
    first, second, other = objective(), objective(), objective(seed=1)
    second.row(17)
    for i in (5, 0, 40_000):
        np.testing.assert_array_equal(first.row(i).ids, second.row(i).ids)
        assert first.row(i).start == second.row(i).start
    assert any(not np.array_equal(first.row(i).ids, other.row(i).ids) for i in range(3))


def test_each_epoch_visits_each_chunk_once_in_another_order():
    source = objective({"causal": 1, "prefix": 0, "span_corruption": []})
    epochs = [
        [int(source.row(epoch * source.chunks + i).ids[1]) for i in range(source.chunks)]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(100, 100 + 127 * 472, 127))
    assert epochs[0] != epochs[1]


def test_validation_rows_are_causal_and_cover_the_stream():
    rows = objective().causal_rows(STREAM, 4)
    assert [row.start for row in rows] == [2] * 4  # after <bos> and the mode token
    assert all(row.ids[1] == MODES["[S2S]"] and len(row.ids) == 128 for row in rows)
    assert [(int(row.ids[2]) - 100) // 126 for row in rows] == [0, 119, 238, 357]
    assert len(objective().causal_rows(STREAM[:400], 64)) == 3


def test_mode_tokens_are_off_by_default_and_checked():
    row = objective({**UL2, "mode_tokens": False}).row(0)
    assert not set(row.ids.tolist()) & set(MODES.values())
    with pytest.raises(UserError, match="no mode tokens"):
        Objective(UL2, STREAM, Vocabulary(size=100, sep=4, sentinels=SENTINELS), 128, 0)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="add up to 1"):
        objective({**UL2, "causal": 0.5})
    with pytest.raises(UserError, match="needs 46 sentinels"):
        objective(only(density=0.15, mean_span=3), context=1024)
    with pytest.raises(UserError, match="do not fill one row"):
        objective(stream=STREAM[:50])


@given(total=st.integers(1, 60), parts=st.integers(1, 60), seed=st.integers(0, 9))
def test_random_partition(total, parts, seed):
    if parts <= total:
        pieces = random_partition(total, parts, np.random.default_rng(seed))
        assert len(pieces) == parts
        assert pieces.sum() == total
        assert pieces.min() >= 1


@given(count=st.integers(1, 300), key=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_shuffled_is_a_permutation(count, key):
    assert sorted(shuffled(i, count, key) for i in range(count)) == list(range(count))


def test_shuffled_spreads_neighbours():
    places = np.array([shuffled(i, 10_000, (1, 2)) for i in range(2000)])
    assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 0.1
    assert np.bincount(places // 1000, minlength=10) == pytest.approx(200, rel=0.3)
    assert 0 <= shuffled(10**11 - 1, 10**11, (0, 0)) < 10**11


@given(count=st.integers(0, 50), wanted=st.one_of(st.none(), st.integers(1, 60)))
def test_evenly_spaced(count, wanted):
    indices = evenly_spaced(count, wanted)
    assert len(set(indices.tolist())) == min(count, count if wanted is None else wanted)
    assert all(0 <= i < count for i in indices)
