"""Stage programs that are killed, run out of room or may not write: whole artifacts or nothing."""

import subprocess
import sys

import pytest

from finescale.store import MANIFEST, Job, make_artifact
from finescale.store.lineage import verify


def assert_one_clear_message(done, said):
    """The program said what is wrong without a traceback and failed."""
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Nothing was published" in done.stderr


def test_a_stage_program_makes_its_artifact_and_then_has_nothing_to_do(workshop):
    recipe = workshop.recipe(data="text", more="more")
    first, second = workshop.run(recipe), workshop.run(recipe)
    assert (first.returncode, second.returncode) == (0, 0)
    assert ("made" in first.stdout, "made" in second.stdout) == (True, False)
    artifact = workshop.store.open(recipe.reference)
    assert artifact.file("more").read_text() == "more"
    assert list(verify(workshop.store)) == []
    assert workshop.scratch_folders() == []
    assert not (workshop.store.root.parent / "resume" / recipe.digest[:20]).exists()


def test_the_manifest_says_what_from_what_and_by_whom(workshop):
    source = workshop.make(workshop.recipe())
    recipe = workshop.recipe(source.recipe, data="built from it")
    workshop.run(recipe)
    manifest = workshop.store.open(recipe.reference).manifest
    assert manifest["recipe"] == recipe.to_dict()
    assert [entry["name"] for entry in manifest["files"]] == ["data"]
    assert manifest["inputs"] == {source.recipe.reference: source.content_sha256}
    known = {"host", "started", "finished", "wall_seconds", "cpu_seconds", "packages", "git_commit"}
    assert known <= manifest["provenance"].keys()


@pytest.mark.parametrize("after", ["data", "more"])
def test_a_killed_job_leaves_no_artifact_and_the_next_run_completes(workshop, after):
    recipe = workshop.recipe(data="text", more="more")
    process = workshop.start_paused(recipe, after=after)
    process.kill()
    process.wait()
    assert not workshop.store.folder(recipe.reference).exists()
    (scratch,) = workshop.scratch_folders()
    assert list(verify(workshop.store)) == [
        f"{scratch}: half-written by a job that was killed or still runs"
    ]
    done = workshop.run(recipe)
    assert done.returncode == 0
    assert "made" in done.stdout
    assert list(verify(workshop.store)) == []
    assert workshop.scratch_folders() == []


def test_an_interrupted_job_cleans_up_behind_itself(workshop):
    recipe = workshop.recipe()
    process = workshop.start_paused(recipe, after="data")
    process.send_signal(2)
    assert process.wait() != 0
    assert list(workshop.store.root.glob("toy/*")) == []
    assert workshop.run(recipe).returncode == 0


def test_a_job_killed_while_it_replaces_a_corrupted_artifact(workshop):
    recipe = workshop.recipe(data="text", more="more")
    folder = workshop.make(recipe).folder
    (folder / "data").write_text("corrupted")
    process = workshop.start_paused(recipe, after="data")
    process.kill()
    process.wait()
    assert any(
        str(folder) in problem or "half-written" in problem for problem in verify(workshop.store)
    )
    assert workshop.run(recipe).returncode == 0
    assert list(verify(workshop.store)) == []


def test_scratch_of_a_living_job_is_left_alone(workshop):
    recipe, other = workshop.recipe(), workshop.recipe(data="other")
    process = workshop.start_paused(recipe, after="data")
    assert workshop.run(other).returncode == 0
    assert len(workshop.scratch_folders()) == 1
    process.communicate("go on\n")
    assert process.returncode == 0
    assert list(verify(workshop.store)) == []


@pytest.mark.parametrize("name", ["large", "large.safetensors"])
def test_a_full_disk_is_one_message_and_publishes_nothing(workshop, small_disk, name):
    workshop.store.root = small_disk.folder / "results" / "store"
    workshop.store.root.mkdir(parents=True)
    recipe = workshop.recipe(**{"data": "text", name: "x" * (2 * small_disk.ROOM)})
    done = workshop.run(recipe, largest_file=small_disk.largest_file)
    assert_one_clear_message(done, "File too large" if small_disk.largest_file else "No space left")
    assert f"Make room and give leave to write below {workshop.store.root}" in done.stderr
    assert [path for path in workshop.store.root.rglob("*") if path.is_file()] == []
    assert workshop.scratch_folders() == []
    small_disk.enlarge()
    assert workshop.run(recipe).returncode == 0
    assert list(verify(workshop.store)) == []


def test_a_disk_too_full_for_a_lock_does_not_make_the_next_run_wait(workshop):
    recipe = workshop.recipe()
    assert_one_clear_message(workshop.run(recipe, largest_file=0), "File too large")
    assert "waiting" not in workshop.run(recipe).stdout
    assert list(verify(workshop.store)) == []


def test_a_read_only_disk_is_one_message(workshop, small_disk):
    workshop.store.root = small_disk.folder / "results" / "store"
    workshop.store.root.mkdir(parents=True)
    small_disk.forbid_writing()
    assert_one_clear_message(workshop.run(workshop.recipe()), str(small_disk.folder))


def test_a_store_without_permission_to_write_is_one_message(workshop):
    toy = workshop.store.root / "toy"
    toy.mkdir()
    toy.chmod(0o555)
    done = workshop.run(workshop.recipe())
    toy.chmod(0o755)
    assert_one_clear_message(done, "Permission denied")
    assert list(toy.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"), [(None, "no such recipe"), ("{", "not a recipe. Delete it"), ("[]", "not a")]
)
def test_a_recipe_file_that_is_missing_or_damaged(workshop, text, said):
    program, file, *options = workshop.command(workshop.recipe())[1:]
    file.unlink() if text is None else file.write_text(text)
    done = subprocess.run([sys.executable, program, file, *options], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"error: {file}: {said}" in done.stderr
    assert "Traceback" not in done.stderr


def test_who_may_read_the_store_may_read_every_file(workshop):
    recipe = workshop.recipe()

    def write(job: Job) -> None:
        (job.out / "model").mkdir()
        for name in ("data", "model/weights"):
            (job.out / name).write_text("x")
            (job.out / name).chmod(0o600)  # as safetensors does

    make_artifact(workshop.store, recipe, write)
    folder = workshop.store.folder(recipe.reference)
    modes = {path.stat().st_mode for path in folder.rglob("*") if path.is_file()}
    assert modes == {(folder / MANIFEST).stat().st_mode}
