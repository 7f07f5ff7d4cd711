"""Planning the data stages: raw files, typed records, tokenizers, token arrays."""

from collections.abc import Mapping
from typing import Any

from finescale.study.plan import Plan
from finescale.study.sources import Pin

STREAM_SEED = 0  # order of the documents in a family's pretraining stream


class DataPlanner:
    """Adds data recipes to a plan; each method returns references."""

    def __init__(self, plan: Plan, config: Mapping[str, Any], pins: Mapping[str, Pin]) -> None:
        self.plan = plan
        self.config = config
        self.pins = pins

    def source(self, name: str) -> str:
        raw = self.pins[name]
        parameters: dict[str, Any] = {"sha256": raw.sha256, "size": raw.size}
        if raw.sha256 is None:
            parameters["name"] = name  # nothing but its name tells an unpinned file from another
        return self.plan.add("source", name, parameters, {})

    def corpus(self, label: str, splits: Mapping[str, Mapping[str, Any]]) -> str:
        """Typed records of one or several splits; the split is the role of its raw files."""
        parameters = {
            split: {key: value for key, value in dataset.items() if key != "raw"}
            for split, dataset in splits.items()
        }
        inputs = {
            split: [self.source(name) for name in dataset["raw"]]
            for split, dataset in splits.items()
        }
        return self.plan.add("corpus", label, {"splits": parameters}, inputs)

    def texts(self, family: str) -> list[str]:
        return [
            self.corpus(f"text {language}", {"text": self.config["text"][language]})
            for language in self.config["families"][family]["languages"]
        ]

    def tokenizer(self, family: str) -> str:
        settings = self.config["families"][family]["tokenizer"]
        return self.plan.add("tokenizer", family, settings, {"text": self.texts(family)})

    def stream(self, family: str) -> str:
        """The pretraining tokens of a family."""
        settings = self.config["families"][family]
        parameters = {
            "kind": "pretraining",
            "languages": settings["languages"],
            "seed": STREAM_SEED,
            "validation_share": settings["validation_share"],
        }
        inputs = {"tokenizer": [self.tokenizer(family)], "text": self.texts(family)}
        return self.plan.add("tokens", f"{family} pretraining stream", parameters, inputs)

    def training_examples(self, name: str) -> str:
        """Train and dev examples of a task, encoded."""
        corpus = self.training_corpus(name)
        return self._encoded(name, "train+dev", {"train": corpus, "dev": corpus})

    def training_corpus(self, name: str) -> str:
        """Train and dev examples of a task, as records."""
        task = self.config["tasks"][name]
        return self.corpus(f"{name} train+dev", {"train": task["train"], "dev": task["dev"]})

    def test_examples(self, name: str, kind: str = "test") -> str:
        """All test sets of a task, or those of another kind, encoded."""
        sets = self.config["tasks"][name][kind]
        corpora = {key: self.test_corpus(name, kind, key) for key in sets}
        return self._encoded(name, f"{kind.replace('_', ' ')} sets", corpora)

    def test_corpus(self, name: str, kind: str, key: str) -> str:
        dataset = self.config["tasks"][name][kind][key]
        return self.corpus(f"{name} {kind.replace('_', '-')} {key}", {"test": dataset})

    def _encoded(self, name: str, what: str, splits: Mapping[str, str]) -> str:
        """Token arrays of several splits, each from its corpus."""
        task = self.config["tasks"][name]
        parameters = {
            "kind": "examples",
            "splits": list(splits),
            **{key: task[key] for key in ("template", "max_source_tokens", "max_target_tokens")},
        }
        inputs = {"tokenizer": [self.tokenizer(task["family"])], "examples": splits.values()}
        return self.plan.add("tokens", f"{name} {what}", parameters, inputs)
