"""Planning the training stages: base models and finetunings."""

from collections.abc import Mapping
from typing import Any

from finescale.study import grid
from finescale.study.data import DataPlanner
from finescale.study.grid import Cell
from finescale.study.plan import Plan

ARCHITECTURE = ("layers", "heads", "head_dim", "ffn_dim", "model_dim")


class RunPlanner:
    """Adds pretraining and finetuning recipes to a plan."""

    def __init__(self, plan: Plan, config: Mapping[str, Any], data: DataPlanner) -> None:
        self.plan = plan
        self.config = config
        self.data = data
        self._base_models: dict[tuple[str, str, int], str] = {}

    def base_model(self, family: str, size: str, tokens: int) -> str:
        """A checkpoint of one family and size after `tokens` tokens."""
        key = (family, size, tokens)
        if key not in self._base_models:
            settings = self.config["pretraining"]
            full = int(self.config["families"][family]["pretraining_tokens"])
            parameters = {
                **{name: value for name, value in settings.items() if name != "schedule"},
                "model": {name: self.config["model_sizes"][size][name] for name in ARCHITECTURE},
                "tokens": tokens,
                "schedule_tokens": full if settings["schedule"] == "shared" else tokens,
                "precision": self.config["precision"],
            }
            inputs = {
                "tokens": [self.data.stream(family)],
                "tokenizer": [self.data.tokenizer(family)],
            }
            label = f"{family} {size}, {count(tokens)} tokens"
            self._base_models[key] = self.plan.add("pretrain", label, parameters, inputs)
        return self._base_models[key]

    def order_checkpoints(self) -> None:
        """Where checkpoints share a schedule, make each after the one before it."""
        if self.config["pretraining"]["schedule"] != "shared":
            return
        trajectories: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for (family, size, tokens), reference in self._base_models.items():
            trajectories.setdefault((family, size), []).append((tokens, reference))
        for checkpoints in trajectories.values():
            ordered = [reference for _, reference in sorted(checkpoints)]
            self.plan.after.update(zip(ordered[1:], ordered[:-1], strict=True))

    def finetunings(self, name: str) -> dict[Cell, str]:
        """Every finetuning run of a task, by its cell."""
        task = self.config["tasks"][name]
        shared = {
            "tokenizer": [self.data.tokenizer(task["family"])],
            "train": [self.data.training_examples(name)],
            "test": [self.data.test_examples(name)],
        }
        return {
            cell: self._finetuning(name, cell, shared) for cell in grid.cells(self.config, task)
        }

    def _finetuning(self, name: str, cell: Cell, shared: Mapping[str, list[str]]) -> str:
        task = self.config["tasks"][name]
        settings = self.config["methods"][cell.method] | task["methods"].get(cell.method, {})
        parameters = {
            **{key: value for key, value in settings.items() if key != "base_pet_parameter_size"},
            **self.config["finetuning"],
            "task": name,
            "method": cell.method,
            "pet_parameter_size": cell.pet_parameter_size,
            "finetuning_examples": cell.finetuning_examples,
            "seed": cell.seed,
            "precision": self.config["precision"],
        }
        base = self.base_model(task["family"], cell.size, cell.pretraining_tokens)
        label = finetuning_label(name, cell)
        return self.plan.add("finetune", label, parameters, {"base": [base], **shared})


def finetuning_label(task: str, cell: Cell) -> str:
    """How a run is called in logs: `help-en-de lora 4 on S 1.6M tokens, 256 examples, seed 0`."""
    method = cell.method + (f" {cell.pet_parameter_size}" if cell.pet_parameter_size else "")
    base = f"{cell.size} {count(cell.pretraining_tokens)} tokens"
    return f"{task} {method} on {base}, {cell.finetuning_examples} examples, seed {cell.seed}"


def count(value: float) -> str:
    """A count in three digits with its SI letter: 1638400 -> 1.64M, 283e9 -> 283B."""
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:g}"
