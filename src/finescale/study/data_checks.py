"""Data sets whose raw files cannot be read as they ask: known before anything is downloaded."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from finescale.study.given import CONFIG
from finescale.study.readings import RECORDS
from finescale.study.sources import Source, Sources

PAIRS = ("lines", "moses", "sgm", "wmt-xml")  # formats of a source and a target side
PLACES = ("{source}", "{target}")
LANGUAGES = {"source_language", "target_language"}
PATTERNS = ("source", "target", "member")  # keys of a reading that may have places
REMEDY = "give the data set `languages: [source, target]`"


def datasets(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every dataset of a config with its key."""
    for language, dataset in config["text"].items():
        yield f"text.{language}", dataset
    for name, task in config["tasks"].items():
        for split in ("train", "dev"):
            yield f"tasks.{name}.{split}", task[split]
        for kind in ("test", "zero_shot", "later_test"):
            for key, dataset in task[kind].items():
                yield f"tasks.{name}.{kind}.{key}", dataset


def data_mistakes(config: Mapping[str, Any], sources: Sources) -> Iterator[str]:
    """One line for each contradiction of a data set with how its raw files are read."""
    for key, dataset in datasets(config):
        documents = key.startswith("text.")
        cleaning = dataset.get("cleaning", {})
        least, most = (cleaning.get(f"{end}_characters") for end in ("min", "max"))
        if least is not None and most is not None and least > most:
            yield f"`{key}.cleaning`: min_characters {least} is more than max_characters {most}"
        # Documents are held against the language that they are declared under.
        has_languages = bool(dataset.get("languages") or (documents and cleaning.get("language")))
        used = dict.fromkeys(raw.partition(":")[0] for raw in dataset["raw"])
        for source in map(sources.__getitem__, used):
            for mistake in _reading_mistakes(source, documents, has_languages):
                yield f"`{key}.raw`: `{source.name}` {mistake}"
        yield from _moses_mistakes(key, dataset["raw"], sources)


def _reading_mistakes(source: Source, documents: bool, has_languages: bool) -> Iterator[str]:
    reading = source.reading
    if reading["format"] == RECORDS["format"]:  # each record says what it is
        if CONFIG in source.files:
            yield f"is a model, its `files` have {CONFIG}; data have a `reading`, or are records"
        return
    sides = _sides(reading)
    wanted = {"text"} if documents else {"source", "target"}
    if not wanted <= sides:
        needed = "pretraining text needs" if documents else "a task needs"
        yield f"is read as {_and(sides)}, {needed} {_and(wanted)}; mend its `reading`"
        return
    if has_languages or "language" in reading:
        return
    patterns = [reading[key] for key in PATTERNS if key in reading]
    columns = reading.get("columns", {})
    for pattern in [*patterns, *columns.values()]:
        if isinstance(pattern, str) and any(place in pattern for place in PLACES):
            yield f"has {pattern!r} in its `reading`, which needs languages: {REMEDY}"
            return
    if not documents and not columns.keys() >= LANGUAGES:
        yield f"does not say its languages: {REMEDY}, or its reading `language`"


def _sides(reading: Mapping[str, Any]) -> set[str]:
    if reading["format"] in PAIRS:
        return {"source", "target"}
    return set(reading.get("columns", ("text",))) & {"source", "target", "text"}


def _and(sides: set[str]) -> str:
    return " and ".join(sorted(sides))


def _moses_mistakes(key: str, raw: Sequence[str], sources: Sources) -> Iterator[str]:
    files = [name for each in raw for name in sources.expand(each)]
    runs = groupby(files, key=lambda name: sources.reading(name)["format"] == "moses")
    for is_moses, names in runs:
        run = list(names)
        if is_moses and len(run) % 2:
            yield (
                f"`{key}.raw`: moses files come in pairs, source then target; `{run[-1]}` is "
                "without its second"
            )
