"""What each job of a plan costs, from its recipe."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from finescale.costs.architecture import Architecture, Tuned, usual_architecture
from finescale.costs.examples import Basis, Examples, Split
from finescale.costs.generation import (
    SEGMENT_BYTES,
    generation_cost,
    learned_score_cost,
    measuring_cost,
)
from finescale.costs.hardware import Hardware
from finescale.costs.job import JobCost
from finescale.costs.memory import FP32
from finescale.costs.training import (
    PROCESS_BYTES,
    Work,
    finetuning_work,
    pretraining_work,
    training_cost,
)
from finescale.store import Recipe, Store
from finescale.study.grid import ARCHITECTURE
from finescale.study.hardware import TrainingHardware
from finescale.study.plan import Plan
from finescale.study.sources import Sources

USUAL_VOCABULARY, USUAL_CONTEXT = 50_000, 2048  # of base models made elsewhere
UINT16_IDS = 1 << 16  # ids of a smaller vocabulary take two bytes, else four


class Costs:
    """The costs of a plan's jobs on one kind of hardware.

    `store`, if given, is where complete tokens artifacts tell how long examples are. Jobs of the
    same shape are computed once: asking for every job of a large plan takes little time.
    """

    def __init__(
        self,
        plan: Plan,
        hardware: Hardware,
        sources: Sources,
        store: Path | None = None,
    ) -> None:
        self.plan, self.hardware = plan, hardware
        self.examples = Examples(plan, sources, Store(store) if store else None)
        self._known: dict[Any, JobCost] = {}

    @property
    def basis(self) -> Basis:
        """What the costs asked for so far rest on."""
        return self.examples.basis

    def of(self, recipe: Recipe) -> JobCost:
        """The cost of one job."""
        if recipe.stage in ("pretrain", "finetune"):
            work, on = self.work(recipe), self.training_hardware(recipe)
            return self._once((work, on), lambda: training_cost(work, on, self.hardware))
        if recipe.stage == "generate":
            return self._generation(recipe)
        if recipe.stage == "loss":
            return self._measuring(recipe)
        if recipe.stage == "score":
            return self._score(recipe)
        return self._other(recipe)

    def training_hardware(self, recipe: Recipe) -> TrainingHardware:
        """What the config gives a training run to run on."""
        kind = recipe.parameters.get("method", "pretraining")
        return self.hardware.training(kind, self.size(recipe))

    def size(self, recipe: Recipe) -> str:
        """The name of the model size of a job that trains or generates."""
        return self.plan.sizes[self._base(recipe).reference]

    def tuned(self, recipe: Recipe) -> Tuned:
        """The model that a job trains or asks, and its method."""
        own = self._finetuning(recipe)
        method = own.parameters["method"] if own else "fmt"
        pet_size = (own.parameters["pet_parameter_size"] if own else None) or 0
        return Tuned(self._architecture(self._base(recipe)), method, pet_size)

    def _architecture(self, base: Recipe) -> Architecture:
        """The dimensions of a base model; where nobody gave them, such as its size often has."""
        size = self.plan.sizes[base.reference]
        settings = self.hardware.config["model_sizes"][size]
        vocabulary = self._vocabulary(base.inputs["tokenizer"][0])
        if ARCHITECTURE[0] in settings:
            dimensions = {key: settings[key] for key in ARCHITECTURE}
            return Architecture(**dimensions, vocabulary=vocabulary)
        self.basis.sizes.add(size)
        return usual_architecture(settings["nominal"], vocabulary)

    def _vocabulary(self, tokenizer: str) -> int:
        """Ids of a tokenizer; of one made elsewhere as many as most have."""
        return self.plan.recipes[tokenizer].parameters.get("vocab_size", USUAL_VOCABULARY)

    def work(self, recipe: Recipe) -> Work:
        """What a training run has to do."""
        if recipe.stage == "pretrain":
            before = self.plan.after.get(recipe.reference)
            tokens = self.plan.recipes[before].parameters["tokens"] if before else 0
            return pretraining_work(recipe.parameters, self.tuned(recipe), tokens)
        (train,), (test,) = recipe.inputs["train"], recipe.inputs["test"]
        splits = self.examples.splits(train) | self.examples.splits(test)
        limits = self._limits(train, splits["train"].examples)
        return finetuning_work(recipe.parameters, self.tuned(recipe), splits, limits)

    def _once(self, key: Any, compute: Any) -> JobCost:
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    def _finetuning(self, recipe: Recipe) -> Recipe | None:
        """The finetuning that made the model of a job; None for a base model."""
        if recipe.stage == "finetune":
            return recipe
        models = recipe.inputs.get("model", ())
        return self.plan.recipes[models[0]] if models else None

    def _base(self, recipe: Recipe) -> Recipe:
        """The pretraining behind a job."""
        own = self._finetuning(recipe) or recipe
        return self.plan.recipes[own.inputs["base"][0]] if "base" in own.inputs else own

    def _limits(self, tokens: str, examples: int) -> Split:
        parameters = self.plan.recipes[tokens].parameters
        source, target = (parameters[f"max_{end}_tokens"] for end in ("source", "target"))
        return Split(examples, source, target)

    def _generation(self, recipe: Recipe) -> JobCost:
        parameters, corpora = recipe.parameters, recipe.inputs["examples"]
        tuned, base = self.tuned(recipe), self._base(recipe)
        context = parameters.get("context", base.parameters.get("context", USUAL_CONTEXT))
        key = (tuned, corpora, *(parameters[name] for name in ("shots", "max_new_tokens")), context)

        def compute() -> JobCost:
            limits = Split(0, parameters["max_source_tokens"], parameters["max_new_tokens"])
            return generation_cost(
                parameters,
                tuned,
                self._asked(recipe),
                self._lengths(recipe) or limits,
                limits,
                context,
                self.hardware,
            )

        return self._once(key, compute)

    def _measuring(self, recipe: Recipe) -> JobCost:
        (model,), (tokens,) = recipe.inputs["model"], recipe.inputs["test"]
        settings, tuned = self.plan.recipes[model].parameters, self.tuned(recipe)
        most, precision = settings["test"]["max_examples"], settings["precision"]
        splits = [
            replace(split, examples=min(split.examples, most or split.examples))
            for split in self.examples.splits(tokens).values()
        ]
        key = tuned, tokens, most, precision
        return self._once(key, lambda: measuring_cost(tuned, precision, splits, self.hardware))

    def _asked(self, recipe: Recipe) -> int:
        """How many examples a model writes for."""
        corpora, most = recipe.inputs["examples"], recipe.parameters["max_examples"]
        count = sum(self.examples.count(corpus, "test") for corpus in corpora)
        return count if most is None else min(count, most)

    def _lengths(self, recipe: Recipe) -> Split | None:
        """Mean lengths of a suite: of its own test sets, else of those of the model's task."""
        found = [self.examples.of_corpus(corpus) for corpus in recipe.inputs["examples"]]
        own = [split for split in found if split]
        finetuning = self._finetuning(recipe)
        if not own and finetuning:
            own = list(self.examples.splits(finetuning.inputs["test"][0]).values())
        return _mean(own)

    def _score(self, recipe: Recipe) -> JobCost:
        first = self.plan.recipes[recipe.inputs["outputs"][0]]
        segments = len(recipe.inputs["outputs"]) * self._asked(first)
        if "learned" not in recipe.parameters:
            return JobCost(disk_bytes=segments * SEGMENT_BYTES)
        lengths = self._lengths(first)
        ids = lengths.target if lengths else first.parameters["max_new_tokens"]
        return learned_score_cost(segments, ids, self.hardware)

    def _other(self, recipe: Recipe) -> JobCost:
        """Jobs of the CPU: nothing but their files is estimated."""
        if recipe.stage == "source":
            return JobCost(disk_bytes=recipe.parameters["size"] or 0)
        if recipe.stage == "corpus":
            raw = [self.plan.recipes[item] for item in recipe.input_references()]
            return JobCost(disk_bytes=sum(item.parameters["size"] or 0 for item in raw))
        if recipe.stage == "tokens":
            return JobCost(disk_bytes=self._tokens_bytes(recipe))
        if recipe.stage == "checkpoint":
            return self._taken_over(recipe)
        return JobCost()

    def _taken_over(self, recipe: Recipe) -> JobCost:
        """A base model made elsewhere: its files, and memory to try it in float32."""
        files = sum(
            self.plan.recipes[item].parameters["size"] or 0 for item in recipe.inputs["files"]
        )
        return JobCost(
            disk_bytes=files,
            host_memory_bytes=PROCESS_BYTES + FP32 * self._architecture(recipe).parameters,
        )

    def _tokens_bytes(self, recipe: Recipe) -> float:
        (tokenizer,) = recipe.inputs["tokenizer"]
        vocabulary = self._vocabulary(tokenizer)
        width = 2 if vocabulary < UINT16_IDS else 4
        if recipe.parameters["kind"] == "examples":
            splits = self.examples.splits(recipe.reference).values()
            return sum(split.examples * (width * split.row + 18) for split in splits)
        tokens = recipe.parameters.get("tokens")
        return width * (tokens or self._pretraining_tokens(recipe.reference))

    def _pretraining_tokens(self, stream: str) -> int:
        """The most tokens of a stream that a base model sees: text for one epoch."""
        return max(
            recipe.parameters["tokens"]
            for recipe in self.plan.recipes.values()
            if recipe.stage == "pretrain" and stream in recipe.inputs["tokens"]
        )


def _mean(splits: Iterable[Split]) -> Split | None:
    """All splits together; None if there are none."""
    known = list(splits)
    examples = sum(split.examples for split in known)
    if not examples:
        return None
    source = sum(split.examples * split.source for split in known) / examples
    target = sum(split.examples * split.target for split in known) / examples
    return Split(examples, source, target)
