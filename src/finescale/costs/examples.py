"""How many examples a job reads, and how long they are, as far as that is known before it runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from finescale.store import MANIFEST, Recipe, Store
from finescale.study.data import UNPINNED
from finescale.study.plan import Plan
from finescale.study.sources import Sources

ASSUMED = 2000  # examples of a dev or test set whose size nobody declared
PADDING = 1.1  # ids of a training batch for each id of its rows, as length buckets leave it


@dataclass(frozen=True)
class Split:
    """The examples of one split: how many, and how many tokens a source and a target have."""

    examples: int
    source: float
    target: float

    @property
    def row(self) -> float:
        """Ids of a row: begin, source, separator, target."""
        return self.source + self.target + 2


@dataclass
class Basis:
    """What estimates rest on: labels of data sets, for the reader of a table."""

    measured: set[str] = field(default_factory=set)  # lengths counted in the store
    bounded: set[str] = field(default_factory=set)  # lengths as the config limits them
    assumed: set[str] = field(default_factory=set)  # of unknown size
    sizes: set[str] = field(default_factory=set)  # of models whose dimensions nobody gave


class Examples:
    """The splits of a plan's tokens artifacts.

    A complete artifact in the store says exactly how many examples there are and how long; else the
    counts are those that config/sources.yaml declares, and the lengths are at their limits.
    """

    def __init__(self, plan: Plan, sources: Sources, store: Store | None) -> None:
        self.plan, self.sources, self.store = plan, sources, store
        self.basis = Basis()
        self._splits: dict[str, dict[str, Split]] = {}
        self._counts: dict[str, int] = {}

    def splits(self, reference: str) -> dict[str, Split]:
        """Every split of a tokens artifact, by name."""
        if reference not in self._splits:
            recipe = self.plan.recipes[reference]
            found = self._measured(reference) or dict(self._limits(recipe))
            self._splits[reference] = found
        return self._splits[reference]

    def of_corpus(self, reference: str) -> Split | None:
        """The encoded examples of a corpus; None where the plan encodes none of them."""
        where = self._encoded.get(reference)
        return self.splits(where[0])[where[1]] if where else None

    def count(self, corpus: str, split: str) -> int:
        """Examples in a split of a corpus."""
        encoded = self._encoded.get(corpus)
        if encoded and (measured := self._measured(encoded[0])):
            return measured[encoded[1]].examples
        return self._declared(corpus, split)

    def _measured(self, reference: str) -> dict[str, Split] | None:
        if self.store is None or not (self.store.folder(reference) / MANIFEST).exists():
            return None
        self.basis.measured.add(self.plan.labels[reference])
        counts = self.store.open(reference).json("stats.json")
        return {
            name: Split(
                split["examples"],
                split["source_tokens"] / max(1, split["examples"]),
                split["target_tokens"] / max(1, split["examples"]),
            )
            for name, split in counts.items()
        }

    def _limits(self, recipe: Recipe) -> Iterator[tuple[str, Split]]:
        self.basis.bounded.add(self.plan.labels[recipe.reference])
        source, target = (recipe.parameters[f"max_{end}_tokens"] for end in ("source", "target"))
        for name, corpus in zip(
            recipe.parameters["splits"], recipe.inputs["examples"], strict=True
        ):
            yield name, Split(self._declared(corpus, name), source, target)

    def _declared(self, corpus: str, split: str) -> int:
        """What sources.yaml says of the raw files of a split; a test set's role is `test`.

        Of training examples a run knows itself how many it takes.
        """
        roles = self.plan.recipes[corpus].inputs
        raw = roles[split if split in roles else "test"]
        return sum(self._records(source, 0 if split == "train" else ASSUMED) for source in raw)

    def _records(self, source: str, otherwise: int) -> int:
        if source not in self._counts:
            label = self.plan.labels[source]
            records = self.sources.pin(label.removesuffix(UNPINNED)).records
            if records is None and otherwise:
                self.basis.assumed.add(label)
            self._counts[source] = otherwise if records is None else records
        return self._counts[source]

    @cached_property
    def _encoded(self) -> dict[str, tuple[str, str]]:
        """The tokens artifact and the split of every corpus of test examples."""
        found = {}
        for reference, recipe in self.plan.recipes.items():
            if recipe.stage == "tokens" and recipe.parameters["kind"] == "examples":
                corpora = recipe.inputs["examples"]
                for name, corpus in zip(recipe.parameters["splits"], corpora, strict=True):
                    found[corpus] = reference, name
        return found
