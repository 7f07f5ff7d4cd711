"""Planning the training stages: base models and finetunings."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from finescale.study import grid
from finescale.study.data import DataPlanner
from finescale.study.given import raw_files, source_of
from finescale.study.grid import ARCHITECTURE, Cell
from finescale.study.plan import Plan


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
            given = grid.is_given(self.config, family)
            made = self._checkpoint(*key) if given else self._pretrained(*key)
            self.plan.sizes.setdefault(made, size)
            self._base_models[key] = made
        return self._base_models[key]

    def _pretrained(self, family: str, size: str, tokens: int) -> str:
        """A base model that is trained here."""
        settings = self.config["pretraining"]
        full = grid.family_tokens(self.config, family)
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
        return self.plan.add("pretrain", label, parameters, inputs)

    def _checkpoint(self, family: str, size: str, tokens: int) -> str:
        """A base model that was made elsewhere; what it is called changes nothing in it."""
        source = source_of(self.config, family, size, tokens)
        assert source, "checked"
        names = list(self.data.sources[source].files)
        inputs = {
            "files": [self.data.source(raw) for raw in raw_files(source, names)],
            "tokenizer": [self.data.tokenizer(family)],
        }
        label = f"{family} {size}, {count(tokens)} tokens"
        return self.plan.add("checkpoint", label, {"files": names}, inputs)

    def order_checkpoints(self) -> None:
        """Where checkpoints share a schedule, make each after the one before it."""
        trained = set(grid.trained_families(self.config))
        if not trained or self.config["pretraining"]["schedule"] != "shared":
            return
        trajectories: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for (family, size, tokens), reference in self._base_models.items():
            if family in trained:
                trajectories.setdefault((family, size), []).append((tokens, reference))
        for checkpoints in trajectories.values():
            ordered = [reference for _, reference in sorted(checkpoints)]
            self.plan.after.update(zip(ordered[1:], ordered[:-1], strict=True))

    def finetunings(self, name: str) -> dict[Cell, str]:
        """Every finetuning run of a task, by its cell."""
        shared = self._shared_inputs(name)
        cells = grid.cells(self.config, self.config["tasks"][name])
        return {cell: self._finetuning(name, cell, shared, {}) for cell in cells}

    def searched(self) -> list[tuple[dict[str, Any], str]]:
        """Every run of the search: its method, learning rate and batch, and its reference."""
        search = self.config["search"]
        name, examples, seed = (search[key] for key in ("task", "finetuning_examples", "seed"))
        task, shared = self.config["tasks"][name], self._shared_inputs(name)
        size = search["llm_model_size"] or grid.base_size(task)
        full = grid.full_tokens(self.config, task)
        runs = []
        for method, axes in search["methods"].items():
            pet = grid.base_pet_size(self.config, method)
            cell = Cell(size, full, method, pet, int(examples), seed)
            for rate, batch in product(axes["learning_rate"], axes["batch_examples"]):
                changes = {"learning_rate": rate, "batch_examples": batch}
                reference = self._finetuning(name, cell, shared, changes)
                runs.append(({"method": method, **changes}, reference))
        return runs

    def _shared_inputs(self, name: str) -> dict[str, list[str]]:
        return {
            "tokenizer": [self.data.tokenizer(self.config["tasks"][name]["family"])],
            "train": [self.data.training_examples(name)],
            "test": [self.data.test_examples(name)],
        }

    def _finetuning(
        self,
        name: str,
        cell: Cell,
        shared: Mapping[str, list[str]],
        changes: dict[str, float],
    ) -> str:
        """One run; `changes` are settings that it has otherwise than its method."""
        task = self.config["tasks"][name]
        settings = method_settings(self.config, name, cell.method) | changes
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
        changed = [f"{key.replace('_', ' ')} {value:g}" for key, value in changes.items()]
        label = ", ".join([finetuning_label(name, cell), *changed])
        return self.plan.add("finetune", label, parameters, {"base": [base], **shared})


def method_settings(config: Mapping[str, Any], task: str, method: str) -> dict[str, Any]:
    """How a method trains in a task."""
    return config["methods"][method] | config["tasks"][task]["methods"].get(method, {})


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
