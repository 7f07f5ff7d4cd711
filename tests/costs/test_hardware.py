"""The hardware section of a config, GPU kinds and site settings: read well, mistakes explained."""

import pytest
import yaml

from finescale.costs.hardware import read_gpus, read_hardware, read_site
from finescale.errors import UserError
from finescale.study.config import complete_config
from finescale.study.hardware import TABLES, TrainingHardware, training_hardware


def completed(root, config):
    return complete_config(config, root / "workflow/schemas/config.schema.yaml", "config")


def test_a_study_without_the_section_trains_on_one_cpu(root, config):
    study = completed(root, config("demo"))
    assert study["hardware"]["accelerator"] == "cpu"
    for kind in ("pretraining", "fmt", "lora", "prompt"):
        assert training_hardware(study, kind, "S") == TrainingHardware()


def test_the_schema_and_the_code_have_the_same_defaults(root, config):
    study = config("demo") | {"hardware": {"training": {"S": {}}}}
    assert completed(root, study)["hardware"]["training"]["S"] == vars(TrainingHardware())


def test_a_kind_of_run_comes_before_training_and_a_size_before_the_default(root, config):
    tables = {
        "training": {"default": {"devices": 2}, "8B": {"devices": 3}},
        "lora": {"default": {"devices": 4}, "16B": {"devices": 5}},
    }
    study = completed(root, config("paper") | {"hardware": tables})
    devices = {
        (kind, size): training_hardware(study, kind, size).devices
        for kind in ("fmt", "lora")
        for size in ("1B", "8B", "16B")
    }
    assert devices == {
        ("fmt", "1B"): 2,
        ("fmt", "8B"): 3,
        ("fmt", "16B"): 2,
        ("lora", "1B"): 4,
        ("lora", "8B"): 4,
        ("lora", "16B"): 5,
    }


def test_hardware_changes_no_digest(config, plan):
    study = config("paper")
    bare = {key: value for key, value in study.items() if key != "hardware"}
    assert study["hardware"]["accelerator"] == "gpu"
    assert plan(study).recipes.keys() == plan(bare).recipes.keys()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"training": {"3B": {}}}, "`hardware.training.3B`: `model_sizes` has no `3B`"),
        (
            {"lora": {"16b": {}}},
            "`hardware.lora.16b`: `model_sizes` has no `16b`; did you mean `16B`?",
        ),
        (
            {"training": {"8B": {"devices": 6, "nodes": 4}}},
            "`hardware.training.8B.devices`: 6 devices cannot be spread evenly over 4 nodes",
        ),
        (
            {"fmt": {"8B": {"strategy": "fsdp"}}},
            "`hardware.fmt.8B.strategy`: fsdp shares a model over devices, this run has 1; use ddp",
        ),
        (
            {"training": {"16B": {"devices": 32}}},
            "`hardware.training.16B.devices`: 32 devices cannot share a batch of 16 "
            "(`methods.lora.batch_examples`); give `hardware.lora` fewer",
        ),
        ({"training": {"8B": {"device": 2}}}, "unknown key `device`; did you mean `devices`?"),
        ({"accelerator": "tpu"}, "`hardware.accelerator`: 'tpu' is not one of: cpu, gpu"),
        ({"training": {"8B": {"strategy": "zero"}}}, "'zero' is not one of: ddp, fsdp"),
        ({"training": {"8B": {"micro_batch_tokens": "8k"}}}, "'8k' is text, a number (or null)"),
    ],
)
def test_a_mistake_names_the_key_and_the_remedy(config, plan, section, message):
    with pytest.raises(UserError) as error:
        plan(config("paper") | {"hardware": section})
    assert message in str(error.value)


def test_the_smallest_batch_of_a_task_or_of_the_search_counts(config, plan):
    study = config("paper")
    study["hardware"] = {"fmt": {"1B": {"devices": 16}}, "lora": {"1B": {"devices": 8}}}
    plan(study)
    study["tasks"]["mlsum"]["methods"] = {"fmt": {"batch_examples": 8}}
    study["search"] = {
        "task": "mlsum",
        "finetuning_examples": 1000,
        "methods": {"lora": {"learning_rate": [0.1], "batch_examples": [4, 64]}},
    }
    with pytest.raises(UserError) as error:
        plan(study)
    assert "a batch of 8 (`tasks.mlsum.methods.fmt.batch_examples`)" in str(error.value)
    assert "a batch of 4 (`search.methods.lora.batch_examples`)" in str(error.value)


def test_the_shipped_files_are_whole(root, config):
    kinds, utilisation = read_gpus(root)
    assert {"a100-40", "a100-80", "h100", "h200", "l40s"} <= kinds.keys()
    assert all(kind.bf16_tflops > kind.fp32_tflops for kind in kinds.values())
    assert 0 < utilisation.training <= 1
    assert read_site(root).gpu in kinds
    assert read_hardware(completed(root, config("paper")), root).gpu.name == read_site(root).gpu


def test_another_site_file_can_be_named(root, tmp_path, monkeypatch):
    mine = tmp_path / "mine.yaml"
    mine.write_text("gpu: a100-40\ngpus_per_node: 4\n")
    monkeypatch.setenv("FINESCALE_SITE", str(mine))
    site = read_site(root)
    assert (site.gpu, site.gpus_per_node, site.gpu_resource) == ("a100-40", 4, "gpu")
    assert site.partitions == {"gpu": None, "cpu": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"gpu": "h10"}, "no `h10`; did you mean `h100`?"),
        ({"gpus": 8}, "missing key gpu"),
        ({"gpu": "h100", "gpu_per_node": 8}, "unknown key `gpu_per_node`; did you mean"),
        ({"gpu": "h100", "gpu_resource": "gpus"}, "'gpus' is not one of: gpu, gres"),
    ],
)
def test_a_mistake_in_the_site_file_is_explained(
    root, config, tmp_path, monkeypatch, content, message
):
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("FINESCALE_SITE", str(mine))
    with pytest.raises(UserError) as error:
        read_hardware(completed(root, config("demo")), root)
    assert str(mine) in str(error.value)
    assert message in str(error.value)


def test_a_site_file_that_is_not_there_is_named(root, tmp_path, monkeypatch):
    monkeypatch.setenv("FINESCALE_SITE", str(tmp_path / "none.yaml"))
    with pytest.raises(UserError, match=r"none\.yaml: no such config file"):
        read_site(root)


def test_every_table_of_the_schema_is_checked(root):
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())
    assert {*schema["$defs"]["hardware"]["properties"]} == {"accelerator", *TABLES}


def test_links_between_nodes_are_the_slower_ones(root, config):
    hardware = read_hardware(completed(root, config("paper")), root, "h100")
    assert hardware.link_bytes(2) < hardware.link_bytes(1)
    plain = read_hardware(completed(root, config("paper")), root, "l40s")
    assert plain.link_bytes(2) == plain.link_bytes(1)  # slower than the network
