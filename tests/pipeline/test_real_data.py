"""The paper's data, from the places where they are to token arrays: fetched, locked, read, encoded.

A local server stands for the internet; its files are small, in the original layouts.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from finescale.study.files import plan_file
from tests.pipeline.conftest import Checkout, Run
from tests.pipeline.internet import C4_SHARDS, served, write_internet

pytestmark = pytest.mark.slow

MEASURED = ("sha256", "md5", "size", "records")  # of the originals


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("internet")
    write_internet(folder)
    with served(folder) as address, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_ENDPOINT", f"{address}/huggingface.co")
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.delenv("HF_HUB_OFFLINE", raising=False)
        yield address


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory, internet: str) -> Checkout:
    """A checkout whose sources are at the local server, and whose paper study is small."""
    checkout = Checkout(tmp_path_factory.mktemp("paper") / "checkout")
    redirect(checkout.folder / "config/sources.yaml", internet)
    checkout.edit_config(shrink, "paper")
    return checkout


@pytest.fixture(scope="module")
def prepared(paper: Checkout) -> tuple[Checkout, Run]:
    """The checkout with everything that comes before training."""
    locked = paper.finescale("sources", "--lock", "--config", "config/paper.yaml")
    assert locked.returncode == 0, locked.stderr
    return paper, paper.snakemake(*targets(paper), config="paper")


def redirect(sources: Path, address: str) -> None:
    """Take other pins away, and have every URL start at the local server."""
    entries = yaml.safe_load(sources.read_text())
    for entry in entries.values():
        if "url" in entry:
            for key in MEASURED:
                entry.pop(key, None)
            entry["url"] = re.sub(r"^https?://", f"{address}/", entry["url"])
            entry.pop("mirrors", None)
    sources.write_text(yaml.safe_dump(entries, sort_keys=False))


def shrink(config: dict[str, Any]) -> None:
    for text in config["text"].values():
        text["raw"] = [f"{name.partition(':')[0]}:0-{C4_SHARDS - 1}" for name in text["raw"]]
    for family in config["families"].values():
        family["tokenizer"] = {"vocab_size": 1500, "documents": 200}
        family["validation_share"] = 0.05
    for task in config["tasks"].values():
        generation = task["generation"]
        generation["metrics"] = [each for each in generation["metrics"] if each != "bleurt"]
        if generation["score"] == "bleurt":
            generation["score"] = "chrf"
    config["generation"].pop("bleurt")


def targets(checkout: Checkout) -> list[str]:
    plan = plan_file(checkout.folder / "config/paper.yaml", checkout.folder)
    return [
        f"results/store/{recipe.stage}/{recipe.digest[:20]}/artifact.json"
        for recipe in plan.recipes.values()
        if recipe.stage in ("tokens", "card")
    ]


def stats(checkout: Checkout, stage: str, label: str) -> dict[str, Any]:
    return checkout.artifact(stage, label).json("stats.json")


def test_a_run_before_the_lock_is_refused_at_once(checkout):
    checkout.edit_config(shrink, "paper")
    wanted = targets(checkout)
    planned = checkout.snakemake("-n", *wanted, config="paper")
    assert planned.status == 0, planned.log
    run = checkout.snakemake(*wanted, config="paper")
    assert run.status != 0
    assert not run.finished
    assert "finescale sources --lock" in run.log
    assert "newstest2013" in run.log


def test_everything_before_training_is_made(prepared):
    checkout, run = prepared
    assert run.status == 0, run.log
    checkout.assert_sound()
    lock = json.loads((checkout.folder / "config/sources.lock.json").read_text())
    assert all(re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in lock.values())


def test_pairs_with_an_empty_side_are_counted(prepared):
    checkout, _ = prepared
    counts = stats(checkout, "corpus", "wmt14-en-de train+dev")
    assert counts["train"] == {"read": 123, "empty": 3, "kept": 120}
    assert counts["dev"]["kept"] == 20


def test_the_test_sets_are_the_reference_translations(prepared):
    checkout, _ = prepared
    train = checkout.artifact("corpus", "wmt14-en-de train+dev").file("train.jsonl")
    known = {json.loads(line)["target"] for line in train.read_text().splitlines()}
    for year in (2020, 2021, 2022):
        corpus = checkout.artifact("corpus", f"wmt14-en-de test newstest{year}")
        records = [json.loads(line) for line in corpus.file("test.jsonl").read_text().splitlines()]
        assert len(records) == 20
        assert {record["target"] for record in records} <= known


@pytest.mark.parametrize(("source", "target"), [("fr", "de"), ("hi", "zh"), ("de", "zh")])
def test_flores_lines_are_aligned_in_every_pair(prepared, source, target):
    checkout, _ = prepared
    task = {"de": "wmt14-en-de", "zh": "wmt19-en-zh"}[target]
    corpus = checkout.artifact("corpus", f"{task} zero-shot {source}-{target}")
    records = [json.loads(line) for line in corpus.file("test.jsonl").read_text().splitlines()]
    assert len(records) == 12
    for record in records:
        assert record["source"].split()[1] == record["target"].split()[1]
        assert (record["source_language"], record["target_language"]) == (source, target)


def test_summaries_of_four_languages_are_joined(prepared):
    checkout, _ = prepared
    corpus = checkout.artifact("corpus", "mlsum train+dev")
    lines = corpus.file("train.jsonl").read_text().splitlines()
    languages = [json.loads(line)["target_language"] for line in lines]
    assert {each: languages.count(each) for each in set(languages)} == dict.fromkeys(
        ("de", "es", "fr"), 30
    ) | {"en": 36}


def test_the_pretraining_stream_holds_the_languages_in_their_shares(prepared):
    checkout, _ = prepared
    stream = checkout.artifact("tokens", "en-de pretraining stream")
    config = yaml.safe_load((checkout.folder / "config/paper.yaml").read_text())
    shares = config["families"]["en-de"]["mixture"]["shares"]
    used = {
        language: counts["tokens"]
        for language, counts in stream.json("stats.json")["languages"].items()
    }
    total = sum(used.values())
    assert {each: round(used[each] / total, 1) for each in used} == shares


def test_every_task_has_a_card(prepared):
    checkout, _ = prepared
    cards = {item.label: item.json("card.json") for item in checkout.store.artifacts("card")}
    assert set(cards) == {"wmt14-en-de", "wmt19-en-zh", "mlsum"}
