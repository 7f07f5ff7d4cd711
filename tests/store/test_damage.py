"""Every damage to an artifact is named, and the next run of its job mends it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finescale.errors import UserError
from finescale.store import MANIFEST, make_artifact
from finescale.store.artifacts import MANIFEST_COPY
from finescale.store.lineage import verify


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "data").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "data").write_bytes(content)


def cut_short(folder: Path) -> None:
    (folder / "data").write_bytes((folder / "data").read_bytes()[:-1])


def delete_a_file(folder: Path) -> None:
    (folder / "data").unlink()


def replace_a_file_by_a_folder(folder: Path) -> None:
    (folder / "data").unlink()
    (folder / "data").mkdir()


def add_a_file(folder: Path) -> None:
    (folder / "deeper").mkdir()
    (folder / "deeper" / "extra").write_text("not mine")


def edit_manifest(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text())
        change(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest))

    return damage


def forge(folder: Path) -> None:
    """Change a file and its hash in the manifest, as if it had always been so."""
    (folder / "data").write_text("other\n")
    sha256 = "b5c8f2d49f1b5b2c6d6ae77b2b3ec3ee3d7b66e2ce2cc9ab2a8f1d3b1a4c7a10"
    edit_manifest(lambda manifest: manifest["files"][0].update(sha256=sha256, size=6))(folder)


def edit_both_manifests(folder: Path) -> None:
    edit_manifest(lambda manifest: manifest["recipe"]["parameters"].clear())(folder)
    shutil.copyfile(folder / MANIFEST, folder / MANIFEST_COPY)


def delete_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def cut_manifest_short(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text[: len(text) // 2])


def delete_both_manifests(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST_COPY).unlink()


MADE_AGAIN = {  # damage: what verify says of it
    flip_a_bit: "data: corrupted (SHA-256",
    cut_short: "data: corrupted (4 bytes, expected 5)",
    delete_a_file: "data: missing",
    replace_a_file_by_a_folder: "data: missing",
    add_a_file: "deeper/extra: not part of the artifact",
    forge: f"{MANIFEST} is damaged",
    edit_both_manifests: f"{MANIFEST} is damaged",
    delete_both_manifests: f"{MANIFEST} is missing",
}
RESTORED = {
    delete_manifest: f"{MANIFEST} is missing",
    cut_manifest_short: f"{MANIFEST} is damaged",
    edit_manifest(lambda manifest: manifest.pop("inputs")): f"{MANIFEST} is damaged",
    edit_manifest(lambda manifest: manifest.pop("files")): f"{MANIFEST} is damaged",
    edit_manifest(lambda manifest: manifest.pop("provenance")): f"{MANIFEST} is damaged",
    edit_manifest(lambda manifest: manifest["files"].clear()): f"{MANIFEST} is damaged",
    edit_manifest(lambda manifest: manifest["recipe"].update(version=9)): f"{MANIFEST} is damaged",
    edit_manifest(lambda manifest: manifest.update(content_sha256="0")): f"{MANIFEST} is damaged",
}


def test_a_whole_store_has_no_problems(workshop):
    source = workshop.recipe()
    workshop.make(source)
    workshop.make(workshop.recipe(source, data="built from it"))
    assert list(verify(workshop.store)) == []


@pytest.mark.parametrize(("damage", "said"), [*MADE_AGAIN.items(), *RESTORED.items()])
def test_verify_names_the_damage(workshop, damage, said):
    artifact = workshop.make(workshop.recipe())
    damage(artifact.folder)
    problems = list(verify(workshop.store))
    assert any(said in line and str(artifact.folder) in line for line in problems), problems


@pytest.mark.parametrize("damage", MADE_AGAIN)
def test_what_cannot_be_repaired_is_moved_aside_and_made_again(workshop, damage, capsys):
    recipe = workshop.recipe()
    artifact = workshop.make(recipe)
    content = artifact.content_sha256
    damage(artifact.folder)
    assert workshop.make(recipe).content_sha256 == content
    assert len(workshop.made) == 2
    assert list(verify(workshop.store)) == []
    assert f"{artifact.folder}: incomplete or corrupted, moved aside" in capsys.readouterr().out


@pytest.mark.parametrize("damage", RESTORED)
def test_a_manifest_is_restored_from_its_copy_without_making_again(workshop, damage, capsys):
    recipe = workshop.recipe()
    artifact = workshop.make(recipe)
    damage(artifact.folder)
    assert workshop.make(recipe).content_sha256 == artifact.content_sha256
    assert len(workshop.made) == 1
    assert list(verify(workshop.store)) == []
    assert f"{artifact.folder}: restored {MANIFEST}" in capsys.readouterr().out


def test_a_lost_copy_of_the_manifest_comes_back(workshop):
    recipe = workshop.recipe()
    folder = workshop.make(recipe).folder
    (folder / MANIFEST_COPY).unlink()
    workshop.make(recipe)
    assert (folder / MANIFEST_COPY).read_bytes() == (folder / MANIFEST).read_bytes()
    assert len(workshop.made) == 1


def test_a_folder_in_another_ones_place_is_named_and_replaced(workshop):
    mine, other = workshop.recipe(data="mine"), workshop.recipe(data="other")
    artifact = workshop.make(mine)
    shutil.rmtree(artifact.folder)
    shutil.copytree(workshop.make(other).folder, artifact.folder)
    problem = f"{artifact.folder / MANIFEST} is damaged or another artifact's"
    assert problem in next(verify(workshop.store))
    with pytest.raises(UserError, match=problem):
        workshop.store.open(mine.reference)
    assert workshop.make(mine).file("data").read_text() == "mine"
    assert list(verify(workshop.store)) == []


def test_reading_a_corrupted_file_fails_and_says_what_to_do(workshop):
    recipe = workshop.recipe(data="text", more="more text")
    artifact = workshop.make(recipe)
    flip_a_bit(artifact.folder)
    opened = workshop.store.open(recipe.reference)
    assert opened.file("more").read_text() == "more text"  # only what is read is checked
    with pytest.raises(UserError) as error:
        opened.file("data")
    assert f"{artifact.folder / 'data'}: corrupted" in str(error.value)
    assert f"Run `finescale invalidate {recipe.digest[:12]}`, then snakemake" in str(error.value)


def test_reading_a_file_that_the_artifact_does_not_have(workshop):
    with pytest.raises(UserError, match="has no file 'weights'"):
        workshop.make(workshop.recipe()).file("weights")


def test_opening_a_missing_artifact_says_to_run_snakemake(workshop):
    with pytest.raises(UserError, match=r"is missing\. The next run of snakemake"):
        workshop.store.open(workshop.recipe().reference)


def test_opening_an_artifact_with_a_damaged_manifest_says_to_delete_it(workshop):
    """Snakemake takes an artifact whose manifest exists for complete: running it is no remedy."""
    recipe = workshop.recipe()
    folder = workshop.make(recipe).folder
    cut_manifest_short(folder)
    with pytest.raises(UserError, match=f"{folder / MANIFEST} is damaged.*Delete it, then run"):
        workshop.store.open(recipe.reference)


def test_a_job_does_not_read_a_corrupted_input(workshop):
    source = workshop.recipe()
    flip_a_bit(workshop.make(source).folder)
    recipe = workshop.recipe(source, data="built from it")
    done = workshop.run(recipe)
    assert done.returncode == 1
    assert "corrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert not workshop.store.folder(recipe.reference).exists()


def test_an_input_made_again_with_other_bytes_is_noticed(workshop):
    source = workshop.recipe()
    consumer = workshop.recipe(source, data="built from it")
    workshop.make(source)
    workshop.make(consumer)
    shutil.rmtree(workshop.store.folder(source.reference))
    assert "its input" in (line := next(verify(workshop.store))) and "is missing" in line
    workshop.make(source, text="not the same")
    (problem,) = verify(workshop.store)
    assert problem.startswith(
        f"{workshop.store.folder(consumer.reference)}: built from other bytes"
    )
    assert source.reference[:24] in problem


def test_a_bit_identical_rebuild_is_no_problem(workshop):
    source = workshop.recipe()
    workshop.make(source)
    workshop.make(workshop.recipe(source, data="built from it"))
    shutil.rmtree(workshop.store.folder(source.reference))
    workshop.make(source)
    assert list(verify(workshop.store)) == []


def test_an_empty_folder_at_the_artifacts_place_is_used(workshop):
    """Snakemake makes the folder of a declared output before the job starts."""
    recipe = workshop.recipe()
    workshop.store.folder(recipe.reference).mkdir(parents=True)
    assert workshop.make(recipe).file("data").read_text() == "text\n"
    assert [path.name for path in workshop.store.root.glob("toy/*")] == [recipe.digest[:20]]


def test_a_make_that_fails_leaves_nothing(workshop):
    def fail(job):
        (job.out / "data").write_text("half")
        raise RuntimeError("no luck")

    recipe = workshop.recipe()
    with pytest.raises(RuntimeError, match="no luck"):
        make_artifact(workshop.store, recipe, fail)
    assert list(verify(workshop.store)) == []
    assert list(workshop.store.root.glob("toy/*")) == []
