"""Greedy decoding against one prompt at a time without a cache, in any company."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from finescale.evaluation import decoding
from finescale.evaluation.decoding import Output, greedy
from finescale.models import attach, build_decoder
from tests.evaluation.conftest import EOS, METHODS, SIZE, VOCABULARY, examples

LIMIT = 6
ONE, FEW, ALL = 1, 60, 10**6  # ids in a batch: one row, several batches, all rows


def prompts_of(name):
    """What the model knows, and prompts it has never seen, among them long ones."""
    rng = np.random.default_rng(7)
    unseen = [[2, *rng.integers(5, VOCABULARY, n).tolist(), 4] for n in (1, 3, 30, 31)]
    return [prompt for prompt, _ in examples(name)] + unseen


@pytest.mark.parametrize("batch_ids", [ONE, FEW, ALL])
@pytest.mark.parametrize("name", METHODS)
def test_every_id_is_that_of_decoding_one_by_one_without_cache(models, one_by_one, name, batch_ids):
    model, prompts = models[name], prompts_of(name)
    expected = [one_by_one(model, prompt, LIMIT) for prompt in prompts]
    assert greedy(model, prompts, LIMIT, batch_ids=batch_ids) == expected
    assert {ended for _, ended in expected} == {True, False}


@pytest.mark.parametrize("name", ["base", "fmt", "lora"])  # three embeddings cannot learn it all
def test_what_was_learned_comes_out_and_ends(models, name):
    prompts, targets = zip(*examples(name), strict=True)
    expected = [Output(target[:-1], True) for target in targets]
    outputs = greedy(models[name], prompts, 10)
    right = [output == wanted for output, wanted in zip(outputs, expected, strict=True)]
    assert np.mean(right) > 0.8  # prompts that are alike have one answer


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_the_prompts_does_not_matter(models, name):
    prompts = prompts_of(name)
    order = np.random.default_rng(3).permutation(len(prompts))
    shuffled = greedy(models[name], [prompts[i] for i in order], LIMIT, batch_ids=FEW)
    outputs = greedy(models[name], prompts, LIMIT)
    assert shuffled == [outputs[i] for i in order]


@pytest.mark.parametrize("name", METHODS)
def test_limits(models, one_by_one, name):
    model, prompts = models[name], prompts_of(name)
    assert greedy(model, prompts, 0) == [Output([], False)] * len(prompts)
    assert greedy(model, prompts, 1) == [one_by_one(model, prompt, 1) for prompt in prompts]
    assert greedy(model, [], LIMIT) == []
    exact = next(output for output in greedy(model, prompts, LIMIT) if output.ended and output.ids)
    at = greedy(model, prompts, LIMIT).index(exact)
    assert greedy(model, prompts[at : at + 1], len(exact.ids)) == [Output(exact.ids, False)]
    assert greedy(model, prompts[at : at + 1], len(exact.ids) + 1) == [exact]


def test_any_id_may_end_an_output(models, one_by_one):
    model, prompts = models["fmt"], prompts_of("fmt")
    frequent = next(
        output.ids[1] for output in greedy(model, prompts, LIMIT) if len(output.ids) > 1
    )
    stop = frozenset({EOS, frequent})
    outputs = greedy(model, prompts, LIMIT, stop)
    assert outputs == [one_by_one(model, prompt, LIMIT, stop) for prompt in prompts]
    assert outputs != greedy(model, prompts, LIMIT)


def test_a_prompt_without_ids_is_refused(models):
    with pytest.raises(ValueError, match="without ids"):
        greedy(models["base"], [[2, 4], []], LIMIT)


def test_ties_are_decided_by_the_row_alone(one_by_one):
    """Every id has a twin with the same embedding: each choice is a tie, up to rounding."""
    decoder = build_decoder(SIZE, VOCABULARY, seed=5)
    with torch.no_grad():
        weights = decoder.model.embed_tokens.weight
        weights[VOCABULARY // 2 :] = weights[: VOCABULARY // 2] * (1 + 1e-7)
    model, prompts = attach(decoder, "fmt"), prompts_of("base")
    expected = [one_by_one(model, prompt, LIMIT) for prompt in prompts]
    for batch_ids in (ONE, FEW, ALL):
        assert greedy(model, prompts, LIMIT, batch_ids=batch_ids) == expected


def test_batches_are_bounded_and_hold_every_prompt_once():
    prompts = [[2] * length for length in (5, 1, 9, 3, 40, 3)]
    made = list(decoding.batches(prompts, 10, 45))
    assert sorted(i for batch in made for i in batch) == list(range(6))
    sizes = [len(batch) * max(len(prompts[i]) + 10 for i in batch) for batch in made]
    assert all(size <= 45 or len(batch) == 1 for size, batch in zip(sizes, made, strict=True))
    assert max(map(len, made)) > 1


def test_generation_needs_no_lightning_and_prompts_no_torch():
    for module, unwanted in (("decoding", "lightning"), ("prompts", "torch")):
        code = f"import sys, finescale.evaluation.{module}; sys.exit({unwanted!r} in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
