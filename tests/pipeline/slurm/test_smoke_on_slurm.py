"""The smoke study on a SLURM cluster, as a user runs it."""

from collections import Counter

from tests.pipeline.slurm.studies import on_cluster

REMOTE = ("corpus", "tokenizer", "tokens", "card", "pretrain", "finetune", "generate", "loss")


def test_the_whole_study_runs_on_the_cluster(cluster, checkout, smoke_run):
    before = cluster.last
    run = on_cluster(checkout)
    assert run.status == 0, run.log
    checkout.assert_sound()
    jobs = cluster.since(before)
    states = Counter(job["state"] for job in jobs)
    assert states == {"COMPLETED": sum(run.finished[rule] for rule in REMOTE)}
    assert checkout.contents() == smoke_run[0].contents()
    labels = {item.label for stage in REMOTE for item in checkout.store.artifacts(stage)}
    assert {job["comment"] for job in jobs} == labels
