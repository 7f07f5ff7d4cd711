"""Pretrain one base model."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from finescale.launch import ALONE, CPU, Company, Hardware
from finescale.models import (
    attach,
    build_decoder,
    count_parameters,
    decoder_config,
    hollow_decoder,
)
from finescale.store.json_files import write_json
from finescale.training.determinism import make_deterministic
from finescale.training.evaluation import evaluation_batches, likelihood
from finescale.training.loader import PretrainingBatches
from finescale.training.module import Plan, Run, train
from finescale.training.objective import Objective
from finescale.training.placement import Placement
from finescale.training.schedule import Schedule, even_steps
from finescale.training.state import STATE_FILE, State
from finescale.training.vocabulary import Vocabulary


@dataclass(frozen=True)
class Streams:
    """1-D arrays of ids, each document followed by its end-of-sequence id."""

    train: np.ndarray
    validation: np.ndarray


def steps_of(parameters: Mapping[str, Any], tokens: int) -> int:
    """How many steps `tokens` tokens are; a token is one id of a row, padding included."""
    return tokens // (parameters["batch_sequences"] * parameters["context"])


def pretrain(
    parameters: Mapping[str, Any],
    streams: Streams,
    vocabulary: Vocabulary,
    out: Path,
    resume: Path,
    predecessor: Path | None = None,
    checkpoint_every_seconds: float = 60.0,
    hardware: Hardware = CPU,
    company: Company = ALONE,
) -> dict[str, Any]:
    """Train a base model and write it to `out`; returns what result.json holds.

    `parameters` are the recipe's. `resume` keeps the state of an unfinished run. `predecessor`
    is the STATE_FILE of a run that differs in `tokens` alone and has fewer: going on from
    it gives the same bytes as starting afresh. Every process of a company calls this; the leading
    one alone looks at `predecessor` and writes.
    """
    make_deterministic()
    placement = Placement(hardware, company)
    decoder = _decoder(parameters, vocabulary, placement)
    counts = count_parameters(decoder)
    loss = placement.put(attach(decoder, "fmt"))
    objective = Objective(
        parameters["objective"],
        streams.train,
        vocabulary,
        parameters["context"],
        parameters["seed"],
    )
    if company.leads:
        _say_when_text_repeats(objective, parameters)
    rows = objective.causal_rows(streams.validation, parameters["validation"]["sequences"])
    held_out = evaluation_batches(rows, vocabulary.pad)

    def evaluate() -> float:
        return likelihood(loss, held_out, parameters["precision"], company).log_perplexity

    state_file = resume / STATE_FILE
    run = Run(loss, _plan(parameters), evaluate, state_file, checkpoint_every_seconds, placement)
    batches = PretrainingBatches(objective, parameters["batch_sequences"])
    state = train(run, batches, predecessor)
    result = _result(parameters, state) | {
        "model_parameters": counts.total,
        "non_embedding_parameters": counts.non_embedding,
    }
    if state.diverged is None:
        weights = placement.collect(run.trainable)
        if company.leads:
            loss.model.save(out / "model", weights)
        if parameters["tokens"] < parameters["schedule_tokens"]:
            # a longer run does not look at this run's last step, unless the schedule says so
            scheduled = _scheduled_looks(parameters)
            state.curve = [point for point in state.curve if point["step"] in scheduled]
            run.save(out / STATE_FILE, checked=False)
    if company.leads:
        write_json(out / "result.json", result)
    return result


def _decoder(
    parameters: Mapping[str, Any], vocabulary: Vocabulary, placement: Placement
) -> PreTrainedModel:
    if placement.builds_whole:
        return build_decoder(parameters["model"], vocabulary.size, parameters["seed"])
    return hollow_decoder(decoder_config(parameters["model"], vocabulary.size))


def _say_when_text_repeats(objective: Objective, parameters: Mapping[str, Any]) -> None:
    """The paper trains for one epoch; a short text is read again, which should not go unseen."""
    rows = steps_of(parameters, parameters["tokens"]) * parameters["batch_sequences"]
    if rows > objective.chunks:
        print(
            f"the text fills {objective.chunks:,} rows; training reads it "
            f"{rows / objective.chunks:.2f} times",
            file=sys.stderr,
        )


def _scheduled_looks(parameters: Mapping[str, Any]) -> set[int]:
    """Validation steps shared by all runs of a trajectory, evenly spaced over its schedule."""
    looks = parameters["validation"]["logged_checkpoints"]
    return even_steps(looks, steps_of(parameters, parameters["schedule_tokens"]))


def _plan(parameters: Mapping[str, Any]) -> Plan:
    steps = steps_of(parameters, parameters["tokens"])
    schedule = Schedule(
        kind="cosine",
        peak=parameters["learning_rate"],
        final=parameters["final_learning_rate"],
        steps=steps_of(parameters, parameters["schedule_tokens"]),
        warmup_steps=parameters["warmup_steps"],
    )
    return Plan(
        steps=steps,
        schedule=schedule,
        parameter_scaling=parameters["parameter_scaling"],
        precision=parameters["precision"],
        evaluation_steps=_scheduled_looks(parameters) | {steps},
    )


def _result(parameters: Mapping[str, Any], state: State) -> dict[str, Any]:
    per_step = parameters["batch_sequences"] * parameters["context"]
    curve = [
        {"step": point["step"], "tokens": point["step"] * per_step} | point for point in state.curve
    ]
    return {
        "status": "ok" if state.diverged is None else "diverged",
        "reason": state.diverged,
        "steps": state.step,
        "log_perplexity": curve[-1]["log_perplexity"] if state.diverged is None else None,
        "curve": curve,
        "loss_curve": list(state.loss_curve),
    }
