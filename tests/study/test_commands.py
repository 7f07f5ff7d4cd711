"""Command lines of the programs that train."""

from pathlib import Path

import pytest

from finescale.study.commands import Commands
from finescale.study.config import load_config
from finescale.study.files import SCHEMA, plan_file

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smoke():
    path = ROOT / "config/smoke.yaml"
    return plan_file(path, ROOT), load_config(path, ROOT / SCHEMA)


def command(smoke, srun=False, stage="finetune", **hardware):
    plan, config = smoke
    section = {**config["hardware"], **hardware}
    commands = Commands(plan, {**config, "hardware": section}, "python", "programs")
    recipe = next(r for r in plan.recipes.values() if r.stage == stage)
    return commands.training(recipe, tasks_by_srun=srun)


def entry(**keys):
    default = {
        "devices": 1,
        "nodes": 1,
        "strategy": "ddp",
        "activation_checkpointing": False,
        "attention": "sdpa",
        "micro_batch_tokens": None,
    }
    return {"default": {**default, **keys}}


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("srun", [False, True])
def test_one_process_is_python_with_the_program(smoke, stage, srun):
    assert command(smoke, srun, stage) == f"python programs/{stage}.py"


def test_several_processes_on_this_machine(smoke):
    assert command(smoke, training=entry(devices=4, nodes=2)) == (
        "python -m torch.distributed.run --standalone --nproc-per-node 4 programs/finetune.py"
    )


def test_several_processes_of_a_slurm_job(smoke):
    assert command(smoke, srun=True, training=entry(devices=4, nodes=2)) == (
        "srun --kill-on-bad-exit=1 --nodes 2 --ntasks 4 python programs/finetune.py"
    )


def test_options_are_those_that_the_programs_have(smoke):
    chosen = entry(activation_checkpointing=True, attention="eager", micro_batch_tokens=512)
    assert command(smoke, accelerator="gpu", training=chosen) == (
        "python programs/finetune.py --accelerator gpu"
        " --activation-checkpointing --attention eager --micro-batch-tokens 512"
    )


def test_a_kind_of_run_has_its_own_hardware(smoke):
    own = entry(devices=2)
    assert "nproc-per-node 2" in command(smoke, fmt=own)
    assert "nproc" not in command(smoke, stage="pretrain", fmt=own)


def test_asking_a_model_knows_the_accelerator_alone(smoke):
    plan, config = smoke
    gpu = {**config, "hardware": {**config["hardware"], "accelerator": "gpu"}}
    assert Commands(plan, config, "python", "p").asking("generate") == "python p/generate.py"
    on_gpu = Commands(plan, gpu, "python", "p").asking("loss")
    assert on_gpu == "python p/loss.py --accelerator gpu"
