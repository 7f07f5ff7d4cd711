"""Log-perplexity against transformers' own loss, and what it must not depend on."""

import numpy as np
import pytest
import torch

from finescale.models import attach, build_decoder
from finescale.training import evaluation
from finescale.training import loss as loss_module
from finescale.training.evaluation import (
    Likelihood,
    evaluation_batches,
    example_likelihoods,
    held_out_rows,
    likelihood,
)
from finescale.training.loader import collate, empty_batch, finetuning_row
from finescale.training.loss import TargetLoss
from finescale.training.objective import Row

METHODS = [("fmt", None), ("lora", 2), ("prompt", 3)]


@pytest.fixture
def rows(tiny):
    examples = tiny.examples(25, 9)
    pairs = zip(examples.sources, examples.targets, strict=True)
    return [finetuning_row(source, target, tiny.VOCABULARY) for source, target in pairs]


def target_loss(tiny, method="fmt", size=None):
    model = attach(build_decoder(tiny.SIZE, 80, seed=1), method, size, np.arange(20, 80))
    return TargetLoss(model)


def test_loss_and_gradient_equal_transformers_with_labels(tiny, rows):
    loss, reference = target_loss(tiny), build_decoder(tiny.SIZE, 80, seed=1)
    batch = collate(rows, pad=0)
    ours = loss(batch)
    labels = torch.full_like(batch.ids, -100)
    for k, row in enumerate(rows):
        labels[k, row.start : len(row.ids)] = torch.from_numpy(row.ids[row.start :])
    theirs = reference(input_ids=batch.ids, labels=labels).loss
    tokens = sum(len(row.ids) - row.start for row in rows)
    assert len(batch.targets) == tokens
    torch.testing.assert_close(ours / tokens, theirs)
    (ours / tokens).backward()
    theirs.backward()
    for a, b in zip(loss.model.decoder.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("method", "size"), METHODS)
def test_loss_does_not_depend_on_padding_or_company(tiny, rows, method, size):
    loss = target_loss(tiny, method, size)
    together = loss(collate(rows, pad=0))
    alone = sum(loss(collate([row], pad=0)) for row in rows)
    other_pad = loss(collate(rows, pad=33))
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together, other_pad, rtol=1e-6, atol=0)


def test_loss_is_on_the_target_alone(tiny):
    loss = target_loss(tiny)
    model = loss.model
    ids = np.array([2, 30, 31, 4, 40, 41, 1])
    log_probabilities = model.logits(model(torch.from_numpy(ids)[None]))[0].log_softmax(-1)
    expected = -sum(log_probabilities[k - 1, ids[k]] for k in (4, 5, 6))
    torch.testing.assert_close(loss(collate([Row(ids, 4)], pad=0)), expected)


@pytest.mark.parametrize(("method", "size"), METHODS)
def test_a_batch_without_targets_has_no_loss_and_no_gradient(tiny, method, size):
    loss = target_loss(tiny, method, size)
    value = loss(empty_batch())
    value.backward()
    assert value.item() == 0
    gradients = [parameter.grad for parameter in loss.model.trainable().values()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_logits_in_pieces_give_the_same_loss_and_gradient(tiny, rows, monkeypatch, precision):
    batch, values = collate(rows, pad=0), []
    for most in (2**29, 80 * 7):
        monkeypatch.setattr(loss_module, "TRAINING_LOGITS", most)
        loss = target_loss(tiny)
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            value = loss(batch)
        value.backward()
        values.append([value, *(parameter.grad for parameter in loss.parameters())])
    tolerance = 1e-6 if precision == torch.float32 else 0.05
    for a, b in zip(*values, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance * float(a.detach().abs().max()), rtol=1e-5)


def test_likelihood_sums_over_all_rows_in_any_batching(tiny, rows, monkeypatch):
    loss = target_loss(tiny)
    whole = likelihood(loss, [collate(rows, pad=0)])
    monkeypatch.setattr(evaluation, "BATCH_IDS", 64)
    monkeypatch.setattr(loss_module, "EVALUATION_LOGITS", 80 * 3)
    batches = evaluation_batches(rows, pad=0)
    assert len(batches) > 5
    assert all(batch.ids.numel() <= 64 for batch in batches)
    split = likelihood(loss, batches)
    assert split.tokens == whole.tokens == sum(len(row.ids) - row.start for row in rows)
    assert split.total == pytest.approx(whole.total, rel=1e-6)
    assert whole.total == pytest.approx(loss(collate(rows, 0)).item())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("method", "size"), METHODS)
def test_each_row_has_its_share_of_the_whole(tiny, rows, monkeypatch, method, size, precision):
    loss = target_loss(tiny, method, size)
    monkeypatch.setattr(evaluation, "BATCH_IDS", 64)
    monkeypatch.setattr(loss_module, "EVALUATION_LOGITS", 80 * 3)
    whole, each = example_likelihoods(loss, rows, 0, precision)
    assert whole == likelihood(loss, evaluation_batches(rows, 0), precision)  # to the last bit
    assert [one.tokens for one in each] == [len(row.ids) - row.start for row in rows]
    assert sum(one.total for one in each) == pytest.approx(whole.total, rel=1e-12)
    for row, one in zip(rows, each, strict=True):
        alone = likelihood(loss, [collate([row], pad=0)], precision)
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
