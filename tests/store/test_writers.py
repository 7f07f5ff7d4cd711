"""Two processes that make the same artifact at the same moment: one whole artifact, no error."""

import json
import shutil
from pathlib import Path

import pytest

from finescale.store import MANIFEST, Store
from finescale.store.artifacts import MANIFEST_COPY
from finescale.store.lineage import verify

ROUNDS = 24


def leave_nothing(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def leave_empty_folder(folder: Path) -> None:
    leave_nothing(folder)
    folder.mkdir(parents=True, exist_ok=True)


def leave_corrupted(folder: Path) -> None:
    (folder / "data").write_text("corrupted")


def leave_without_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def leave_without_both_manifests(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST_COPY).unlink()


SOUND = [leave_nothing, leave_empty_folder, leave_without_manifest]
UNSOUND = [leave_corrupted, leave_without_both_manifests]


@pytest.mark.parametrize(
    ("way", "before"),
    [("lock", before) for before in SOUND + UNSOUND] + [("free", before) for before in SOUND],
)
def test_two_writers_of_one_digest(workshop, team, way, before):
    recipe = workshop.recipe(data="text")
    folder = workshop.store.folder(recipe.reference)
    line = json.dumps(recipe.to_dict())
    writers = team(2, "writer.py", workshop.store.root, way)
    expected = writers.round(line)[0]
    for _ in range(ROUNDS):
        before(folder)
        assert writers.round(line) == [expected, expected]
        assert Store(workshop.store.root).open(recipe.reference).content_sha256 == expected
        assert list(verify(workshop.store)) == []
