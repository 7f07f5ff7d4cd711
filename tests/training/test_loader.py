"""Batches: what is in them, in which order."""

from itertools import pairwise

import numpy as np
import pytest

from finescale.launch import Company, Place
from finescale.training.loader import (
    FinetuningBatches,
    Loader,
    PretrainingBatches,
    bounded,
    collate,
    empty_batch,
)
from finescale.training.objective import Objective, Row


def ids_of(batch):
    """The rows of a batch without padding, as tuples."""
    return {tuple(int(i) for i in row if i) for row in batch.ids}


def whole(batches, step):
    """All rows of a step in one batch."""
    return collate(batches.rows(step), batches.pad)


@pytest.fixture
def batches(tiny):
    return FinetuningBatches(tiny.examples(50, 1), np.arange(3, 45), tiny.VOCABULARY, 4, seed=7)


def test_collate_marks_the_position_before_each_target():
    batch = collate([Row(np.array([2, 9, 8, 7]), 2), Row(np.array([2, 5]), 1)], pad=0)
    assert batch.ids.tolist() == [[2, 9, 8, 7], [2, 5, 0, 0]]
    assert batch.positions.tolist() == [1, 2, 4]
    assert batch.targets.tolist() == [8, 7, 5]


def test_rows_are_bos_source_sep_target_with_loss_on_the_target(tiny, batches):
    batch, (indices) = whole(batches, 0), batches.order(0)[0]
    examples = batches.examples
    expected = [[2, *examples.sources[i], 4, *examples.targets[i]] for i in indices]
    assert [[i for i in row if i] for row in batch.ids.tolist()] == expected
    targets = np.concatenate([examples.targets[i] for i in indices])
    np.testing.assert_array_equal(batch.targets, targets)
    assert (batch.targets.numpy() == 1).sum() == len(indices)  # the end of each target counts


def test_each_example_once_an_epoch_in_another_order_each_time(batches):
    assert batches.steps_per_epoch == 11
    first, second = (np.concatenate(batches.order(epoch)) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(3, 45))
    assert first.tolist() != second.tolist()


def test_batches_depend_on_the_step_alone(tiny, batches):
    straight = [ids_of(whole(batches, step)) for step in range(25)]
    fresh = FinetuningBatches(batches.examples, batches.indices, tiny.VOCABULARY, 4, seed=7)
    assert [ids_of(batch) for (batch,) in Loader(fresh, 16, 25)] == straight[16:]
    assert [ids_of(whole(fresh, step)) for step in (20, 3, 12)] == [
        straight[k] for k in (20, 3, 12)
    ]
    other = FinetuningBatches(batches.examples, batches.indices, tiny.VOCABULARY, 4, seed=8)
    assert [ids_of(whole(other, step)) for step in range(11)] != straight[:11]
    assert len(Loader(fresh, 16, 25)) == 9


def test_rows_of_a_batch_are_of_like_length(tiny):
    examples = tiny.examples(64, 1)
    indices = np.arange(64)
    lengths = np.array(
        [len(s) + len(t) for s, t in zip(examples.sources, examples.targets, strict=True)]
    )
    order = FinetuningBatches(examples, indices, tiny.VOCABULARY, 8, seed=0).order(0)
    assert [len(batch) for batch in order] == [8] * 8
    ranges = sorted((lengths[batch].min(), lengths[batch].max()) for batch in order)
    assert all(a[1] <= b[0] for a, b in pairwise(ranges))
    assert [lengths[batch].min() for batch in order] != [low for low, _ in ranges]  # shuffled


def test_pretraining_batches_hold_consecutive_rows(tiny):
    objective = Objective(
        tiny.PRETRAINING["objective"], tiny.stream(1500, 1), tiny.VOCABULARY, context=32, seed=0
    )
    batch = whole(PretrainingBatches(objective, 4), step=5)
    rows = [objective.row(i) for i in range(20, 24)]
    for got, row in zip(batch.ids, rows, strict=True):
        assert got[: len(row.ids)].tolist() == row.ids.tolist()
    assert batch.targets.tolist() == [i for row in rows for i in row.ids[row.start :].tolist()]


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
@pytest.mark.parametrize("most_ids", [None, 1, 30, 45])
def test_processes_share_a_batch_in_bounded_micro_batches(batches, ranks, most_ids):
    sizes = [len(batches.rows(step)) for step in range(11)]
    assert sorted(sizes) == [2, *[4] * 10]
    for step, size in enumerate(sizes):
        found = []
        for rank in range(ranks):
            company = Company(Place(rank, ranks))
            (micro_batches,) = Loader(batches, step, step + 1, company, most_ids)
            for batch in micro_batches:
                assert most_ids is None or len(batch.ids) == 1 or batch.ids.numel() <= most_ids
                found += ids_of(batch)
        assert len(found) == size
        assert set(found) == ids_of(whole(batches, step))


def test_bounded_batches_count_the_padding():
    rows = [Row(np.arange(length), 1) for length in (3, 9, 2, 2, 2, 12, 1)]
    lengths = [[len(row.ids) for row in batch] for batch in bounded(rows, 10)]
    assert lengths == [[3], [9], [2, 2, 2], [12], [1]]
    assert list(bounded([], 10)) == []


def test_an_empty_batch_has_no_targets():
    batch = empty_batch()
    assert batch.ids.shape == (1, 1)
    assert len(batch.positions) == len(batch.targets) == 0
