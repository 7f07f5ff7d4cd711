"""The cost of what models write and of the learned metric that judges it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from finescale.costs.architecture import Tuned
from finescale.costs.examples import Split
from finescale.costs.hardware import Hardware
from finescale.costs.hours import Speed, start
from finescale.costs.job import JobCost
from finescale.costs.memory import EVALUATION_LOGITS, FP32, LOGIT, generation_memory
from finescale.costs.training import PROCESS_BYTES
from finescale.study.hardware import TrainingHardware

PRECISION = "fp32"  # of generation and of the learned metric, whatever training has
TEMPLATE_IDS = 10  # of the words around a demonstration, assumed
BYTES_OF_ID = 4  # of text, assumed
SEGMENT_BYTES = 100  # of a scored segment, assumed
LOSS_BYTES = 50  # of an example whose loss was measured

# BLEURT-20 is RemBERT (its config.json): 32 layers of width 1152, feed-forward layers of 4608.
BLEURT_LAYERS, BLEURT_DIM, BLEURT_FFN = 32, 1152, 4608
BLEURT_PARAMETERS = 579e6
BLEURT_MOST_IDS = 512
AROUND_PAIR = 3  # special ids of a pair
ONE_DEVICE = TrainingHardware()


def generation_cost(
    parameters: Mapping[str, Any],
    tuned: Tuned,
    examples: int,
    lengths: Split,
    limits: Split,
    context: int,
    hardware: Hardware,
) -> JobCost:
    """What it costs to write the outputs of `examples` examples of these lengths.

    `lengths` are means, of outputs those of the references; memory is that of the limits.
    """
    prompt, longest = (
        prompt_ids(parameters, each, context if parameters["shots"] else None)
        for each in (lengths, limits)
    )
    new, most = max(1, math.ceil(lengths.target)), parameters["max_new_tokens"]
    new = min(new, most)
    speed = Speed(hardware, tuned, PRECISION, ONE_DEVICE)
    weights = FP32 * tuned.architecture.parameters
    # the last batch is padded to its own rows, so part of a batch takes as long as a whole one
    seconds = start(weights) + speed.decoding(examples, prompt, new)
    texts = lengths.source + lengths.target + new
    return JobCost(
        flops=examples * tuned.decoding_flops(prompt, new),
        wall_hours=seconds / 3600,
        devices=1,
        device_memory_bytes=generation_memory(tuned, longest, most),
        host_memory_bytes=PROCESS_BYTES + weights,
        disk_bytes=examples * texts * BYTES_OF_ID,
    )


def prompt_ids(parameters: Mapping[str, Any], lengths: Split, context: int | None) -> int:
    """Ids of a prompt: what finetuning shows before a target, or demonstrations before a source.

    With demonstrations, prompt and output fit in `context`.
    """
    source = min(lengths.source, parameters["max_source_tokens"])
    if context is None:
        return math.ceil(source) + 2
    shots, new = parameters["shots"], parameters["max_new_tokens"]
    shown = (shots + 1) * (source + TEMPLATE_IDS) + shots * min(lengths.target, new)
    return min(math.ceil(shown) + 1, context - new)


def measuring_cost(
    tuned: Tuned, precision: str, splits: Sequence[Split], hardware: Hardware
) -> JobCost:
    """What it costs to measure the log-perplexity of the examples of test sets."""
    speed = Speed(hardware, tuned, precision, ONE_DEVICE)
    weights = FP32 * tuned.architecture.parameters
    flops, seconds = 0.0, start(weights)
    for split in splits:
        of_split = tuned.forward_flops(split.examples, split.row, split.examples * split.target)
        flops += of_split
        seconds += speed.evaluation(of_split, split.examples, split.row)
    return JobCost(
        flops=flops,
        wall_hours=seconds / 3600,
        devices=1,
        device_memory_bytes=weights + LOGIT * EVALUATION_LOGITS,
        host_memory_bytes=PROCESS_BYTES + weights,
        disk_bytes=sum(split.examples for split in splits) * LOSS_BYTES,
    )


def learned_score_cost(segments: int, ids: float, hardware: Hardware) -> JobCost:
    """What it costs to judge so many pairs of outputs and references of `ids` ids each."""
    pair = min(BLEURT_MOST_IDS, 2 * ids + AROUND_PAIR)
    matrices = 4 * BLEURT_DIM**2 + 2 * BLEURT_DIM * BLEURT_FFN
    flops = segments * BLEURT_LAYERS * (2 * matrices * pair + 4 * pair**2 * BLEURT_DIM)
    peak = hardware.gpu.flops(PRECISION) * hardware.utilisation.inference
    seconds = start(FP32 * BLEURT_PARAMETERS) + flops / peak
    return JobCost(
        flops=flops,
        wall_hours=seconds / 3600,
        devices=1,
        device_memory_bytes=2 * FP32 * BLEURT_PARAMETERS,
        host_memory_bytes=PROCESS_BYTES + FP32 * BLEURT_PARAMETERS,
        disk_bytes=segments * SEGMENT_BYTES,
    )
