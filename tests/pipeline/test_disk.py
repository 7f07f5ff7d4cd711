"""Results that were moved, collected and stripped, and what Snakemake makes of them."""

import os
import random
import shutil
from pathlib import Path

import pytest

VIEWS = {
    **{"figure_view": 14, "table_view": 7, "points_view": 1, "later_points_view": 1},
    **{"card_view": 3, "report_view": 1, "all": 1},
}


def shuffle_times(folder: Path) -> None:
    choose = random.Random(0)
    for path in sorted(folder.rglob("*")):
        seconds = choose.uniform(1e9, 1.7e9)
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def heavy_files(checkout) -> list[Path]:
    patterns = ("*.safetensors", "*.npy", "corpus/*/*.jsonl")
    return [path for pattern in patterns for path in checkout.store.root.rglob(pattern)]


@pytest.fixture
def stripped(smoke):
    """The finished smoke study without its heavy files."""
    assert heavy_files(smoke)
    done = smoke.finescale("gc", "--strip", "--yes", "config/smoke.yaml")
    assert done.returncode == 0, done.stderr
    assert heavy_files(smoke) == []
    smoke.assert_sound()
    return smoke


def test_a_clusters_results_rebuild_the_figures_elsewhere(smoke_run, checkout):
    cluster = checkout.folder.parent / "cluster"
    shutil.copytree(smoke_run[0].store.root, cluster)
    shuffle_times(cluster)
    done = checkout.finescale("store", "import", str(cluster))
    assert done.returncode == 0, done.stdout
    assert checkout.snakemake("-n").planned == VIEWS
    run = checkout.snakemake()
    assert run.finished == VIEWS, run.log
    before = checkout.contents()
    figure = checkout.artifact("figure", "figure2").folder
    shutil.rmtree(figure)
    run = checkout.snakemake()
    assert run.finished == {"figure": 1, "figure_view": 1, "all": 1}, run.log
    assert checkout.contents() == before
    checkout.assert_sound()


def test_nothing_that_the_studies_plan_is_collected(smoke):
    before = smoke.contents()
    done = smoke.finescale("gc", "--yes")
    assert "There is nothing to remove." in done.stdout
    smoke.edit_config(lambda config: config["laws"].update(huber_delta=0.1))
    done = smoke.finescale("gc", "--yes", "config/smoke.yaml")
    assert {line.split()[0] for line in done.stdout.splitlines()} & {"fit", "figure", "report"}
    gone = before.keys() - smoke.contents().keys()
    stages = {reference.partition("/")[0] for reference in gone}
    assert stages == {"fit", "pretraining_law", "figure", "table", "report"}
    smoke.assert_sound()


def test_a_stripped_study_is_complete_and_draws_its_figures(stripped):
    before = stripped.contents()
    assert stripped.snakemake().nothing_done
    points = stripped.artifact("points", "help-en-zh")
    stripped.finescale("invalidate", points.recipe.digest, "--yes")
    run = stripped.snakemake()
    assert run.status == 0, run.log
    assert not {"corpus", "tokens", "pretrain", "finetune", "generate"} & run.finished.keys()
    assert run.finished["fit"] == 1
    assert stripped.contents() == before
    stripped.assert_sound()


def test_a_new_suite_over_stripped_models_makes_again_what_it_opens(stripped):
    before = stripped.contents()

    def add_suite(config):
        config["tasks"]["help-en-zh"]["generation"]["suites"].append("one-shot")

    stripped.edit_config(add_suite)
    # of the family en-zh: eight models and their two base models, with all that they are made from
    again = {"corpus": 4, "tokens": 3, "pretrain": 2, "finetune": 8}
    new = {"generate": 10, "score": 1}
    assert stripped.snakemake("-n").planned.items() >= (again | new).items()
    run = stripped.snakemake()
    assert run.finished.items() >= (again | new).items(), run.log
    assert not {"source", "tokenizer", "points", "fit"} & run.finished.keys()
    after = stripped.contents()
    assert after.items() >= before.items()  # bit-identical, pictures too
    stripped.assert_sound()
    assert stripped.snakemake().nothing_done
