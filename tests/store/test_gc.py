"""What nothing needs is found and removed; what is needed, written or read now is not."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from finescale.errors import UserError
from finescale.store.collection import find_waste, place, remove_waste, running, upstream
from finescale.store.lineage import verify

NAME = "0123456789abcdef0123"


@pytest.fixture
def results(workshop):
    return workshop.store.root.parent


def found(workshop, needed=()):
    """What is waste, by its place in the results folder."""
    results = workshop.store.root.parent
    return {
        item.path.relative_to(results).as_posix(): item.kind
        for item in find_waste(workshop.store, needed)
    }


def test_artifacts_that_are_not_needed_are_shown_with_label_and_size(workshop):
    kept = workshop.make(workshop.recipe(data="kept\n"))
    gone = workshop.make(workshop.recipe(stage="figure", data="gone\n"))
    (item,) = find_waste(workshop.store, {place(kept.recipe.reference)})
    assert (item.kind, item.path, item.label) == ("figure", gone.folder, gone.label)
    assert item.size == sum(path.stat().st_size for path in gone.folder.iterdir()) > 5
    assert remove_waste(workshop.store, [item]) == []
    assert [artifact.folder for artifact in workshop.store.artifacts()] == [kept.folder]
    assert list(verify(workshop.store)) == []


def test_damaged_artifacts_count_by_their_place(workshop):
    kept, gone = (workshop.make(workshop.recipe(data=f"{n}\n")) for n in range(2))
    for artifact in (kept, gone):
        for path in artifact.folder.glob("*.json"):
            path.write_text("{")
    names = found(workshop, {place(kept.recipe.reference)})
    assert names == {f"store/{place(gone.recipe.reference)}": "toy"}


def test_what_killed_jobs_and_damage_left(workshop, results):
    recipe = workshop.recipe()
    needed = {place(recipe.reference)}
    process = workshop.start_paused(recipe, after="data")
    assert found(workshop, needed) == found(workshop, needed | {"toy/other"}) == {}
    process.kill()
    process.communicate()
    (scratch,) = workshop.scratch_folders()
    # resume stays: the artifact is needed and not complete
    assert found(workshop, needed) == {f"store/toy/{scratch.name}": "half-written"}
    unfinished = f"resume/{recipe.digest[:20]}"
    assert found(workshop)[unfinished] == "unfinished work"
    workshop.make(recipe).folder.joinpath("data").write_text("damaged\n")
    workshop.make(recipe)
    (results / unfinished).mkdir()
    (aside,) = workshop.store.root.glob("toy/.aside-*")
    waste = list(find_waste(workshop.store, needed))
    assert {item.path: item.kind for item in waste} == {
        aside: "moved aside",
        results / unfinished: "unfinished work",
    }
    assert remove_waste(workshop.store, waste) == []
    assert found(workshop, needed) == {}
    assert list(verify(workshop.store)) == []


def test_a_running_job_keeps_its_scratch_its_resume_folder_and_what_it_reads(workshop, results):
    raw, other = (workshop.make(workshop.recipe(data=f"{n}\n")) for n in range(2))
    middle = workshop.make(workshop.recipe(raw.recipe, data="middle\n"))
    recipe = workshop.recipe(middle.recipe, data="last\n")
    process = workshop.start_paused(recipe, after="data")
    with pytest.raises(UserError, match="no such recipe"):
        running(workshop.store, set())
    assert running(workshop.store, {place(recipe.reference)}) == []
    file = results / "recipes" / f"{recipe.digest[:20]}.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"label": "", "recipe": recipe.to_dict()}))
    (reader,) = running(workshop.store, set())
    needed = upstream(workshop.store, [reader])
    assert needed == {place(item.reference) for item in (raw.recipe, middle.recipe, recipe)}
    waste = list(find_waste(workshop.store, needed))
    assert [item.path for item in waste] == [other.folder]
    remove_waste(workshop.store, waste)
    process.communicate("\n")
    assert process.returncode == 0
    assert list(verify(workshop.store)) == []
    assert running(workshop.store, set()) == []


@pytest.mark.parametrize(("age", "dead"), [(60, False), (3000, False), (4000, True)])
def test_jobs_of_other_hosts_are_judged_by_their_last_sign(workshop, results, age, dead):
    scratch = workshop.store.root / "toy" / f".tmp-{NAME}-node-7.cluster-4242-abcdefgh"
    lock = results / "resume" / NAME / "lock.json"
    for folder in (scratch, lock.parent):
        folder.mkdir(parents=True)
    lock.write_text(
        json.dumps({"host": "node-7.cluster", "process": 4242, "token": "", "beats": 9})
    )
    long_ago, then = time.time() - 10**6, time.time() - age
    os.utime(scratch, (long_ago, long_ago))  # only the lock's heart beats during a long training
    os.utime(lock, (then, then))
    names = {f"store/toy/{scratch.name}": "half-written", f"resume/{NAME}": "unfinished work"}
    assert found(workshop) == (names if dead else {})


def test_scratch_without_a_lock(workshop):
    """Of imports and removals, which hold no lock."""
    host = socket.gethostname()
    alive, dead, far = (
        workshop.store.root / "toy" / f".tmp-{NAME}-{owner}-x"
        for owner in (f"{host}-{os.getpid()}", f"{host}-{2**22 + 1}", "elsewhere-1")
    )
    for folder in (alive, dead, far):
        folder.mkdir(parents=True)
    assert found(workshop) == {f"store/toy/{dead.name}": "half-written"}
    os.utime(far, (0, 0))
    assert found(workshop).keys() == {f"store/toy/{item.name}" for item in (dead, far)}


def test_logs_and_recipe_files_of_other_artifacts(workshop, results):
    mine = workshop.recipe()
    for name in (NAME, mine.digest[:20], "README"):
        for path in (results / "logs" / "toy" / f"{name}.log", results / f"recipes/{name}.json"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("text")
    waste = list(find_waste(workshop.store, {place(mine.reference)}))
    assert {item.path.relative_to(results).as_posix(): item.kind for item in waste} == {
        f"logs/toy/{NAME}.log": "log",
        f"recipes/{NAME}.json": "recipe file",
    }
    remove_waste(workshop.store, waste)
    assert not any(item.path.exists() for item in waste)


def test_links_and_other_peoples_folders_are_left_alone(workshop, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / NAME).mkdir(parents=True)
    (workshop.store.root / "linked").symlink_to(elsewhere)
    (workshop.store.root / "toy").mkdir()
    (workshop.store.root / "toy" / NAME).symlink_to(elsewhere / NAME)
    (workshop.store.root / "toy" / "notes").mkdir()
    assert found(workshop) == {}


def test_a_kill_during_removal_leaves_nothing_without_its_inputs(workshop):
    first = workshop.make(workshop.recipe(data="first\n"))
    chain = [first]
    for number in range(4):
        chain.append(workshop.make(workshop.recipe(chain[-1].recipe, data=f"{number}\n")))
    code = """if True:
        import os, sys
        from finescale.store import Store, collection
        real = collection.bury
        def bury(path):
            if len(list(store.artifacts())) == 2: os.kill(os.getpid(), 9)
            return real(path)
        collection.bury = bury
        store = Store(sys.argv[1])
        collection.remove_waste(store, collection.find_waste(store, ()))
    """
    done = subprocess.run([sys.executable, "-c", code, workshop.store.root])
    assert done.returncode == -9
    assert {item.folder for item in workshop.store.artifacts()} == {
        item.folder for item in chain[:2]
    }
    assert list(verify(workshop.store)) == []


def test_room_is_made_on_a_full_disk(workshop, small_disk):
    if not small_disk.mounted:
        pytest.skip("needs the right to mount a small disk")
    workshop.store.root = small_disk.folder / "store"
    workshop.make(workshop.recipe())
    (small_disk.folder / "resume" / NAME).mkdir()
    small_disk.fill()
    assert remove_waste(workshop.store, find_waste(workshop.store, ())) == []
    assert found(workshop) == {}
    assert list(workshop.store.artifacts()) == []
