"""GPUs and several processes, as jobs ask a SLURM cluster for them."""

import subprocess
import sys

import pytest

from tests.pipeline.slurm.studies import FINETUNING, forget, log, losses, on_cluster, planned


def test_a_job_that_sees_no_gpu_fails_at_once(cluster, smoke):
    smoke.edit_config(lambda config: config.update(hardware={"accelerator": "gpu"}))
    target, last = planned(smoke, "finetune", FINETUNING), cluster.last
    forget(smoke, target)
    run = on_cluster(smoke, target)
    assert run.status == 1
    jobs = cluster.since(last)
    assert [job["state"] for job in jobs] == ["FAILED"] * 3, "a short run is tried twice more"
    assert "TresPerJob=gres:gpu:1" in cluster.details(jobs[0]["id"])
    assert "shows no CUDA device" in log(smoke, target), log(smoke, target)


def test_gpus_of_a_cluster_that_knows_only_gres(cluster, smoke):
    smoke.edit_config(lambda config: config.update(hardware={"accelerator": "gpu"}))
    target, last = planned(smoke, "generate", f"test of {FINETUNING}"), cluster.last
    forget(smoke, target)
    assert on_cluster(smoke, "--retries", "0", target, gpu_resource="gres").status == 1
    (job,) = cluster.since(last)
    assert "TresPerNode=gres:gpu:1" in cluster.details(job["id"])
    assert "shows no CUDA device" in log(smoke, target), log(smoke, target)


def test_two_processes_have_the_losses_of_one(cluster, smoke):
    """By srun, as the rule starts them on a cluster, and by torchrun inside of a job."""
    target = planned(smoke, "finetune", FINETUNING)
    one = losses(smoke, target)
    two = {"training": {"default": {"devices": 2, "strategy": "fsdp"}}}
    smoke.edit_config(lambda config: config.update(hardware=two))
    forget(smoke, target)
    run = on_cluster(smoke, target)
    assert run.status == 0, run.log
    assert cluster.jobs()[-1]["comment"] == FINETUNING
    by_srun = losses(smoke, target)
    forget(smoke, target)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = ["workflow/scripts/finetune.py", f"results/recipes/{target.split('/')[3]}.json"]
    job = ["srun", "--ntasks=1", "--cpus-per-task=2", "--mem=8000"]
    subprocess.run([*job, *torchrun, *program], cwd=smoke.folder, check=True, timeout=300)
    for name in ("dev_log_perplexity", "test_log_perplexity"):
        assert by_srun[name] == pytest.approx(one[name], rel=1e-4)
        assert losses(smoke, target)[name] == pytest.approx(one[name], rel=1e-4)
