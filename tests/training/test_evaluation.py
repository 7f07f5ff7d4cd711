"""Log-perplexity against transformers' own loss, and what it must not depend on."""

import numpy as np
import pytest
import torch

from finescale.models import attach, build_decoder
from finescale.training import evaluation
from finescale.training.evaluation import (
    Likelihood,
    evaluation_batches,
    example_likelihoods,
    held_out_rows,
    likelihood,
    negative_log_likelihood,
)
from finescale.training.loader import collate, finetuning_row
from finescale.training.objective import Row

METHODS = [("fmt", None), ("lora", 2), ("prompt", 3)]


@pytest.fixture
def rows(tiny):
    examples = tiny.examples(25, 9)
    pairs = zip(examples.sources, examples.targets, strict=True)
    return [finetuning_row(source, target, tiny.VOCABULARY) for source, target in pairs]


def tuned(tiny, method="fmt", size=None):
    return attach(build_decoder(tiny.SIZE, 80, seed=1), method, size, np.arange(20, 80))


def test_loss_and_gradient_equal_transformers_with_labels(tiny, rows):
    model, reference = tuned(tiny), build_decoder(tiny.SIZE, 80, seed=1)
    batch = collate(rows, pad=0)
    ours = negative_log_likelihood(model, batch)
    labels = torch.full_like(batch.ids, -100)
    for k, row in enumerate(rows):
        labels[k, row.start : len(row.ids)] = torch.from_numpy(row.ids[row.start :])
    theirs = reference(input_ids=batch.ids, labels=labels).loss
    tokens = sum(len(row.ids) - row.start for row in rows)
    assert len(batch.targets) == tokens
    torch.testing.assert_close(ours / tokens, theirs)
    (ours / tokens).backward()
    theirs.backward()
    for a, b in zip(model.decoder.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("method", "size"), METHODS)
def test_loss_does_not_depend_on_padding_or_company(tiny, rows, method, size):
    model = tuned(tiny, method, size)
    together = negative_log_likelihood(model, collate(rows, pad=0))
    alone = sum(negative_log_likelihood(model, collate([row], pad=0)) for row in rows)
    other_pad = negative_log_likelihood(model, collate(rows, pad=33))
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together, other_pad, rtol=1e-6, atol=0)


def test_loss_is_on_the_target_alone(tiny):
    model = tuned(tiny)
    ids = np.array([2, 30, 31, 4, 40, 41, 1])
    log_probabilities = model.logits(model(torch.from_numpy(ids)[None]))[0].log_softmax(-1)
    expected = -sum(log_probabilities[k - 1, ids[k]] for k in (4, 5, 6))
    loss = negative_log_likelihood(model, collate([Row(ids, 4)], pad=0))
    torch.testing.assert_close(loss, expected)


def test_likelihood_sums_over_all_rows_in_any_batching(tiny, rows, monkeypatch):
    model = tuned(tiny)
    whole = likelihood(model, [collate(rows, pad=0)])
    monkeypatch.setattr(evaluation, "BATCH_IDS", 64)
    monkeypatch.setattr(evaluation, "LOGITS", 80 * 3)
    batches = evaluation_batches(rows, pad=0)
    assert len(batches) > 5
    assert all(batch.ids.numel() <= 64 for batch in batches)
    split = likelihood(model, batches)
    assert split.tokens == whole.tokens == sum(len(row.ids) - row.start for row in rows)
    assert split.total == pytest.approx(whole.total, rel=1e-6)
    assert whole.total == pytest.approx(negative_log_likelihood(model, collate(rows, 0)).item())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("method", "size"), METHODS)
def test_each_row_has_its_share_of_the_whole(tiny, rows, monkeypatch, method, size, precision):
    model = tuned(tiny, method, size)
    monkeypatch.setattr(evaluation, "BATCH_IDS", 64)
    monkeypatch.setattr(evaluation, "LOGITS", 80 * 3)
    whole, each = example_likelihoods(model, rows, 0, precision)
    assert whole == likelihood(model, evaluation_batches(rows, 0), precision)  # to the last bit
    assert [one.tokens for one in each] == [len(row.ids) - row.start for row in rows]
    assert sum(one.total for one in each) == pytest.approx(whole.total, rel=1e-12)
    for row, one in zip(rows, each, strict=True):
        alone = likelihood(model, [collate([row], pad=0)], precision)
        assert one.total == pytest.approx(alone.total, rel=1e-5 if precision == "fp32" else 0.02)


def test_held_out_rows_are_evenly_spaced_and_named_by_their_index(tiny):
    examples = tiny.examples(10, 9)
    assert list(held_out_rows(examples, None, tiny.VOCABULARY)) == list(range(10))
    rows = held_out_rows(examples, 4, tiny.VOCABULARY)
    assert list(rows) == [0, 2, 5, 7]
    expected = finetuning_row(examples.sources[5], examples.targets[5], tiny.VOCABULARY)
    np.testing.assert_array_equal(rows[5].ids, expected.ids)
    assert rows[5].start == expected.start


def test_log_perplexity_is_weighted_by_tokens():
    assert Likelihood(6.0, 4).log_perplexity == 1.5
