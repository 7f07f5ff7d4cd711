"""The data card of a task: what every split and test set is, and the overlap between them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finescale.cards.overlap import NEAR, NGRAM, HeldOut
from finescale.cards.statistics import Statistics, compared_example, summary_of
from finescale.corpora import read_examples
from finescale.store import Artifact, Job
from finescale.tokens import stored_examples
from finescale.tokens.arrays import Ragged

SAMPLES = {"train": 4}
OTHER_SAMPLES = 2  # of each other set
ENDS = ("source", "target")
ROWS = 1 << 20  # of an array whose lengths are counted at a time


@dataclass(frozen=True)
class Part:
    """A split or a test set: what the recipe says of it, its records, its tokens if encoded."""

    about: Mapping[str, Any]  # name, kind, raw files
    corpus: Artifact
    split: str  # what its records are called in the corpus
    tokens: Artifact | None

    @property
    def kind(self) -> str:
        """`train`, `dev`, or the kind of a test set."""
        return self.about["kind"]

    def records(self) -> Iterator[dict[str, str]]:
        """Its examples, one after the other."""
        return read_examples(self.corpus.file(f"{self.split}.jsonl"))


def make_card(job: Job) -> dict[str, Any]:
    """Everything that a card says, from the artifacts of the job. Each corpus is read once, but
    for the dev set, which is held out from training and holds test examples itself."""
    parts = list(_parts(job))
    training, held_out = parts[0], parts[1:]
    statistics = [Statistics(SAMPLES.get(part.kind, OTHER_SAMPLES)) for part in parts]
    index = HeldOut()
    for part, own in zip(held_out, statistics[1:], strict=True):
        index.add(own.watch(part.records()))
    in_train = index.against(statistics[0].watch(training.records()))
    in_dev = index.against(map(compared_example, held_out[0].records()))
    overlaps = [{}, {"train": asdict(in_train[0])}] + [
        {"train": asdict(train), "dev": asdict(dev)}
        for train, dev in zip(in_train[1:], in_dev[1:], strict=True)
    ]
    form = job.input("train_tokens").recipe.parameters
    return {
        "task": job.parameters["task"],
        "title": job.parameters["title"],
        "template": form["template"],
        "most_tokens": {end: form[f"max_{end}_tokens"] for end in ENDS},
        "overlap_rule": {"ngram": NGRAM, "near": NEAR},
        "sets": [
            _describe(part, own, overlap)
            for part, own, overlap in zip(parts, statistics, overlaps, strict=True)
        ],
    }


def _parts(job: Job) -> Iterator[Part]:
    """Train, dev and all test sets, in this order."""
    corpora = {kind: iter(job.inputs(kind)) for kind in job.recipe.inputs}
    training, tokens = job.input("train"), job.input("train_tokens")
    for about in job.parameters["sets"]:
        kind = about["kind"]
        if kind in ("train", "dev"):
            yield Part(about, training, kind, tokens)
        else:
            encoded = job.input(f"{kind}_tokens") if f"{kind}_tokens" in corpora else None
            yield Part(about, next(corpora[kind]), "test", encoded)


def _describe(part: Part, statistics: Statistics, overlap: Mapping[str, Any]) -> dict[str, Any]:
    summary = statistics.summary()
    if part.tokens:
        for end, more in _tokens(part.tokens, part.about["name"]).items():
            summary[end] |= more
    return {
        **part.about,
        **summary,
        "cleaning": _cleaning(part),
        "overlap": dict(overlap),
        "samples": statistics.samples(),
    }


def _tokens(artifact: Artifact, split: str) -> dict[str, dict[str, Any]]:
    """Lengths in tokens as models see them, and how many texts had to be cut for it."""
    examples, counts = stored_examples(artifact, split), artifact.json("stats.json")[split]
    rows = {"source": examples.sources, "target": examples.targets}
    return {
        end: {"tokens": summary_of(_lengths(rows[end])), "cut": counts[f"cut_{end}s"]}
        for end in ENDS
    }


def _lengths(rows: Ragged) -> Counter[int]:
    """How often each length of a row occurs, counted part by part to save memory."""
    found: Counter[int] = Counter()
    for start in range(0, len(rows), ROWS):
        lengths = np.diff(rows.offsets[start : start + ROWS + 1])
        values, times = np.unique(lengths, return_counts=True)
        found.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
    return found


def _cleaning(part: Part) -> dict[str, int] | None:
    """What became of the raw records, where the corpus counted it."""
    names = [entry["name"] for entry in part.corpus.manifest["files"]]
    if "stats.json" not in names:
        return None
    return part.corpus.json("stats.json").get(part.split)
