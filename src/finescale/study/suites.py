"""Planning what tuned models are asked after training: suites of each task, and their scores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from finescale.study import grid
from finescale.study.data import DataPlanner
from finescale.study.grid import Cell
from finescale.study.plan import Plan
from finescale.study.runs import RunPlanner, count, finetuning_label

LOSS = "loss"  # the suite of which nothing is written: log-perplexity on test sets added later


@dataclass(frozen=True)
class Suite:
    """What models are asked for, and the factors over which figures draw the answers.

    Base models without finetuning are asked too where demonstrations say what is wanted.
    """

    kind: str  # of test sets: `test`, `zero_shot` or `later_test`
    shots: int
    factors: tuple[str, ...]


# The paper draws test scores over all factors, zero-shot over model size (Figure 6), few-shot over
# model size and pretraining size (Figures 11 to 14).
SUITES = {
    "test": Suite("test", 0, grid.FACTORS),
    "zero-shot": Suite("zero_shot", 0, ("llm_model_size",)),
    "one-shot": Suite("test", 1, ("llm_model_size", "pretraining_tokens")),
    "five-shot": Suite("test", 5, ("llm_model_size", "pretraining_tokens")),
    LOSS: Suite("later_test", 0, grid.FACTORS),
}


def suites_of(task: Mapping[str, Any]) -> list[str]:
    """The suites of a task, none where nothing is asked."""
    return task["generation"]["suites"] if "generation" in task else []


def drawn_factors(task: Mapping[str, Any], suite: str) -> list[str]:
    """The factors over which a task's suite is drawn: model size, and others that vary."""
    return [
        factor
        for factor in SUITES[suite].factors
        if factor == "llm_model_size" or grid.varies(task, factor)
    ]


def shown_score(task: Mapping[str, Any], suite: str) -> str:
    """What figures show of a suite."""
    return "log_perplexity" if suite == LOSS else task["generation"]["score"]


class SuitePlanner:
    """Adds the recipes of generations, losses and scores to a plan."""

    def __init__(
        self, plan: Plan, config: Mapping[str, Any], data: DataPlanner, runs: RunPlanner
    ) -> None:
        self.plan = plan
        self.config = config
        self.data = data
        self.runs = runs

    def scores(self, name: str, suite: str, runs: Mapping[Cell, str]) -> str:
        """The scores of a task's models on one suite; `runs` are all finetunings of the task."""
        settings, shared = self.config["tasks"][name]["generation"], self.config["generation"]
        written = self._generations(name, suite, runs)
        parameters = {
            "metrics": settings["metrics"],
            "target_language": settings["target_language"],
            "bootstrap": shared["bootstrap"],
            "rows": [labels for labels, _ in written],
        }
        inputs = {"outputs": [reference for _, reference in written]}
        if "bleurt" in settings["metrics"]:
            parameters["learned"] = list(shared["bleurt"])
            inputs["learned"] = [self.data.source(raw) for raw in shared["bleurt"].values()]
        return self.plan.add("score", f"{name} {suite}", parameters, inputs)

    def later_points(self, name: str, runs: Mapping[Cell, str], points: str) -> str:
        """The log-perplexity of all of a task's runs on its later test sets."""
        family = self.config["tasks"][name]["family"]
        shared = {
            "test": [self.data.test_examples(name, SUITES[LOSS].kind)],
            "tokenizer": [self.data.tokenizer(family)],
        }
        losses = [
            self.plan.add(
                "loss",
                f"{LOSS} of {finetuning_label(name, cell)}",
                {},  # how to measure is in the recipe of the model
                {"model": [reference], **shared},
            )
            for cell, reference in runs.items()
        ]
        parameters = {"bootstrap": self.config["generation"]["bootstrap"]}
        inputs = {"points": [points], "losses": losses}
        return self.plan.add("later_points", f"{name} {LOSS}", parameters, inputs)

    def _generations(
        self, name: str, suite: str, runs: Mapping[Cell, str]
    ) -> list[tuple[dict[str, Any], str]]:
        """The labels and the outputs of every model that a figure of the suite draws."""
        parameters, shared = self._parameters(name, suite), self._inputs(name, suite)

        def add(model: str, role: str, reference: str) -> str:
            inputs = {role: [reference], **shared}
            return self.plan.add("generate", f"{suite} of {model}", parameters, inputs)

        cells = self._drawn(name, suite, runs)
        written = [
            (self._labels(cell), add(finetuning_label(name, cell), "model", runs[cell]))
            for cell in cells
        ]
        if not SUITES[suite].shots:
            return written
        family = self.config["tasks"][name]["family"]
        bases = dict.fromkeys((cell.size, cell.pretraining_tokens) for cell in cells)
        return written + [
            (
                self._base_labels(size, tokens),
                add(
                    f"{name} on {size} {count(tokens)} tokens, not finetuned",
                    "base",
                    self.runs.base_model(family, size, tokens),
                ),
            )
            for size, tokens in bases
        ]

    def _drawn(self, name: str, suite: str, cells: Iterable[Cell]) -> list[Cell]:
        task = self.config["tasks"][name]
        factors = drawn_factors(task, suite)
        return [
            cell
            for cell in cells
            if any(grid.moves_along(factor, cell, self.config, task) for factor in factors)
        ]

    def _parameters(self, name: str, suite: str) -> dict[str, Any]:
        task, shared = self.config["tasks"][name], self.config["generation"]
        settings, shots = task["generation"], SUITES[suite].shots
        parameters = {
            "suite": suite,
            "shots": shots,
            "template": None if shots else task["template"],
            "shot_template": settings["shot_template"] if shots else None,
            "max_source_tokens": task["max_source_tokens"],
            "max_new_tokens": settings["max_new_tokens"] or task["max_target_tokens"],
            "max_examples": shared["max_examples"],
            "seed": shared["seed"] if shots else 0,
            "stop_at_newline": shots > 0,
        }
        if shots and shared["context"]:
            parameters["context"] = shared["context"]
        return parameters

    def _inputs(self, name: str, suite: str) -> dict[str, list[str]]:
        """What all models of a suite read."""
        task, kind = self.config["tasks"][name], SUITES[suite].kind
        inputs = {
            "tokenizer": [self.data.tokenizer(task["family"])],
            "examples": [self.data.test_corpus(name, kind, key) for key in task[kind]],
        }
        if SUITES[suite].shots:
            inputs["dev"] = [self.data.training_corpus(name)]
        return inputs

    def _labels(self, cell: Cell) -> dict[str, Any]:
        return self._base_labels(cell.size, cell.pretraining_tokens) | {
            "method": cell.method,
            "pet_parameter_size": cell.pet_parameter_size,
            "finetuning_examples": cell.finetuning_examples,
            "seed": cell.seed,
            "baseline": False,
        }

    def _base_labels(self, size: str, tokens: int) -> dict[str, Any]:
        """The labels of a base model, which has no method."""
        return {
            "method": None,
            "nominal_size": int(self.config["model_sizes"][size]["nominal"]),
            "pretraining_tokens": tokens,
            "pet_parameter_size": None,
            "finetuning_examples": None,
            "seed": None,
            "baseline": True,
        }
