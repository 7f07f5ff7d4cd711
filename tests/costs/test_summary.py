"""The cost of whole studies, and what does not fit."""

import math
import re
import time

import pytest

from finescale.costs import summarize
from finescale.costs.summary import Total
from finescale.store import Store
from finescale.store.publishing import publish, scratch_folder

TASK = "wmt14-en-de"


def of_stage(costs, stage, label=""):
    plan = costs.plan
    return [
        recipe
        for reference, recipe in plan.recipes.items()
        if recipe.stage == stage and label in plan.labels[reference]
    ]


@pytest.fixture(scope="session")
def nowhere(tmp_path_factory):
    return tmp_path_factory.mktemp("empty") / "store"


def put(store, recipe, label=""):
    with scratch_folder(store, recipe) as scratch:
        (scratch / "file").write_text("made")
        publish(store, recipe, scratch, [], {"label": label})


def test_the_paper_s_jobs_are_counted_and_fit_on_gpus_of_80_gb(config, costs, nowhere):
    summary = summarize(costs(config("paper"), "h100"), nowhere, gpus=64)
    jobs = {stage: total.jobs for stage, total in summary.stages.items()}
    assert (jobs["pretrain"], jobs["finetune"], jobs["generate"]) == (19, 3819, 9236)
    assert summary.total.jobs == summary.total.to_do == sum(jobs.values()) == 16262
    assert summary.total.complete == 0
    assert summary.misfits == []
    assert 0 < summary.light_bytes < 0.1 * summary.total.disk_bytes
    assert summary.total.device_memory_bytes < 73 * 2**30
    for total in (summary.total, *summary.runs.values()):
        assert all(math.isfinite(value) and value > 0 for value in vars(total).values() if value)
        assert total.flops > 0 < total.gpu_hours
    assert not summarize(costs(config("paper"), "a100-80"), nowhere, gpus=64).misfits


def test_pretraining_is_six_flops_a_parameter_and_token(config, costs, nowhere):
    """Kaplan's rule is without attention; losses are at fewer positions than there are tokens."""
    summary = summarize(costs(config("paper")), nowhere, gpus=64)
    flops = summary.runs["pretrain", "16B", ""].flops
    assert flops == pytest.approx(6 * 16.1e9 * (283e9 + 206e9), rel=0.06)


def test_checkpoints_of_a_schedule_cost_as_much_as_its_last_one_alone(config, costs):
    shared = costs(config("paper"))
    own = config("paper")
    own["pretraining"]["schedule"] = "own"
    alone = costs(own)
    label = "en-de 1B, "
    shared_flops = [shared.of(recipe).flops for recipe in of_stage(shared, "pretrain", label)]
    alone_flops = [alone.of(recipe).flops for recipe in of_stage(alone, "pretrain", label)]
    assert len(shared_flops) == len(alone_flops) == 5
    assert sum(shared_flops) == pytest.approx(max(alone_flops), rel=0.01)
    assert sum(alone_flops) > 2 * sum(shared_flops)


def test_the_cost_of_a_large_plan_takes_little_time(config, costs, nowhere):
    of = costs(config("paper"))
    start = time.process_time()
    summarize(of, nowhere, gpus=64)
    assert time.process_time() - start < 2
    start = time.process_time()
    for recipe in of.plan.recipes.values():
        of.of(recipe)
    assert time.process_time() - start < 0.7  # known shapes


def test_what_the_store_has_is_not_to_do(config, costs, tmp_path):
    of, store = costs(config("smoke")), Store(tmp_path / "store")
    before = summarize(of, store.root, gpus=2)
    for recipe in of_stage(of, "pretrain"):
        put(store, recipe)
    after = summarize(of, store.root, gpus=2)
    assert after.stages["pretrain"].complete == before.stages["pretrain"].to_do == 5
    assert after.stages["pretrain"].to_do == after.stages["pretrain"].flops == 0
    assert after.stages["finetune"] == before.stages["finetune"]
    assert after.total.flops < before.total.flops


def test_what_only_complete_artifacts_need_is_not_to_do(config, costs, tmp_path):
    """Snakemake makes what its targets need: figures that are there need nothing."""
    of, store = costs(config("smoke")), Store(tmp_path / "store")
    for view in of.plan.views:
        put(store, of.plan.recipes[view.reference])
    summary = summarize(of, store.root, gpus=2)
    assert summary.total.to_do == 0
    assert summary.total.wall_hours == summary.total.gpu_hours == 0
    assert summary.runs == {}


def test_time_is_bound_by_the_gpus_or_by_the_longest_chain(config, costs, nowhere):
    of = costs(config("paper"))
    few, many = (summarize(of, nowhere, gpus=gpus).total for gpus in (64, 10**6))
    assert few.gpu_hours == many.gpu_hours
    assert few.wall_hours == pytest.approx(few.gpu_hours / 64)
    slowest = max(of.of(recipe).wall_hours for recipe in of_stage(of, "pretrain", "16B"))
    assert slowest < many.wall_hours < 3 * slowest


def test_stages_add_up(config, costs, nowhere):
    summary = summarize(costs(config("demo")), nowhere, gpus=4)
    for name in vars(Total()):
        values = [getattr(total, name) for total in summary.stages.values()]
        combine = max if name in ("device_memory_bytes", "longest_hours", "devices") else sum
        if name != "wall_hours":
            assert getattr(summary.total, name) == pytest.approx(combine(values))


def test_a_model_that_does_not_fit_is_named_with_settings_that_fit(config, costs, nowhere):
    study = config("paper")
    study["hardware"] = {"accelerator": "gpu"}
    summary = summarize(costs(study), nowhere, gpus=64)
    found = {misfit.job: misfit for misfit in summary.misfits}
    assert {"pretraining of 1B", "fmt of 16B", "lora of 16B"} <= found.keys()
    assert re.search(r"GiB on each device, of the h100's 79.1 GiB 72.8", found["fmt of 16B"].reason)
    study["hardware"] |= settings_of(summary.misfits)
    assert summarize(costs(study), nowhere, gpus=64).misfits == []


def settings_of(misfits):
    """The settings that remedies tell, as a hardware section has them."""
    section = {}
    for misfit in misfits:
        kind, size = re.search(r"in `hardware\.(\w+)\.(\w+)`", misfit.remedy).groups()
        pairs = re.findall(r"`(\w+): (\w+)`", misfit.remedy)
        values = {key: {"true": True, "fsdp": "fsdp"}.get(text) or int(text) for key, text in pairs}
        section.setdefault(kind, {})[size] = values
    return section


def test_what_a_cluster_does_not_have_is_said(config, costs, nowhere):
    study = config("paper")
    study["hardware"]["pretraining"] = {"16B": {"devices": 16, "strategy": "fsdp"}}
    (misfit,) = [
        found
        for found in summarize(costs(study), nowhere, gpus=64).misfits
        if found.job == "pretraining of 16B"
    ]
    assert misfit.reason == "16 devices a node, the site has 8"
    assert misfit.remedy == "set `nodes: 2` in `hardware.pretraining.16B`"
    few = summarize(costs(study), nowhere, gpus=4)
    assert "it has 8 devices of 4" in {found.reason for found in few.misfits}


def test_generation_that_does_not_fit_needs_another_gpu(config, costs, nowhere):
    summary = summarize(costs(config("paper"), "a100-40"), nowhere, gpus=64)
    found = {misfit.job: misfit.remedy for misfit in summary.misfits}
    assert found["generation by 16B models"] == "take a GPU with more memory"


def test_more_devices_and_checkpointing_trade_memory_for_work(config, costs):
    study = config("paper")
    costs_of = {}
    for name, entry in {
        "plain": {"devices": 8, "strategy": "fsdp"},
        "again": {"devices": 8, "strategy": "fsdp", "activation_checkpointing": True},
        "micro": {"devices": 8, "strategy": "fsdp", "micro_batch_tokens": 2048},
    }.items():
        study["hardware"] = {"accelerator": "gpu", "fmt": {"8B": entry}}
        of = costs(study)
        (recipe, *_) = of_stage(of, "finetune", f"{TASK} fmt on 8B")
        costs_of[name] = of.of(recipe)
    plain, again, micro = costs_of.values()
    assert again.device_memory_bytes < plain.device_memory_bytes > micro.device_memory_bytes
    assert again.gpu_hours > plain.gpu_hours
    assert again.flops == plain.flops == micro.flops


def test_bleurt_is_counted_where_a_task_is_scored_by_it(config, costs):
    of = costs(config("paper"))
    learned = {bool(of.of(recipe).flops) for recipe in of_stage(of, "score", "mlsum")}
    assert learned == {False}
    assert all(of.of(recipe).devices == 1 for recipe in of_stage(of, "score", TASK))
