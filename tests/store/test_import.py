"""Another store's artifacts: taken over whole or not at all, and nothing else of that folder."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from finescale.errors import UserError
from finescale.store import MANIFEST, Store
from finescale.store.artifacts import MANIFEST_COPY, STRIPPED, content_sha256
from finescale.store.importing import candidates, import_artifact, loose_ends, other_store
from finescale.store.lineage import remove, verify
from finescale.store.stripping import listed, strip


@pytest.fixture
def here(tmp_path) -> Store:
    store = Store(tmp_path / "laptop" / "store")
    store.root.mkdir(parents=True)
    return store


@pytest.fixture
def chain(workshop):
    """On the cluster: raw -> model (with heavy weights) -> figure."""
    raw = workshop.make(workshop.recipe(stage="source", data="raw\n"))
    model = workshop.make(workshop.recipe(raw.recipe, data="light\n", weights="heavy\n" * 9))
    return [raw, model, workshop.make(workshop.recipe(model.recipe, stage="figure"))]


def import_all(here: Store, there: Store):
    return [import_artifact(here, folder) for folder in candidates(there)]


def outcomes(here: Store, there: Store) -> list[str]:
    return [item.outcome for item in import_all(here, there)]


def contents(store: Store) -> dict[str, str]:
    return {item.recipe.reference: item.content_sha256 for item in store.artifacts()}


def test_everything_is_taken_over_once(workshop, chain, here):
    assert outcomes(here, workshop.store) == ["adopted"] * 3
    assert contents(here) == contents(workshop.store)
    assert list(verify(here)) == []
    assert outcomes(here, workshop.store) == ["here"] * 3
    assert list(here.root.glob("*/.*")) == []
    # both stores stand alone: what one of them does to its files is nothing to the other
    strip(here, here.open(chain[1].recipe.reference), ["weights"])
    remove(workshop.store, [chain[0]])
    assert chain[1].file("weights").exists()
    assert list(verify(here)) == []


def test_copies_where_there_are_no_links_between_disks(workshop, chain, here, monkeypatch):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert outcomes(here, workshop.store) == ["adopted"] * 3
    assert contents(here) == contents(workshop.store)
    assert list(verify(here)) == []


def test_times_mean_nothing(workshop, chain, here):
    choose = random.Random(0)
    for path in workshop.store.root.rglob("*"):
        os.utime(path, (choose.uniform(1e9, 1.7e9),) * 2)
    assert outcomes(here, workshop.store) == ["adopted"] * 3


@pytest.mark.parametrize("place", ["", "store", "results/store"])
def test_the_store_is_found_below_the_folder_that_people_name(workshop, chain, here, place):
    folder = workshop.store.root
    for _ in Path(place).parts:
        folder = folder.parent
    assert other_store(folder, here).root == workshop.store.root


def test_what_is_no_other_store(workshop, chain, here, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        other_store(tmp_path / "absent", here)
    with pytest.raises(UserError, match=r"no store there; name a folder `results/store`"):
        other_store(tmp_path / "laptop", here)
    with pytest.raises(UserError, match="is this store itself"):
        other_store(workshop.folder, workshop.store)


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "weights").read_bytes())
    content[7] ^= 1
    (folder / "weights").write_bytes(content)


def cut_short(folder: Path) -> None:
    (folder / "weights").write_bytes(b"heavy\n")


def delete_a_file(folder: Path) -> None:
    (folder / "weights").unlink()


def delete_the_manifests(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST_COPY).unlink()


def link_a_file(folder: Path) -> None:
    (folder / "weights").rename(folder.parents[3] / "secret")
    (folder / "weights").symlink_to(folder.parents[3] / "secret")


def link_the_folder(folder: Path) -> None:
    folder.rename(folder.parents[3] / "moved")
    folder.symlink_to(folder.parents[3] / "moved")


def make_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def edited(change: Callable[[dict], None]) -> Callable[[Path], None]:
    """Change a manifest and its hashes, as somebody would who means harm."""

    def edit(folder: Path) -> None:
        from finescale.store import Recipe

        manifest = json.loads((folder / MANIFEST).read_text())
        change(manifest)
        recipe = Recipe.from_dict(manifest["recipe"])
        manifest["digest"] = recipe.digest
        manifest["content_sha256"] = content_sha256(recipe, manifest["files"])
        for name in (MANIFEST, MANIFEST_COPY):
            (folder / name).write_text(json.dumps(manifest))

    return edit


def name_first_file(name: object) -> Callable[[Path], None]:
    return edited(lambda manifest: manifest["files"][0].update(name=name))


def as_another(**changes: object) -> Callable[[Path], None]:
    return edited(lambda manifest: manifest["recipe"].update(changes))


DAMAGES = [
    (flip_a_bit, "weights: corrupted (SHA-256"),
    (cut_short, "weights: corrupted (6 bytes, expected 58)"),
    (delete_a_file, "weights is missing"),
    (delete_the_manifests, "no valid manifest"),
    (link_a_file, "weights is a link"),
    (link_the_folder, "is a link, and links are not followed"),
    (make_a_pipe, "pipe is neither file nor folder"),
    (name_first_file("../../../secret"), "'../../../secret', which is no file"),
    (name_first_file("/etc/passwd"), "'/etc/passwd', which is no file"),
    (name_first_file(MANIFEST), "which is no file of an artifact"),
    (name_first_file("./data"), "in two ways"),
    (name_first_file("weights"), "in two ways"),
    (name_first_file(7), "no valid manifest"),
    (as_another(stage="../../toy"), "which is no artifact"),
    (as_another(stage="other"), "its manifest is that of other/"),
    (as_another(version=2), "its manifest is that of toy/"),
    (edited(lambda manifest: manifest["inputs"].update({"../..": "0"})), "'../..', which is no"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_what_is_not_whole_is_named_and_left_out(workshop, chain, here, damage, said):
    damage(chain[1].folder)
    before = sorted(path for path in workshop.folder.rglob("*") if path not in here.root.rglob("*"))
    items = {item.folder.parent.name: item for item in import_all(here, workshop.store)}
    assert items["toy"].outcome == "left out"
    assert said in items["toy"].problem
    assert {items[stage].outcome for stage in ("source", "figure")} == {"adopted"}
    assert {path.parent.name for path in here.root.glob("*/*")} == {"source", "figure"}
    assert list(here.root.glob("*/.*")) == []
    after = sorted(path for path in workshop.folder.rglob("*") if path not in here.root.rglob("*"))
    assert after == before


def test_scratch_of_jobs_is_half_written_and_empty_folders_are_nothing(workshop, chain, here):
    toy = workshop.store.root / "toy"
    (toy / ".tmp-0123-host-1-x").mkdir()
    (toy / ".aside-0123-1").mkdir()
    (toy / ("0" * 20)).mkdir()
    (workshop.store.root / "linked").symlink_to(workshop.store.root / "toy")
    items = {item.folder.name: item for item in import_all(here, workshop.store)}
    assert "half-written by a job" in items[".tmp-0123-host-1-x"].problem
    assert "is a link" in items["linked"].problem
    assert len(items) == 5


def test_a_lost_manifest_comes_back_from_its_copy(workshop, chain, here):
    (chain[1].folder / MANIFEST).unlink()
    assert outcomes(here, workshop.store) == ["adopted"] * 3
    assert list(verify(here)) == []


def test_other_bytes_of_the_same_recipe_do_not_replace_ours(workshop, chain, here, tmp_path):
    (tmp_path / "mine").mkdir()
    mine = type(workshop)(tmp_path / "mine")
    mine.store = here
    mine.make(chain[0].recipe)
    ours = mine.make(chain[1].recipe, text="another machine's\n")
    items = import_all(here, workshop.store)
    assert [item.outcome for item in items] == ["adopted", "here", "conflict"]
    assert items[2].artifact.folder == ours.folder
    assert here.open(ours.recipe.reference).content_sha256 == ours.content_sha256
    (end,) = loose_ends(here, [items[0].artifact])
    assert end == (items[0].artifact, True)
    (problem,) = verify(here)
    assert "built from other bytes" in problem


def test_inputs_that_are_not_there_are_no_obstacle(workshop, chain, here):
    remove(workshop.store, chain[:2])
    (item,) = import_all(here, workshop.store)
    assert item.outcome == "adopted"
    assert list(loose_ends(here, [item.artifact])) == [(item.artifact, False)]


def test_stripped_here_and_whole_there(workshop, chain, here):
    import_all(here, workshop.store)
    strip(here, here.open(chain[1].recipe.reference), ["weights"])
    assert outcomes(here, workshop.store) == ["here", "here", "restored"]
    assert here.open(chain[1].recipe.reference).file("weights").exists()
    assert not (here.folder(chain[1].recipe.reference) / STRIPPED).exists()
    assert list(verify(here)) == []


def test_whole_here_and_stripped_there(workshop, chain, here):
    import_all(here, workshop.store)
    strip(workshop.store, chain[1], ["weights"])
    assert outcomes(here, workshop.store) == ["here"] * 3
    assert here.open(chain[1].recipe.reference).file("weights").exists()


def test_missing_here_and_stripped_there(workshop, chain, here):
    strip(workshop.store, chain[1], ["weights"])
    assert outcomes(here, workshop.store) == ["adopted"] * 3
    assert here.open(chain[1].recipe.reference).stripped().keys() == {"weights"}
    assert listed(here) == listed(workshop.store)
    assert list(verify(here)) == []


def test_half_here_gives_way(workshop, chain, here):
    import_all(here, workshop.store)
    folder = here.folder(chain[1].recipe.reference)
    (folder / MANIFEST).unlink()
    (folder / "weights").unlink()
    (folder / "weights").write_text("half")
    assert outcomes(here, workshop.store) == ["here", "here", "adopted"]
    assert here.open(chain[1].recipe.reference).file("weights").exists()
    assert [path.name[:7] for path in folder.parent.glob(".*")] == [".aside-"]


PROGRAM = """if True:
    import sys
    from pathlib import Path
    from finescale.store import Store
    from finescale.store.importing import candidates, import_artifact
    if sys.argv[3] == "copy":
        import os
        def refuse(*_, **__): raise OSError
        os.link = refuse
    print("ready", flush=True)
    for folder in candidates(Store(sys.argv[1])):
        import_artifact(Store(sys.argv[2]), folder)
"""


@pytest.mark.parametrize("how", ["link", "copy"])
def test_killed_at_any_moment_it_leaves_whole_artifacts_and_goes_on(workshop, here, how):
    for number in range(30):
        workshop.make(workshop.recipe(data=f"{number}\n", weights=f"{number}" * 20_000))
    choose = random.Random(0)
    command = [sys.executable, "-c", PROGRAM, workshop.store.root, here.root, how]
    kills = 0
    for _ in range(8):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(choose.uniform(0, 0.04))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        assert [line for line in verify(here) if "half-written by a job" not in line] == []
    assert kills > 2
    subprocess.run(command, check=True, capture_output=True)
    assert contents(here) == contents(workshop.store)


def test_a_full_disk_leaves_nothing_half(workshop, small_disk):
    if not small_disk.mounted:
        pytest.skip("needs the right to mount a small disk")
    for number in range(4):
        workshop.make(workshop.recipe(data=f"{number}\n", weights=f"{number}" * 25_000))
    here = Store(small_disk.folder / "store")
    here.root.mkdir()
    with pytest.raises(OSError, match="No space left"):
        import_all(here, workshop.store)
    assert list(verify(here)) == []
    assert 1 <= len(contents(here)) < 4
    small_disk.enlarge()
    assert set(outcomes(here, workshop.store)) == {"here", "adopted"}
    assert contents(here) == contents(workshop.store)


def test_importing_while_a_job_makes_the_same_artifact(workshop, chain, here, tmp_path):
    shutil.copytree(workshop.store.root, tmp_path / "copy")
    remove(workshop.store, [chain[1]])
    process = workshop.start_paused(chain[1].recipe, after="data")
    assert outcomes(workshop.store, Store(tmp_path / "copy")) == ["here", "here", "adopted"]
    process.communicate("\n")
    assert process.returncode == 0
    assert list(verify(workshop.store)) == []
