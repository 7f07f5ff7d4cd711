"""The cost of training runs: how many steps, on what rows, with how many looks at held-out data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finescale.costs.architecture import Tuned
from finescale.costs.examples import PADDING, Split
from finescale.costs.hardware import Hardware
from finescale.costs.hours import Speed, start
from finescale.costs.job import JobCost
from finescale.costs.memory import FP32, TRAINING_LOGITS, TrainingMemory, largest_pass
from finescale.study.hardware import TrainingHardware

PROCESS_BYTES = 4e9  # of the host, for each process of a GPU: Python, torch, CUDA, batches


@dataclass(frozen=True)
class Rows:
    """Rows of ids: how many, how long each, and at how many positions of each the loss is."""

    rows: int
    length: float
    positions: float


@dataclass(frozen=True)
class Work:
    """One training run as its recipe has it.

    `batch` is the average batch, `largest` the largest; `held_out` is looked at `looks` times,
    `tested` once. `keeps_best`: the weights of the best look are kept; `goes_on`: the state is
    published, for a longer run to go on from. `read_bytes` are weights read at the start.
    """

    tuned: Tuned
    precision: str
    steps: int
    batch: Rows
    largest: Rows
    looks: int
    held_out: Rows
    tested: Rows
    keeps_best: bool = False
    goes_on: bool = False
    read_bytes: float = 0.0

    @property
    def weights_bytes(self) -> float:
        return FP32 * self.tuned.trained

    @property
    def state_bytes(self) -> float:
        """What a saved state holds besides the best weights."""
        return self.weights_bytes + FP32 * self.tuned.second_moments

    @property
    def flops(self) -> float:
        """What the recipe asks for."""
        looked = self.looks * self._forward(self.held_out) + self._forward(self.tested)
        return self.steps * self.step_flops + looked

    @property
    def step_flops(self) -> float:
        shape = self.batch.rows, self.batch.length, self.batch.rows * self.batch.positions
        return self.tuned.forward_flops(*shape) + self.tuned.backward_flops(*shape)

    def _forward(self, rows: Rows) -> float:
        return self.tuned.forward_flops(rows.rows, rows.length, rows.rows * rows.positions)

    def seconds(self, on: TrainingHardware, hardware: Hardware) -> float:
        """The time of all steps and looks."""
        speed = Speed(hardware, self.tuned, self.precision, on)
        flops, passes = self._executed(on)
        return (
            self.steps * speed.step(flops, passes)
            + self.looks * self._looking(speed, self.held_out)
            + self._looking(speed, self.tested)
        )

    def _looking(self, speed: Speed, rows: Rows) -> float:
        return speed.evaluation(self._forward(rows), rows.rows, rows.length)

    def _executed(self, on: TrainingHardware) -> tuple[float, int]:
        """FLOPs of a step with what is computed a second time, and passes of a device."""
        batch, own = self.batch, self.tuned.architecture
        positions = math.ceil(batch.positions)
        one = largest_pass(on, batch.rows, math.ceil(batch.length), positions)
        flops = self.step_flops
        if on.activation_checkpointing:
            flops += self.tuned.recomputed_flops(batch.rows, batch.length)
        if one.positions * own.vocabulary > TRAINING_LOGITS:
            flops += 2 * batch.rows * batch.positions * own.embedding
        return flops, one.repeats

    def memory(self, on: TrainingHardware, on_cpu: bool) -> TrainingMemory:
        """What the run holds on each device."""
        rows, length, positions = (
            math.ceil(value)
            for value in (self.largest.rows, self.largest.length, self.largest.positions)
        )
        largest = largest_pass(on, rows, length, positions)
        return TrainingMemory(self.tuned, self.precision, on, largest, on_cpu and self.keeps_best)


def training_cost(work: Work, on: TrainingHardware, hardware: Hardware) -> JobCost:
    """What a run costs on the devices that the config gives it."""
    on_cpu = hardware.config["hardware"]["accelerator"] == "cpu"
    peak = work.memory(on, on_cpu).peak
    best = work.weights_bytes if work.keeps_best else 0.0
    kept = work.state_bytes if work.goes_on else 0.0
    seconds = start(work.read_bytes + work.weights_bytes + kept) + work.seconds(on, hardware)
    return JobCost(
        flops=work.flops,
        wall_hours=seconds / 3600,
        devices=on.devices,
        nodes=on.nodes,
        device_memory_bytes=peak,
        host_memory_bytes=_host_bytes(work, on, best, peak if on_cpu else 0.0),
        disk_bytes=work.weights_bytes + kept,
        unfinished_bytes=work.state_bytes + best,
    )


def _host_bytes(work: Work, on: TrainingHardware, best: float, device: float) -> float:
    """Memory of one host: while weights are read, or while the leading process saves the state.

    It has the whole state then, once as tensors and once as the bytes of a file.
    """
    processes = on.devices // on.nodes
    base = FP32 * work.tuned.architecture.parameters
    reading = base * (processes if on.shards == 1 else 1)
    saving = best + 2 * (work.state_bytes + best)
    return processes * (PROCESS_BYTES + device) + max(reading, saving)


def pretraining_work(
    parameters: Mapping[str, Any], tuned: Tuned, before: int, validation: int | None = None
) -> Work:
    """Pretraining that goes on after `before` tokens."""
    context, rows = parameters["context"], parameters["batch_sequences"]
    first, last, full = (
        tokens // (rows * context)
        for tokens in (before, parameters["tokens"], parameters["schedule_tokens"])
    )
    settings = parameters["validation"]
    looks = {round(full * k / settings["logged_checkpoints"]) for k in _up_to(settings)} | {last}
    held_out = Rows(settings["sequences"], context, context - 1)
    goes_on = parameters["tokens"] < parameters["schedule_tokens"]
    state = FP32 * (tuned.trained + tuned.second_moments)
    return Work(
        tuned=tuned,
        precision=parameters["precision"],
        steps=last - first,
        batch=Rows(rows, context, losses_of_row(parameters["objective"], context)),
        largest=Rows(rows, context, context - 1),
        looks=sum(first < step <= last for step in looks),
        held_out=held_out,
        tested=Rows(0, context, 0),
        goes_on=goes_on,
        read_bytes=state if before else 0.0,
    )


def _up_to(settings: Mapping[str, Any]) -> range:
    return range(1, settings["logged_checkpoints"] + 1)


def losses_of_row(objective: Mapping[str, Any], context: int) -> float:
    """Positions of an average row that have a loss.

    All of a causal row; half of a prefix row; of a corrupted one the replaced tokens, a sentinel
    for each span, and the end. Two sentinels a span leave room for so many fewer tokens.
    """
    room = context - 1 - objective["mode_tokens"]
    losses = objective["causal"] * room + objective["prefix"] * room / 2
    for spans in objective["span_corruption"]:
        a_token = spans["density"] / spans["mean_span"]
        tokens = (room - 1) / (1 + 2 * a_token)
        losses += spans["share"] * (tokens * (spans["density"] + a_token) + 1)
    return losses


def finetuning_work(
    parameters: Mapping[str, Any], tuned: Tuned, splits: Mapping[str, Split], limits: Split
) -> Work:
    """Finetuning to its last step: nobody knows before when patience ends it.

    `splits` has `train`, `dev` and the test sets; `limits` are the longest source and target.
    """
    size, batch = parameters["finetuning_examples"], parameters["batch_examples"]
    steps = parameters["max_steps"]
    if parameters["max_epochs"] is not None:
        steps = min(steps, parameters["max_epochs"] * -(-size // batch))
    train = splits["train"]
    padded = min(train.row * (PADDING if train != limits else 1), limits.row)
    tests = [split for name, split in splits.items() if name not in ("train", "dev")]
    most = parameters["test"]["max_examples"]
    return Work(
        tuned=tuned,
        precision=parameters["precision"],
        steps=steps,
        # the last batch of an epoch may be smaller
        batch=Rows(min(batch, size), padded, train.target),
        largest=Rows(min(batch, size), limits.row, limits.target),
        looks=_looks(parameters["dev"], steps),
        held_out=_held_out([splits["dev"]], parameters["dev"]["max_examples"]),
        tested=_held_out(tests, most),
        keeps_best=True,
        read_bytes=FP32 * tuned.architecture.parameters,
    )


def _looks(dev: Mapping[str, Any], steps: int) -> int:
    """How often the dev set is measured, at the last step too."""
    if dev["growth"] is None:
        return -(-steps // dev["interval"])
    before = math.log(max(1.0, steps / dev["first_step"])) / math.log(dev["growth"])
    return math.ceil(before - 1e-9) + 1


def _held_out(sets: list[Split], most: int | None) -> Rows:
    """At most so many examples of each set, as rows of their average length."""
    counts = [min(split.examples, math.inf if most is None else most) for split in sets]
    rows = max(1, sum(counts))
    length = sum(count * split.row for count, split in zip(counts, sets, strict=True)) / rows
    losses = sum(count * split.target for count, split in zip(counts, sets, strict=True)) / rows
    return Rows(int(sum(counts)), length, losses)
