"""`finescale store import`, as a person uses it."""

import subprocess
import sys
from pathlib import Path

import pytest

from finescale.cli import imports, main
from finescale.store import Recipe, Store, make_artifact
from finescale.store.lineage import remove
from finescale.store.stripping import strip

FINESCALE = Path(sys.executable).with_name("finescale")


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Store:
    """raw -> model -> figure in cluster/results/store; the test runs in an empty folder."""
    store = Store(tmp_path / "cluster" / "results" / "store")
    raw = Recipe("source", 1, {}, {})
    model = Recipe("finetune", 1, {}, {"raw": (raw.reference,)})
    for label, recipe in {
        "raw": raw,
        "model": model,
        "figure": Recipe("figure", 1, {}, {"model": (model.reference,)}),
    }.items():
        make_artifact(store, recipe, lambda job: write(job, job.recipe.stage), f"my {label}")
    (tmp_path / "laptop").mkdir()
    monkeypatch.chdir(tmp_path / "laptop")
    return store


def write(job, text: str) -> None:
    assert len(job.opened) <= 1
    (job.out / "data").write_text(text)


def of_stage(store: Store, stage: str):
    (artifact,) = store.artifacts(stage)
    return artifact


def run_import(path="../cluster") -> subprocess.CompletedProcess[str]:
    return subprocess.run([FINESCALE, "store", "import", path], capture_output=True, text=True)


def test_a_folder_from_a_cluster(cluster):
    done = run_import()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "3 artifacts: 3 taken over, 0 here already, 0 that were stripped here restored, "
        "0 with other bytes, 0 left out\n"
    )
    assert main(["verify"]) == 0
    assert "0 taken over, 3 here already" in run_import("../cluster/results/store").stdout


def test_what_is_left_out_is_named_and_fails(cluster):
    model = of_stage(cluster, "finetune")
    (model.folder / "data").write_text("Finetune")
    done = run_import()
    assert done.returncode == 1
    assert f"{model.recipe.digest[:20]}: left out: data: corrupted (SHA-256" in done.stdout
    assert "2 taken over" in done.stdout
    assert done.stdout.endswith("1 of those taken over were made from inputs that are not here\n")


def test_conflicts_keep_what_is_here(cluster):
    here = Store("results/store")
    make_artifact(here, of_stage(cluster, "source").recipe, lambda job: write(job, "ours"), "mine")
    done = run_import()
    assert done.returncode == 1
    assert "has other bytes than results/store/source/" in done.stdout
    assert ", which stays (mine)" in done.stdout
    assert "1 of those taken over were made from other bytes than their inputs have" in done.stdout
    assert (of_stage(here, "source").folder / "data").read_text() == "ours"


def test_stripped_artifacts_are_completed(cluster):
    run_import()
    here = Store("results/store")
    strip(here, of_stage(here, "finetune"), ["data"])
    done = run_import()
    assert done.returncode == 0
    assert "1 that were stripped here restored" in done.stdout
    assert of_stage(here, "finetune").file("data").exists()


def test_progress_is_told(cluster, monkeypatch, capsys):
    monkeypatch.setattr(imports, "PROGRESS_SECONDS", 0)
    assert main(["store", "import", "../cluster"]) == 0
    assert "2 of 3 looked at" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../nowhere", "error: ../nowhere: no such folder"),
        (".", "error: .: no store there; name a folder `results/store`"),
    ],
)
def test_mistakes(cluster, path, said):
    done = run_import(path)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert not Path("results").exists()


def test_a_refusal_of_the_disk_is_one_message(cluster, monkeypatch, capsys):
    run_import()
    remove(Store("results/store"), [of_stage(Store("results/store"), "finetune")])

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("finescale.store.importing.sync_folder", refuse)
    assert main(["store", "import", "../cluster"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "error: [Errno 28] No space left on device\n0 artifacts were taken over"
    )
    assert "run the same command again" in error
