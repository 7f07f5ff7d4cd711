"""Mistakes that a schema cannot see: names that do not meet, values that are not in their grid."""

from collections.abc import Iterator, Mapping
from typing import Any

from finescale.errors import UserError
from finescale.study import grid
from finescale.study.sources import Pin


def check_meaning(config: dict[str, Any], pins: Mapping[str, Pin], name: str) -> None:
    """Raise UserError with one line for each contradiction in a completed config."""
    mistakes = [
        *_pretraining_mistakes(config),
        *_family_mistakes(config),
        *(line for key in config["tasks"] for line in _task_mistakes(config, key, pins)),
    ]
    if mistakes:
        raise UserError(f"{name}:\n" + "\n".join(f"  {line}" for line in mistakes))


def _pretraining_mistakes(config: dict[str, Any]) -> Iterator[str]:
    objective = config["pretraining"]["objective"]
    shares = [objective["causal"], objective["prefix"]]
    shares += [corruption["share"] for corruption in objective["span_corruption"]]
    if abs(sum(shares) - 1) > 1e-9:
        yield f"`pretraining.objective`: the shares sum to {sum(shares):g}, they must sum to 1"


def _family_mistakes(config: dict[str, Any]) -> Iterator[str]:
    batch = config["pretraining"]["context"] * config["pretraining"]["batch_sequences"]
    for key, family in config["families"].items():
        for language in family["languages"]:
            if language not in config["text"]:
                yield (
                    f"`families.{key}.languages`: `text` has no `{language}` "
                    f"(it has {', '.join(config['text'])})"
                )
        if family["pretraining_tokens"] < batch:
            yield (
                f"`families.{key}.pretraining_tokens`: {family['pretraining_tokens']:g} is less "
                f"than one batch (context x batch_sequences = {batch})"
            )
        size = family["held_out"]["llm_model_size"] if family["held_out"] else None
        if size is not None and size not in config["model_sizes"]:
            yield f"`families.{key}.held_out.llm_model_size`: `{size}` is not in `model_sizes`"


def _task_mistakes(config: dict[str, Any], key: str, pins: Mapping[str, Pin]) -> Iterator[str]:
    task, where = config["tasks"][key], f"`tasks.{key}"
    if task["family"] not in config["families"]:
        yield f"{where}.family`: `{task['family']}` is not in `families`"
        return
    yield from _axis_mistakes(f"{where}.grid", task["grid"])
    for method in grid.methods_of(task):
        if method not in config["methods"]:
            yield f"{where}.grid.finetuning_examples.{method}`: `methods` has no `{method}`"
    for size in task["grid"]["llm_model_size"]["values"]:
        if size not in config["model_sizes"]:
            yield f"{where}.grid.llm_model_size`: `{size}` is not in `model_sizes`"
    if grid.base_size(task) not in task["grid"]["llm_model_size"]["values"]:
        yield f"{where}.grid.base_size`: `{grid.base_size(task)}` is not in llm_model_size.values"
    yield from _token_mistakes(config, task, where)
    yield from _pool_mistakes(task, where, pins)


def _axis_mistakes(where: str, axes: dict[str, Any]) -> Iterator[str]:
    """A held-out value that is not among the values of its axis, at any depth."""
    for key, axis in axes.items():
        if not isinstance(axis, dict):
            continue
        if "values" not in axis:
            yield from _axis_mistakes(f"{where}.{key}", axis)
        elif axis.get("held_out") is not None and axis["held_out"] not in axis["values"]:
            values = ", ".join(map(str, axis["values"]))
            yield f"{where}.{key}.held_out`: {axis['held_out']} is not in the grid ({values})"


def _token_mistakes(config: dict[str, Any], task: dict[str, Any], where: str) -> Iterator[str]:
    full = grid.full_tokens(config, task)
    for tokens in task["grid"]["pretraining_tokens"]["values"]:
        if tokens > full:
            yield (
                f"{where}.grid.pretraining_tokens`: {tokens:g} is more than the "
                f"pretraining_tokens of `families.{task['family']}` ({full:g})"
            )


def _pool_mistakes(task: dict[str, Any], where: str, pins: Mapping[str, Pin]) -> Iterator[str]:
    counts = [pins[name].records for name in task["train"]["raw"]]
    if any(count is None for count in counts):
        return  # not known before the raw files are read; the finetune job checks again
    pool = sum(count for count in counts if count is not None)
    sizes = {
        f"grid.finetuning_examples.{method}": max(axis["values"])
        for method, axis in task["grid"]["finetuning_examples"].items()
    }
    if task.get("noise_floor"):
        sizes["noise_floor.finetuning_examples"] = task["noise_floor"]["finetuning_examples"]
    for key, size in sizes.items():
        if size > pool:
            yield f"{where}.{key}`: a subset of {size:g} is larger than its corpus ({pool})"
