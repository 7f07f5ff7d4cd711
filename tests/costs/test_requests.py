"""What jobs ask a cluster for."""

import math
from pathlib import Path

import pytest
import yaml

from finescale.costs import Costs, read_hardware
from finescale.costs.job import JobCost
from finescale.costs.requests import MOST_RETRIES, resources, retries


def first(costs, stage, size=None, method=None):
    """The first recipe of a stage, of a model size and a method."""
    for recipe in costs.plan.recipes.values():
        right_size = size is None or (recipe.stage == stage and costs.size(recipe) == size)
        right_method = method in (None, recipe.parameters.get("method"))
        if recipe.stage == stage and right_size and right_method:
            return recipe
    raise LookupError(stage, size, method)


@pytest.fixture
def site(monkeypatch, tmp_path):
    """Another cluster: its settings, changed."""

    def change(**settings):
        path = tmp_path / "site.yaml"
        path.write_text(yaml.safe_dump({"gpu": "h100"} | settings))
        monkeypatch.setenv("FINESCALE_SITE", str(path))

    return change


def test_smoke_asks_for_little(costs, config):
    costs = costs(config("smoke"))
    stages = ("corpus", "tokenizer", "tokens", "card", "pretrain", "finetune", "generate")
    for stage in stages:
        asked = resources(first(costs, stage), costs, attempt=1)
        assert asked["cpus_per_task"] == 1
        assert 2000 <= asked["mem_mb"] <= 6000
        assert asked["runtime"] == 30
        assert asked["slurm_extra"].startswith("--signal=TERM@18")
        assert not {"gpu", "gres", "mpi", "nodes", "slurm_partition", "slurm_account"} & set(asked)


def test_a_card_has_time_to_read_its_corpora(costs, config):
    costs = costs(config("smoke"))
    recipe = first(costs, "card")
    sizes = {"corpus": 25_000_000_000, "tokens": 10**12}
    costs.of = lambda each: JobCost(disk_bytes=sizes.get(each.stage, 1))
    corpora = [item for item in recipe.input_references() if item.startswith("corpus/")]
    minutes = 1.5 * len(corpora) * 25_000_000_000 / 1e6 / 60
    asked = resources(recipe, costs, attempt=1)["runtime"]
    assert asked == min(math.ceil(minutes), 60 * costs.hardware.site.queue_limit_hours)


def test_one_gpu(costs, config):
    costs = costs(config("paper"))
    asked = resources(first(costs, "finetune", "1B", "lora"), costs, attempt=1)
    assert (asked["gpu"], asked["nodes"], asked["cpus_per_task"]) == (1, 1, 8)
    assert not {"gres", "mpi", "tasks", "tasks_per_node"} & set(asked)


def test_two_nodes(costs, config):
    costs = costs(config("paper"))
    asked = resources(first(costs, "pretrain", "16B"), costs, attempt=1)
    assert (asked["gpu"], asked["nodes"], asked["tasks_per_node"], asked["mpi"]) == (
        16,
        2,
        8,
        "srun",
    )
    assert "tasks" not in asked and asked["tasks_per_gpu"] == 0


def test_gres_is_asked_for_by_node_and_the_site_is_named(costs, config, site):
    site(gpu_resource="gres", partitions={"gpu": "fast", "cpu": "slow"}, account="lab")
    costs = costs(config("paper"))
    pretraining = resources(first(costs, "pretrain", "16B"), costs, attempt=1)
    assert pretraining["gres"] == "gpu:8" and "gpu" not in pretraining
    assert (pretraining["slurm_partition"], pretraining["slurm_account"]) == ("fast", "lab")
    assert resources(first(costs, "corpus"), costs, attempt=1)["slurm_partition"] == "slow"


def test_memory_and_time_grow_with_the_attempt_up_to_what_there_is(costs, config, site):
    site(host_memory_gib=6, queue_limit_hours=1.25)
    costs = costs(config("smoke"))
    recipe = first(costs, "finetune")
    asked = [resources(recipe, costs, attempt) for attempt in (1, 2, 3, 4)]
    memory = [each["mem_mb"] for each in asked]
    assert memory[1] == pytest.approx(1.5 * memory[0], abs=1)
    assert memory[2:] == [round(6 * 2**30 / 1e6 + 0.5)] * 2
    assert [each["runtime"] for each in asked] == [30, 60, 75, 75]


def test_memory_is_never_cut_below_what_the_first_attempt_needs(costs, config, site):
    site(host_memory_gib=1)
    costs = costs(config("smoke"))
    recipe = first(costs, "finetune")
    assert resources(recipe, costs, 2)["mem_mb"] >= 2000


def test_a_short_job_is_warned_in_its_last_quarter(costs, config, site):
    site(queue_limit_hours=1 / 60)
    costs = costs(config("smoke"))
    asked = resources(first(costs, "pretrain"), costs, 1)
    assert (asked["runtime"], asked["slurm_extra"]) == (1, "--signal=TERM@15")


def test_a_large_model_is_warned_in_time_to_save_it_twice(costs, config):
    costs = costs(config("paper"))
    recipe = first(costs, "finetune", "16B", "fmt")
    seconds = int(resources(recipe, costs, 1)["slurm_extra"].rpartition("@")[2])
    assert seconds >= 180 + 2 * costs.of(recipe).unfinished_bytes / 5e8


def test_retries_follow_the_hours_and_the_limit(costs, config, site):
    few = retries(first(costs(config("smoke")), "finetune"), costs(config("smoke")))
    assert few == 2
    large = costs(config("paper"))
    recipe = first(large, "pretrain", "1B")
    hours = 1.5 * large.of(recipe).wall_hours
    site(queue_limit_hours=hours / 3.5)
    limited = costs_on(large)
    assert retries(recipe, limited) == 3 + 2
    site(queue_limit_hours=hours / 1000)
    assert retries(recipe, costs_on(large)) == MOST_RETRIES


def costs_on(costs):
    """The same plan's costs on the cluster that the environment names now."""
    hardware = read_hardware(costs.hardware.config, Path(__file__).parents[2])
    return Costs(costs.plan, hardware, costs.examples.sources)
