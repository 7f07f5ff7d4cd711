"""Planning the data stages: raw files, typed records, tokenizers, token arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

from finescale.study import grid
from finescale.study.given import TOKENIZER, raw_files, tokenizer_source
from finescale.study.plan import Plan
from finescale.study.readings import RECORDS
from finescale.study.sources import Sources

STREAM_SEED = 0  # order of the documents in a family's pretraining stream
UNPINNED = " (unpinned)"  # ends the label of a raw file whose content nobody has pinned yet


class DataPlanner:
    """Adds data recipes to a plan; each method returns references."""

    def __init__(self, plan: Plan, config: Mapping[str, Any], sources: Sources) -> None:
        self.plan = plan
        self.config = config
        self.sources = sources
        self._planned_sources: dict[str, str] = {}
        self._planned_texts: dict[str, str] = {}

    def source(self, name: str) -> str:
        """One raw file, or one pinned member of an archive."""
        if name not in self._planned_sources:
            pin = self.sources.pin(name)
            parameters: dict[str, Any] = {"sha256": pin.sha256, "size": pin.size}
            label = name
            if pin.sha256 is None:  # its address stands for its content
                parameters |= {"name": name, "url": next(iter(self.sources.file(name).urls), None)}
                label += UNPINNED
            self._planned_sources[name] = self.plan.add("source", label, parameters, {})
        return self._planned_sources[name]

    def corpus(
        self, label: str, splits: Mapping[str, Mapping[str, Any]], in_shards: bool = False
    ) -> str:
        """Typed records of one or several splits; the split is the role of its raw files.

        `in_shards` keeps the records of each raw file in a file of their own.
        """
        raw = {split: self.raw_files(dataset) for split, dataset in splits.items()}
        parameters = {
            split: self._reading(dataset, raw[split], in_shards)
            for split, dataset in splits.items()
        }
        inputs = {split: [self.source(name) for name in names] for split, names in raw.items()}
        return self.plan.add("corpus", label, {"splits": parameters}, inputs)

    def raw_files(self, dataset: Mapping[str, Any]) -> list[str]:
        """The names of all raw files of a data set."""
        return [name for raw in dataset["raw"] for name in self.sources.expand(raw)]

    def _reading(
        self, dataset: Mapping[str, Any], raw: Sequence[str], in_shards: bool
    ) -> dict[str, Any]:
        """What the recipe of a corpus says of the raw files of a split."""
        chosen = {key: dataset[key] for key in ("languages", "cleaning") if dataset.get(key)}
        readings = [dict(self.sources.reading(name)) for name in raw]
        alike = all(reading == readings[0] for reading in readings)
        if alike and readings[0] == RECORDS and "cleaning" not in chosen and not in_shards:
            return {**RECORDS, **chosen}
        found = {"readings": readings[:1] if alike else readings, **chosen}
        return {**found, "shards": True} if in_shards else found

    def texts(self, family: str) -> list[str]:
        return [self._text(language) for language in self.config["families"][family]["languages"]]

    def _text(self, language: str) -> str:
        """The documents of a language; those of shards stay in as many files."""
        if language not in self._planned_texts:
            dataset, label = dict(self.config["text"][language]), f"text {language}"
            if dataset.get("cleaning", {}).get("language"):
                dataset["languages"] = [language, language]  # to hold the documents against
            in_shards = any(self.sources[raw.partition(":")[0]].shards for raw in dataset["raw"])
            self._planned_texts[language] = self.corpus(label, {"text": dataset}, in_shards)
        return self._planned_texts[language]

    def tokenizer(self, family: str) -> str:
        if grid.is_given(self.config, family):
            return self._given_tokenizer(family)
        settings = self.config["families"][family]["tokenizer"]
        given = {key: value for key, value in settings.items() if value is not None}
        return self.plan.add("tokenizer", family, given, {"text": self.texts(family)})

    def _given_tokenizer(self, family: str) -> str:
        """The tokenizer of base models made elsewhere, from the files of one of them."""
        source = tokenizer_source(self.config, family)
        assert source, "checked"
        names = [name for name in TOKENIZER if name in self.sources[source].files]
        inputs = {"files": [self.source(raw) for raw in raw_files(source, names)]}
        return self.plan.add("tokenizer", family, {"files": names}, inputs)

    def stream(self, family: str) -> str:
        """The pretraining tokens of a family."""
        settings = self.config["families"][family]
        parameters = {
            "kind": "pretraining",
            "languages": settings["languages"],
            "seed": STREAM_SEED,
            "validation_share": settings["validation_share"],
        }
        if mixture := settings.get("mixture"):
            parameters["shares"] = [mixture["shares"][each] for each in settings["languages"]]
            if mixture["tokens"] is not None:
                parameters["tokens"] = int(mixture["tokens"])
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
