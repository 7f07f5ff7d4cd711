"""Finetune one base model by one method on one subset."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finescale.launch import ALONE, CPU, Company, Hardware
from finescale.models import (
    TunedModel,
    attach,
    hollow_decoder,
    load_decoder,
    read_config,
    tuned_parameters,
)
from finescale.store.json_files import read_json, write_json
from finescale.training.determinism import make_deterministic
from finescale.training.evaluation import (
    evaluation_batches,
    held_out_rows,
    likelihood,
    results_on,
)
from finescale.training.loader import Batch, Examples, FinetuningBatches
from finescale.training.loss import TargetLoss
from finescale.training.module import Plan, Run, train
from finescale.training.placement import Placement
from finescale.training.schedule import Schedule, geometric_steps, regular_steps
from finescale.training.state import STATE_FILE, State, restore_weights
from finescale.training.vocabulary import Vocabulary

COSINE_ENDS_AT = 0.1  # of the learning rate


@dataclass(frozen=True)
class Data:
    """What a run learns from and is measured on; `subset` holds indices of `train`."""

    train: Examples
    subset: np.ndarray
    dev: Examples
    tests: Sequence[Examples]


def finetune(
    parameters: Mapping[str, Any],
    base: Path,
    data: Data,
    vocabulary: Vocabulary,
    out: Path,
    resume: Path,
    base_name: str = "",
    checkpoint_every_seconds: float = 60.0,
    hardware: Hardware = CPU,
    company: Company = ALONE,
) -> dict[str, Any]:
    """Tune a base model, keep the best dev weights, measure them; returns result.json's content.

    `parameters` are the recipe's; `base` is the folder of the base model; `resume` keeps the
    state of an unfinished run. `out` gets result.json and model/ (fmt) or adapter/. A run that
    diverges, or whose base model did, has a result and no weights. Every process of a company
    calls this; the leading one alone writes.
    """
    make_deterministic()
    base_result = read_json(base / "result.json")
    if base_result["status"] != "ok":
        result = _result(base_result, "base diverged", base_result["reason"], State())
        if company.leads:
            write_json(out / "result.json", result)
        return result
    placement = Placement(hardware, company)
    loss = placement.put(_model(parameters, base, vocabulary, base_name, placement))
    batches = FinetuningBatches(
        data.train, data.subset, vocabulary, parameters["batch_examples"], parameters["seed"]
    )
    dev = _held_out(data.dev, parameters["dev"]["max_examples"], vocabulary)

    def evaluate() -> float:
        return likelihood(loss, dev, parameters["precision"], company).log_perplexity

    plan = _plan(parameters, batches.steps_per_epoch)
    run = Run(loss, plan, evaluate, resume / STATE_FILE, checkpoint_every_seconds, placement)
    state = train(run, batches)
    status = "ok" if state.diverged is None else "diverged"
    result = _result(base_result, status, state.diverged, state)
    result["tuned_parameters"] = tuned_parameters(loss.model)
    if status == "ok":
        assert state.best is not None  # the last step is always evaluated
        restore_weights(run.trainable, state.best.weights)
        result |= _test(loss, parameters, data.tests, vocabulary, company)
        weights = placement.collect(run.trainable)
        if company.leads:
            folder = "model" if parameters["method"] == "fmt" else "adapter"
            loss.model.save(out / folder, weights)
    if company.leads:
        write_json(out / "result.json", result)
    return result


def _model(
    parameters: Mapping[str, Any],
    base: Path,
    vocabulary: Vocabulary,
    base_name: str,
    placement: Placement,
) -> TunedModel:
    """The base model with what the method adds to it."""
    folder = base / "model"
    whole = placement.builds_whole
    return attach(
        load_decoder(folder) if whole else hollow_decoder(read_config(folder)),
        parameters["method"],
        parameters["pet_parameter_size"],
        vocabulary.content_ids,
        parameters["seed"],
        base_name,
    )


def _plan(parameters: Mapping[str, Any], steps_per_epoch: int) -> Plan:
    steps, dev = parameters["max_steps"], parameters["dev"]
    if parameters["max_epochs"] is not None:
        steps = min(steps, parameters["max_epochs"] * steps_per_epoch)
    rate = parameters["learning_rate"]
    if dev["growth"] is None:
        looks = regular_steps(dev["interval"], steps)
    else:
        looks = geometric_steps(dev["first_step"], dev["growth"], steps)
    return Plan(
        steps=steps,
        schedule=Schedule(
            kind=parameters["schedule"],
            peak=rate,
            final=rate * COSINE_ENDS_AT,
            steps=steps,
            warmup_steps=parameters["warmup_steps"],
        ),
        parameter_scaling=parameters["parameter_scaling"],
        precision=parameters["precision"],
        evaluation_steps=looks,
        keep_best=True,
        patience=dev["patience"],
        min_steps=math.ceil(dev["min_epochs"] * steps_per_epoch),
    )


def _held_out(examples: Examples, most: int | None, vocabulary: Vocabulary) -> list[Batch]:
    rows = held_out_rows(examples, most, vocabulary)
    return evaluation_batches(list(rows.values()), vocabulary.pad)


def _test(
    loss: TargetLoss,
    parameters: Mapping[str, Any],
    tests: Sequence[Examples],
    vocabulary: Vocabulary,
    company: Company,
) -> dict[str, Any]:
    most, precision = parameters["test"]["max_examples"], parameters["precision"]
    batches = (_held_out(test, most, vocabulary) for test in tests)
    return results_on([likelihood(loss, one, precision, company) for one in batches])


def _result(
    base_result: Mapping[str, Any], status: str, reason: str | None, state: State
) -> dict[str, Any]:
    best = state.best if status == "ok" else None
    return {
        "status": status,
        "reason": reason,
        "dev_log_perplexity": best and best.log_perplexity,
        "best_step": best and best.step,
        "steps": state.step,
        "test_log_perplexity": None,
        "target_tokens": None,
        "test_sets": [],
        "tuned_parameters": None,
        "model_parameters": base_result["model_parameters"],
        "non_embedding_parameters": base_result["non_embedding_parameters"],
        "dev_curve": state.curve,
        "loss_curve": state.loss_curve,
    }
