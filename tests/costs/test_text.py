"""How many processes text is worth, and what that asks a cluster for."""

import pytest
import yaml

from finescale.costs.requests import resources, retries
from finescale.costs.text import WORKER_BYTES, workers
from finescale.store import Recipe
from finescale.study.plan import Plan


@pytest.fixture
def small():
    """A plan to which corpora of raw files of given sizes are added, and what encodes them."""
    plan = Plan("small")

    def add(*sizes):
        raw = [
            plan.add("source", f"raw {k}", {"sha256": f"{k}", "size": size}, {})
            for k, size in enumerate(sizes)
        ]
        splits = {"text": {"readings": [{}]}}
        corpus = plan.add("corpus", "text", {"splits": splits}, {"text": raw})
        tokenizer = plan.add("tokenizer", "tokenizer", {"vocab_size": 9}, {"text": [corpus]})
        inputs = {"tokenizer": [tokenizer], "text": [corpus]}
        tokens = plan.add("tokens", "stream", {"kind": "pretraining"}, inputs)
        return plan, [plan.recipes[item] for item in (corpus, tokenizer, tokens)]

    return add


@pytest.mark.parametrize(
    ("sizes", "reading", "encoding"),
    [
        ([1000] * 40, 1, 1),
        ([WORKER_BYTES], 1, 1),
        ([WORKER_BYTES, 1], 2, 2),
        ([WORKER_BYTES] * 7, 7, 7),
        ([9 * WORKER_BYTES, 1], 2, 10),
        ([None] * 5, 5, 5),
    ],
)
def test_a_worker_for_each_quarter_of_a_gigabyte(small, sizes, reading, encoding):
    plan, (corpus, tokenizer, tokens) = small(*sizes)
    assert workers(corpus, plan) == reading
    assert workers(tokens, plan) == encoding
    assert workers(tokenizer, plan) == 1


def test_nothing_in_the_shipped_small_studies_takes_more_than_a_core(plan, config):
    for name in ("smoke", "demo"):
        study = plan(config(name))
        assert {workers(recipe, study) for recipe in study.recipes.values()} == {1}


def large(costs):
    """The encoding of the paper's study that has most to do."""
    found = (recipe for recipe in costs.plan.recipes.values() if recipe.stage == "tokens")
    return max(found, key=lambda recipe: workers(recipe, costs.plan))


def test_a_large_job_asks_for_the_sites_cores_and_less_time(costs, config, monkeypatch, tmp_path):
    asked = {}
    for cpus in (1, 8):
        site = tmp_path / f"{cpus}.yaml"
        settings = {"gpu": "h100", "text_cpus": cpus, "queue_limit_hours": 1e6}
        site.write_text(yaml.safe_dump(settings))
        monkeypatch.setenv("FINESCALE_SITE", str(site))
        here = costs(config("paper"))
        asked[cpus] = resources(large(here), here, attempt=1)
        assert retries(large(here), here) == 2
    assert (asked[1]["cpus_per_task"], asked[8]["cpus_per_task"]) == (1, 8)
    assert asked[1]["runtime"] == pytest.approx(8 * asked[8]["runtime"], abs=8)
    assert asked[8]["mem_mb"] == asked[1]["mem_mb"] + 7 * 300


def test_other_stages_take_one_core():
    assert workers(Recipe("score", 1, {}, {}), Plan("empty")) == 1
