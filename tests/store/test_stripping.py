"""Files that were dropped to save room: named, accepted, asked for, and made again."""

import json
import subprocess
import sys

import pytest

from finescale.errors import UserError
from finescale.store import MANIFEST
from finescale.store.artifacts import STRIPPED
from finescale.store.lineage import trace, verify
from finescale.store.stripping import listed, strip, stripped_names


@pytest.fixture
def model(workshop):
    """An artifact with a light and two heavy files."""
    return workshop.make(workshop.recipe(data="light\n", weights="heavy\n" * 9, state="s" * 50))


def test_what_is_dropped_is_named_and_the_rest_stays_as_it_was(workshop, model):
    manifest = (model.folder / MANIFEST).read_bytes()
    strip(workshop.store, model, ["weights", "state"])
    names = {path.name for path in model.folder.iterdir()}
    assert names == {"data", MANIFEST, "artifact.copy.json", STRIPPED}
    assert (model.folder / MANIFEST).read_bytes() == manifest
    entries = json.loads((model.folder / STRIPPED).read_text())["files"]
    assert entries == [item for item in model.manifest["files"] if item["name"] != "data"]
    opened = workshop.store.open(model.recipe.reference)
    assert opened.stripped() == {"weights": 54, "state": 50}
    assert opened.file("data").read_text() == "light\n"
    assert list(verify(workshop.store)) == []
    assert workshop.scratch_folders() == []


def test_opening_a_dropped_file_says_what_to_run(workshop, model):
    strip(workshop.store, model, ["weights"])
    opened = workshop.store.open(model.recipe.reference)
    with pytest.raises(UserError, match=r"weights: dropped by `finescale gc --strip`") as error:
        opened.file("weights")
    assert f"`snakemake -f {model.folder}/artifact.json`" in str(error.value)
    with pytest.raises(UserError, match="has no file 'wait'"):
        opened.file("wait")


def test_dropping_more_adds_to_the_list(workshop, model):
    strip(workshop.store, model, ["weights"])
    strip(workshop.store, workshop.store.open(model.recipe.reference), ["state"])
    assert workshop.store.open(model.recipe.reference).stripped().keys() == {"weights", "state"}
    assert list(verify(workshop.store)) == []


def test_trace_marks_what_was_stripped(workshop, model):
    figure = workshop.make(workshop.recipe(model.recipe, stage="figure"))
    strip(workshop.store, model, ["weights"])
    last = list(trace(workshop.store, figure))[-1]
    assert last.endswith("  [stripped: weights]")
    strip(workshop.store, model, ["weights", "state", "data"])
    assert list(trace(workshop.store, figure))[-1].endswith("  [stripped: 3 files]")


def test_verify_still_finds_damage_in_what_is_left(workshop, model):
    strip(workshop.store, model, ["weights"])
    (model.folder / "data").write_text("Light\n")
    (model.folder / "state").unlink()
    found = list(verify(workshop.store))
    assert [line.partition(": ")[2].partition(" (")[0] for line in found] == [
        "corrupted",
        "missing",
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"files": [{"name": "weights"}]}', '{"files": [{"name": "../x"}]}']
)
def test_a_damaged_list_excuses_nothing(workshop, model, text):
    strip(workshop.store, model, ["weights"])
    (model.folder / STRIPPED).write_text(text)
    found = list(verify(workshop.store))
    assert len(found) == 2
    assert f"{STRIPPED}: damaged" in found[0]
    assert "weights: missing" in found[1]
    assert workshop.make(model.recipe).file("weights").exists()
    assert list(verify(workshop.store)) == []


def test_a_file_that_is_there_is_checked_though_the_list_names_it(workshop, model):
    strip(workshop.store, model, ["weights"])
    (model.folder / "weights").write_text("Heavy\n" * 9)
    assert ["weights: corrupted" in line for line in verify(workshop.store)] == [True]
    (model.folder / "weights").write_text("heavy\n" * 9)
    assert list(verify(workshop.store)) == []
    assert workshop.store.open(model.recipe.reference).file("weights").exists()


@pytest.mark.parametrize("moment", ["enlist", "replace", "unlink"])
def test_a_kill_at_any_moment_leaves_each_file_there_or_named(workshop, model, moment):
    code = """if True:
        import os, pathlib, sys
        from finescale.store import Store
        from finescale.store import stripping
        def die(*_, **__): os.kill(os.getpid(), 9)
        where = {"enlist": stripping, "replace": os, "unlink": pathlib.Path}[sys.argv[3]]
        setattr(where, sys.argv[3], die)
        store = Store(sys.argv[1])
        stripping.strip(store, store.open(sys.argv[2]), ["weights", "state"])
    """
    arguments = [workshop.store.root, model.recipe.reference, moment]
    assert subprocess.run([sys.executable, "-c", code, *arguments]).returncode == -9
    assert [line for line in verify(workshop.store) if "half-written by a job" not in line] == []
    strip(workshop.store, model, ["weights", "state"])
    assert list(verify(workshop.store)) == []
    assert workshop.store.open(model.recipe.reference).stripped().keys() == {"weights", "state"}


@pytest.mark.parametrize("without_manifest", [False, True])
def test_a_stripped_artifact_is_made_again_with_the_same_bytes(workshop, model, without_manifest):
    consumer = workshop.make(workshop.recipe(model.recipe))
    strip(workshop.store, model, ["weights", "state"])
    if without_manifest:  # Snakemake deletes it before the job starts
        (model.folder / MANIFEST).unlink()
    again = workshop.make(model.recipe)
    assert workshop.made.count(model.recipe.digest) == 2
    assert again.content_sha256 == model.content_sha256
    assert again.stripped() == {}
    assert list(verify(workshop.store)) == []
    assert workshop.store.open(consumer.recipe.reference)
    assert list(workshop.store.root.glob("toy/.*")) == []
    assert stripped_names(workshop.store, model.recipe.reference, listed(workshop.store)) == set()


def test_other_bytes_are_published_and_verify_names_what_was_built_from_the_old(
    workshop, model, capsys
):
    consumer = workshop.make(workshop.recipe(model.recipe))
    strip(workshop.store, model, ["weights"])
    again = workshop.make(model.recipe, text="another machine's\n")
    assert again.content_sha256 != model.content_sha256
    assert "made again with other bytes than before" in capsys.readouterr().out
    (problem,) = verify(workshop.store)
    assert problem.startswith(f"{consumer.folder}: built from other bytes")


def test_what_is_left_stays_when_making_it_again_fails(workshop, model):
    strip(workshop.store, model, ["weights"])
    process = workshop.start_paused(model.recipe, after="data")
    process.kill()
    process.communicate()
    assert workshop.store.open(model.recipe.reference).file("data").read_text() == "light\n"
    assert workshop.run(model.recipe).returncode == 0
    assert workshop.store.open(model.recipe.reference).file("weights").exists()


def test_nothing_is_dropped_where_the_list_finds_no_room(workshop, small_disk):
    if not small_disk.mounted:
        pytest.skip("needs the right to mount a small disk")
    workshop.store.root = small_disk.folder / "store"
    model = workshop.make(workshop.recipe(data="light\n", weights="heavy\n" * 9))
    small_disk.fill()
    with pytest.raises(OSError, match="No space left"):
        strip(workshop.store, model, ["weights"])
    assert list(verify(workshop.store)) == []
    assert workshop.store.open(model.recipe.reference).stripped() == {}


def test_one_look_tells_that_nothing_was_ever_stripped(workshop, model):
    reference = model.recipe.reference
    assert listed(workshop.store) == frozenset()
    assert stripped_names(workshop.store, reference, frozenset()) == frozenset()
    strip(workshop.store, model, ["weights"])
    assert len(listed(workshop.store)) == 1
    assert stripped_names(workshop.store, reference, listed(workshop.store)) == {"weights"}
