"""What a recipe asks for, against what the training and generation programs do."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.costs.architecture import Architecture, Tuned
from finescale.costs.examples import Split
from finescale.costs.generation import prompt_ids
from finescale.costs.training import finetuning_work, losses_of_row, pretraining_work
from finescale.store import Store
from finescale.store.publishing import publish, scratch_folder
from finescale.training.objective import Objective
from finescale.training.pretrain import _scheduled_looks, steps_of
from finescale.training.schedule import geometric_steps, regular_steps
from finescale.training.vocabulary import Vocabulary

TUNED = Tuned(Architecture(2, 2, 8, 32, 16, 100))
OBJECTIVE = {
    "causal": 0.6,
    "prefix": 0.2,
    "span_corruption": [
        {"share": 0.1, "density": 0.15, "mean_span": 3},
        {"share": 0.1, "density": 0.5, "mean_span": 32},
    ],
    "mode_tokens": False,
}
PRETRAINING = {
    "context": 128,
    "batch_sequences": 4,
    "tokens": 4 * 128 * 100,
    "schedule_tokens": 4 * 128 * 200,
    "objective": OBJECTIVE,
    "validation": {"sequences": 6, "logged_checkpoints": 27},
    "precision": "bf16",
}
FINETUNING = {
    "finetuning_examples": 1000,
    "batch_examples": 16,
    "max_steps": 5000,
    "max_epochs": 10,
    "dev": {"interval": 100, "first_step": 4, "growth": None, "max_examples": 50},
    "test": {"max_examples": None},
    "precision": "fp32",
}
SPLITS = {
    "train": Split(4000, 30.0, 20.0),
    "dev": Split(200, 30.0, 22.0),
    "one": Split(100, 28.0, 18.0),
    "two": Split(300, 32.0, 22.0),
}
LIMITS = Split(4000, 64, 48)


def test_an_average_row_has_the_losses_that_rows_of_the_objective_have():
    vocabulary = Vocabulary(size=1000, sep=4, sentinels=tuple(range(5, 105)))
    stream = np.full(100_000, 200)
    objective = Objective(OBJECTIVE, stream, vocabulary, 512, seed=0)
    rows = [objective.row(i) for i in range(4000)]
    measured = np.mean([len(row.ids) - row.start for row in rows])
    assert losses_of_row(OBJECTIVE, 512) == pytest.approx(measured, rel=0.02)


@given(before=st.integers(0, 99), after=st.integers(100, 200), logged=st.integers(1, 60))
def test_pretraining_steps_and_looks_are_those_of_the_program(before, after, logged):
    size = 4 * 128
    parameters = PRETRAINING | {
        "tokens": after * size,
        "validation": {"sequences": 6, "logged_checkpoints": logged},
    }
    work = pretraining_work(parameters, TUNED, before * size)
    steps = steps_of(parameters, parameters["tokens"])
    looks = _scheduled_looks(parameters) | {steps}
    assert work.steps == steps - before
    assert work.looks == sum(before < step <= steps for step in looks)


def test_a_checkpoint_costs_the_tokens_after_the_one_before_it():
    whole = pretraining_work(PRETRAINING, TUNED, 0)
    rest = pretraining_work(PRETRAINING, TUNED, 4 * 128 * 60)
    assert (whole.steps, rest.steps) == (100, 40)
    assert whole.goes_on
    assert not pretraining_work(PRETRAINING | {"tokens": 4 * 128 * 200}, TUNED, 0).goes_on
    assert rest.read_bytes > whole.read_bytes == 0


@given(
    examples=st.integers(1, 5000), batch=st.integers(1, 64), epochs=st.none() | st.integers(1, 30)
)
def test_finetuning_steps_are_the_fewer_of_steps_and_epochs(examples, batch, epochs):
    parameters = FINETUNING | {
        "finetuning_examples": examples,
        "batch_examples": batch,
        "max_epochs": epochs,
    }
    work = finetuning_work(parameters, TUNED, SPLITS, LIMITS)
    of_epochs = math.inf if epochs is None else epochs * math.ceil(examples / batch)
    assert work.steps == min(5000, of_epochs)
    assert work.batch.rows == min(batch, examples)


@given(
    steps=st.integers(1, 3000),
    interval=st.integers(1, 500),
    first=st.integers(1, 50),
    growth=st.none() | st.sampled_from([1.2, 1.5, 2, 3]),
)
def test_dev_looks_are_those_of_the_program(steps, interval, first, growth):
    dev = {"interval": interval, "first_step": first, "growth": growth, "max_examples": None}
    parameters = FINETUNING | {"max_steps": steps, "max_epochs": None, "dev": dev}
    if growth is None:
        looks = len(regular_steps(interval, steps))
    else:
        looks = len(geometric_steps(first, growth, steps))
    work = finetuning_work(parameters, TUNED, SPLITS, LIMITS)
    # steps of a geometric series that round to the same one are looked at once
    assert looks <= work.looks <= looks + (0 if growth is None else 5)


def test_held_out_rows_are_the_first_of_each_set():
    work = finetuning_work(FINETUNING, TUNED, SPLITS, LIMITS)
    assert (work.held_out.rows, work.held_out.length) == (50, 54)
    assert work.tested.rows == 400
    assert work.tested.positions == pytest.approx((100 * 18 + 300 * 22) / 400)
    few = finetuning_work(FINETUNING | {"test": {"max_examples": 60}}, TUNED, SPLITS, LIMITS)
    assert few.tested.rows == 120


def test_rows_of_measured_length_are_padded_and_memory_is_that_of_the_longest():
    work = finetuning_work(FINETUNING, TUNED, SPLITS, LIMITS)
    assert 52 < work.batch.length < 60
    assert work.largest.length == 64 + 48 + 2
    bounded = finetuning_work(FINETUNING, TUNED, SPLITS | {"train": LIMITS}, LIMITS)
    assert bounded.batch.length == bounded.largest.length


def test_a_prompt_with_demonstrations_fits_in_its_context():
    parameters = {"max_source_tokens": 256, "max_new_tokens": 200, "shots": 5}
    assert prompt_ids(parameters, Split(0, 30.4, 20.0), context=None) == 33
    short = prompt_ids(parameters, Split(0, 30.0, 20.0), context=2048)
    assert 6 * 30 + 5 * 20 < short < 6 * 50 + 5 * 20
    assert prompt_ids(parameters, Split(0, 256, 200), context=1000) == 800


@pytest.fixture
def store_with_tokens(config, plan, tmp_path) -> Store:
    """A store in which the examples of one task are encoded."""
    store, study = Store(tmp_path / "store"), plan(config("smoke"))
    for reference, recipe in study.recipes.items():
        label = study.labels[reference]
        if recipe.stage != "tokens" or not label.startswith("help-en-de"):
            continue
        counts = {
            name: {"examples": 500, "source_tokens": 500 * 21, "target_tokens": 500 * 11}
            for name in recipe.parameters["splits"]
        }
        with scratch_folder(store, recipe) as scratch:
            (scratch / "stats.json").write_text(json.dumps(counts))
            publish(store, recipe, scratch, [], {"label": label})
    return store


def test_examples_encoded_in_the_store_have_their_mean_lengths(config, costs, store_with_tokens):
    bounded = costs(config("smoke"))
    measured = costs(config("smoke"), store=store_with_tokens.root)

    def finetuning(of):
        recipes = of.plan.recipes.values()
        return next(r for r in recipes if r.stage == "finetune")

    before, after = bounded.work(finetuning(bounded)), measured.work(finetuning(measured))
    assert after.held_out.length == 21 + 11 + 2
    assert after.held_out.rows <= 500
    assert after.flops < before.flops
    assert after.largest == before.largest
    assert measured.basis.measured and not measured.basis.bounded
    assert bounded.basis.bounded and not bounded.basis.measured
