"""What Snakemake says before it runs anything."""

import hashlib

import pytest


def files(folder):
    """Every file with its hash, Snakemake's own folder left out."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".snakemake" not in path.parts
    }


def test_a_plain_dry_run_plans_the_demo_with_the_default_profile_and_writes_nothing(checkout):
    before = files(checkout.folder)
    run = checkout.snakemake("-n", config=None)
    assert run.status == 0, run.log
    assert "Using workflow specific profile profiles/default" in run.log
    assert "config/demo.yaml" in run.log
    assert (run.planned["finetune"], run.planned["pretrain"]) == (340, 14)
    assert files(checkout.folder) == before
    assert not (checkout.folder / "results").exists()


def test_another_config_file_is_the_whole_study(checkout):
    checkout.edit_config(lambda config: config.update(marker=1), name="demo")
    assert "unknown key `marker`" in checkout.snakemake("-n", config=None).log
    run = checkout.snakemake("-n")
    assert run.status == 0, run.log
    assert (run.planned["finetune"], run.planned["pretrain"]) == (35, 5)


def test_jobs_are_called_by_names_that_people_can_read(checkout):
    log = checkout.snakemake("-n").log
    for label in (
        "finetune: help-en-de lora 2 on XXS 20.5k tokens, 64 examples, seed 0",
        "pretrain: en-de XXS, 10.2k tokens",
        "fit: help-summaries",
        "generate: five-shot of help-en-zh lora 4 on XS 20.5k tokens, 64 examples, seed 0",
        "generate: one-shot of help-summaries on XXS 20.5k tokens, not finetuned",
        "score: help-en-de zero-shot",
        "source: help-corpus:help-en-de/train.jsonl",
        "show figure2",
    ):
        assert f": {label}\n" in log


def test_one_figure_needs_only_what_it_is_made_from(checkout):
    run = checkout.snakemake("-n", "results/smoke/figures/figure10.pdf")
    assert run.status == 0, run.log
    # four finished base models, and the checkpoint from which one of them goes on
    assert (run.planned["pretrain"], run.planned["pretraining_law"]) == (5, 2)
    assert {"finetune", "points", "fit", "table", "all"} & set(run.planned) == set()


def test_the_paper_is_planned_with_all_its_finetunings_and_suites(checkout):
    run = checkout.snakemake("-n", "--quiet", "rules", config="paper")
    assert run.status == 0, run.log
    assert run.planned["finetune"] == 3819
    baselines = 28 + 19
    assert run.planned["generate"] == 3819 + 945 + 2631 + 1794 + baselines


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("results/smoke/figures/figure15.pdf", "not part of study smoke: it plans nothing of that"),
        ("results/smoke/figures/figure14.pdf", "no task has the suite `five-shot` and two or more"),
        ("results/smoke/figures/figure3.pdf", "no task has two or more pretraining_tokens"),
        ("results/smoke/tables/table9.csv", "tables/table9"),
        (f"results/store/finetune/{'0' * 20}/artifact.json", "plans no finetune 0000"),
        (f"results/store/finetune/{'0' * 20}/artifact.json", "results/smoke/index.csv lists"),
    ],
)
def test_asking_for_what_the_study_does_not_plan(checkout, target, said):
    def fix_pretraining_tokens(config):
        config["tasks"]["help-en-de"]["grid"].pop("pretraining_tokens")

    checkout.edit_config(fix_pretraining_tokens)
    run = checkout.snakemake("-n", target)
    assert run.status != 0
    assert said in run.log
    assert "Traceback (most recent call last)" not in run.log


def test_mistakes_in_the_config_are_told_before_anything_runs(checkout):
    def mistake(config):
        config["methods"]["lora"]["learning_rate"] = "1e-2"
        config["methods"]["prompt"]["bach_examples"] = 3

    checkout.edit_config(mistake)
    run = checkout.snakemake()
    assert run.status != 0
    assert "`methods.lora.learning_rate`: '1e-2' is text, a number is needed" in run.log
    assert "unknown key `bach_examples`; did you mean `batch_examples`?" in run.log
    assert "config/smoke.yaml" in run.log
    assert "Traceback (most recent call last)" not in run.log
    assert not (checkout.folder / "results").exists()


def test_a_raw_file_with_other_bytes_never_enters_the_store(checkout):
    archive = checkout.folder / "resources" / "corpus.tar.xz"
    content = bytearray(archive.read_bytes())
    content[len(content) // 10] ^= 1
    archive.write_bytes(content)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    run = checkout.snakemake("--until", "source")
    assert run.status != 0
    assert "resources/corpus.tar.xz" in run.log
    assert found in run.log
    assert "put the old file back" in run.log
    assert "Traceback (most recent call last)" not in run.log
    checkout.assert_sound()


def test_a_raw_file_that_is_not_pinned_is_named_with_the_remedy(checkout):
    def unpin(config):
        config["help-corpus"]["members"]["help-en-de/dev.jsonl"]["sha256"] = None

    checkout.edit_config(unpin, name="sources")
    assert checkout.snakemake("-n").status == 0
    run = checkout.snakemake("--until", "source")
    assert run.status != 0
    assert "these raw files are not pinned by a SHA-256" in run.log
    assert "help-corpus:help-en-de/dev.jsonl: write its sha256 and size into" in run.log
    assert "Traceback (most recent call last)" not in run.log
    assert not run.finished  # not one job was started
