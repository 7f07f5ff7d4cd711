"""Planning the data cards: one for each task of a study."""

from collections.abc import Iterator, Mapping
from typing import Any

from finescale.study.data import DataPlanner
from finescale.study.plan import Plan, View
from finescale.study.suites import LOSS, SUITES, suites_of

ENCODED = ("test", SUITES[LOSS].kind)  # kinds of test sets whose loss is measured
FILES = ("card.json", "card.md")


def plan_cards(plan: Plan, config: Mapping[str, Any], data: DataPlanner) -> None:
    """Add the card of every task, from what the study reads and encodes anyway, and its views."""
    for name, task in config["tasks"].items():
        reference = _card(plan, task, name, data)
        plan.views += [
            View(f"results/{plan.study}/data/{name}.{file.split('.')[1]}", reference, file)
            for file in FILES
        ]


def _card(plan: Plan, task: Mapping[str, Any], name: str, data: DataPlanner) -> str:
    kinds = list(_kinds(task))
    sets = {("train", "train"): task["train"], ("dev", "dev"): task["dev"]}
    sets |= {(kind, key): dataset for kind in kinds for key, dataset in task[kind].items()}
    parameters = {
        "task": name,
        "title": task["title"],
        "sets": [
            {"name": key, "kind": kind, "raw": [_raw_file(raw, data) for raw in data.raw_files(of)]}
            for (kind, key), of in sets.items()
        ],
    }
    inputs = {"train": [data.training_corpus(name)], "train_tokens": [data.training_examples(name)]}
    for kind in kinds:
        inputs[kind] = [data.test_corpus(name, kind, key) for key in task[kind]]
        if kind in ENCODED:
            inputs[f"{kind}_tokens"] = [data.test_examples(name, kind)]
    return plan.add("card", name, parameters, inputs)


def _kinds(task: Mapping[str, Any]) -> Iterator[str]:
    """The kinds of test sets that the study measures something on."""
    asked = {SUITES[suite].kind for suite in suites_of(task)}
    yield from (kind for kind in ("test", "zero_shot", "later_test") if kind in {"test", *asked})


def _raw_file(raw: str, data: DataPlanner) -> dict[str, Any]:
    pin, file = data.sources.pin(raw), data.sources.file(raw)
    return {
        "name": raw,
        "size": pin.size,
        "records": pin.records,
        "licence": file.licence,
        "purpose": file.purpose,
        "pinned": pin.sha256 is not None,
    }
