"""The smoke study on a SLURM cluster, as a user runs it."""

from collections import Counter

REMOTE = ("corpus", "tokenizer", "tokens", "pretrain", "finetune", "generate")


def test_the_whole_study_runs_on_the_cluster(cluster, checkout):
    run = checkout.snakemake("--profile", "slurm")
    assert run.status == 0, run.log
    checkout.assert_sound()
    states = Counter(job["state"] for job in cluster.jobs())
    assert states == {"COMPLETED": sum(run.finished[rule] for rule in REMOTE)}
