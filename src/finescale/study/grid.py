"""The cells of a task: every combination of factors that is finetuned."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FACTORS = ("llm_model_size", "pretraining_tokens", "pet_parameter_size")
PET_METHODS = ("lora", "prompt")
ARCHITECTURE = ("layers", "heads", "head_dim", "ffn_dim", "model_dim")  # keys of a model size


@dataclass(frozen=True)
class Cell:
    """One finetuning run in the coordinates of the study."""

    size: str
    pretraining_tokens: int
    method: str
    pet_parameter_size: int | None
    finetuning_examples: int
    seed: int


def methods_of(task: Mapping[str, Any]) -> list[str]:
    """Methods by which a task is finetuned."""
    return list(task["grid"]["finetuning_examples"])


def base_size(task: Mapping[str, Any]) -> str:
    """The model size at which pretraining size and PET size are varied."""
    grid = task["grid"]
    return grid["base_size"] or grid["llm_model_size"]["values"][0]


def base_pet_size(config: Mapping[str, Any], method: str) -> int | None:
    """Rank or prompt length outside PET-size scaling; None for full-model tuning."""
    return config["methods"][method].get("base_pet_parameter_size")


def full_tokens(config: Mapping[str, Any], task: Mapping[str, Any]) -> int:
    """Pretraining tokens of the finished base models of the task's family."""
    return family_tokens(config, task["family"])


def is_given(config: Mapping[str, Any], family: str) -> bool:
    """Whether the base models of a family were made elsewhere."""
    return "checkpoints" in config["families"][family]


def trained_families(config: Mapping[str, Any]) -> list[str]:
    """The families whose base models are trained here."""
    return [family for family in config["families"] if not is_given(config, family)]


def family_tokens(config: Mapping[str, Any], family: str) -> int:
    """Pretraining tokens of a family's finished base models."""
    settings = config["families"][family]
    if is_given(config, family):
        return max(int(one["tokens"]) for one in settings["checkpoints"])
    return int(settings["pretraining_tokens"])


def base_size_of_family(config: Mapping[str, Any], family: str) -> str | None:
    """The base size of the first task of a family; None where no task has it."""
    tasks = (task for task in config["tasks"].values() if task["family"] == family)
    first = next(tasks, None)
    return first and base_size(first)


def sizes_of_family(config: Mapping[str, Any], family: str) -> list[str]:
    """The model sizes that the tasks of a family finetune, in the order of `model_sizes`."""
    tasks = [task for task in config["tasks"].values() if task["family"] == family]
    sizes = {size for task in tasks for size in task["grid"]["llm_model_size"]["values"]}
    return [size for size in config["model_sizes"] if size in sizes]


def varies(task: Mapping[str, Any], factor: str) -> bool:
    """Whether a task has two values or more of a factor; of PET size, by one method."""
    axes = task["grid"][factor]
    if factor != "pet_parameter_size":
        return len(axes["values"]) > 1
    return any(len(axes.get(method, {"values": []})["values"]) > 1 for method in PET_METHODS)


def moves_along(
    factor: str, cell: Cell, config: Mapping[str, Any], task: Mapping[str, Any]
) -> bool:
    """Whether a cell is one of those that differ in one factor: the others are at their base."""
    at_base = {
        "llm_model_size": cell.size == base_size(task),
        "pretraining_tokens": cell.pretraining_tokens == full_tokens(config, task),
        "pet_parameter_size": cell.pet_parameter_size == base_pet_size(config, cell.method),
    }
    return all(there for other, there in at_base.items() if other != factor)


def cells(config: Mapping[str, Any], task: Mapping[str, Any]) -> list[Cell]:
    """Every run of a task, each once, though factors share the cells at the base.

    The order is: by factor (model size, pretraining tokens, PET size), then by seed.
    """
    found = dict.fromkeys(
        Cell(size, tokens, method, pet, examples, seed)
        for size, tokens, method, pet in settings(config, task)
        for examples in _examples(task, method)
        for seed in config["seeds"]
    )
    found.update(dict.fromkeys(_noise_floor(config, task)))
    return list(found)


def with_cells(config: Mapping[str, Any], cells: Mapping[str, Sequence[Cell]]) -> dict[str, Any]:
    """A config that has just these tasks, and in their grids the values that their cells have."""
    tasks = {
        name: {**config["tasks"][name], "grid": _grid_of(kept, config, config["tasks"][name])}
        for name, kept in cells.items()
        if kept
    }
    return {**config, "tasks": tasks}


def _grid_of(
    cells: Sequence[Cell], config: Mapping[str, Any], task: Mapping[str, Any]
) -> dict[str, Any]:
    """A task's grid without the values that none of the cells has, the other factors at base."""

    def found(factor: str) -> dict[str, Any]:
        field = "size" if factor == "llm_model_size" else factor
        on = (cell for cell in cells if moves_along(factor, cell, config, task))
        return _measured(task["grid"][factor], {getattr(cell, field) for cell in on})

    def by_method(factor: str, some: Iterable[Cell]) -> dict[str, Any]:
        values: dict[str, set[Any]] = {method: set() for method in task["grid"][factor]}
        for cell in some:
            values.get(cell.method, set()).add(getattr(cell, factor))
        return {
            method: _measured(axis, values[method])
            for method, axis in task["grid"][factor].items()
            if values[method]
        }

    pets = (cell for cell in cells if moves_along("pet_parameter_size", cell, config, task))
    return {
        "base_size": base_size(task),
        **{factor: found(factor) for factor in ("llm_model_size", "pretraining_tokens")},
        "pet_parameter_size": by_method("pet_parameter_size", pets),
        "finetuning_examples": by_method("finetuning_examples", cells),
    }


def _measured(axis: Mapping[str, Any], values: Collection[Any]) -> dict[str, Any]:
    return {**axis, "values": [value for value in axis["values"] if value in values]}


def settings(
    config: Mapping[str, Any], task: Mapping[str, Any]
) -> Iterator[tuple[str, int, str, int | None]]:
    """Size, pretraining tokens, method and PET size, one factor moving at a time."""
    grid, base, full = task["grid"], base_size(task), full_tokens(config, task)
    for method in methods_of(task):
        pet = base_pet_size(config, method)
        for size in grid["llm_model_size"]["values"]:
            yield size, full, method, pet
        for tokens in grid["pretraining_tokens"]["values"]:
            yield base, int(tokens), method, pet
        for value in grid["pet_parameter_size"].get(method, {"values": []})["values"]:
            yield base, full, method, int(value)


def _examples(task: Mapping[str, Any], method: str) -> list[int]:
    return [int(value) for value in task["grid"]["finetuning_examples"][method]["values"]]


def _noise_floor(config: Mapping[str, Any], task: Mapping[str, Any]) -> Iterator[Cell]:
    floor = task.get("noise_floor")
    if floor is None:
        return
    for method in methods_of(task):
        for seed in floor["seeds"]:
            yield Cell(
                base_size(task),
                full_tokens(config, task),
                method,
                base_pet_size(config, method),
                int(floor["finetuning_examples"]),
                seed,
            )


def held_out(task: Mapping[str, Any]) -> dict[str, Any]:
    """The held-out value of each factor, None where the fits leave nothing out."""
    grid = task["grid"]
    return {
        "llm_model_size": grid["llm_model_size"]["held_out"],
        "pretraining_tokens": grid["pretraining_tokens"].get("held_out"),
        "pet_parameter_size": {
            method: grid["pet_parameter_size"].get(method, {}).get("held_out")
            for method in PET_METHODS
        },
        "finetuning_examples": {
            method: grid["finetuning_examples"][method]["held_out"] for method in methods_of(task)
        },
    }


def is_held_out(cell: Cell, task: Mapping[str, Any]) -> bool:
    """Whether any coordinate of the cell is a held-out value."""
    out = held_out(task)
    return (
        cell.size == out["llm_model_size"]
        or cell.pretraining_tokens == out["pretraining_tokens"]
        or cell.finetuning_examples == out["finetuning_examples"][cell.method]
        or (
            cell.pet_parameter_size is not None
            and cell.pet_parameter_size == out["pet_parameter_size"].get(cell.method)
        )
    )
