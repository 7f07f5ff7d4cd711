"""Taking over the artifacts of another store: a folder from a cluster, another machine's results.

Each artifact is checked in a scratch folder of this store and renamed into place, so that it is
taken over whole or not at all, whatever happens on the way.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from finescale.errors import UserError
from finescale.store.artifacts import (
    BESIDE_THE_FILES,
    MANIFEST,
    MANIFEST_COPY,
    SCRATCH_PREFIX,
    STRIPPED,
    Artifact,
    Store,
    read_manifest,
    sync_folder,
)
from finescale.store.publishing import left_of, put_in_place, scratch_folder
from finescale.store.recipes import PATH_DIGITS, relative_folder
from finescale.store.stripping import enlist

DIGEST = re.compile(f"[0-9a-f]{{{PATH_DIGITS}}}")
REFERENCE = re.compile("[a-z][a-z0-9_]*/[0-9a-f]{64}")
PLACES = ("results/store", "store", "")  # of a store, in a folder that people name


@dataclass(frozen=True)
class Imported:
    """What became of one folder of the other store.

    `conflict`: here is an artifact of the same recipe with other bytes, which stays. `left out`:
    what is there is not whole, `problem` says why.
    """

    folder: Path
    outcome: Literal["adopted", "restored", "here", "conflict", "left out"]
    problem: str = ""
    artifact: Artifact | None = None


def other_store(path: Path, store: Store) -> Store:
    """The store at `path` or a little below it; UserError where there is none but `store`."""
    if not path.is_dir():
        raise UserError(f"{path}: no such folder")
    for place in PLACES:
        if any((path / place).glob("*/*/artifact*.json")):
            if (path / place).resolve() == store.root.resolve():
                raise UserError(f"{path / place} is this store itself")
            return Store(path / place)
    raise UserError(f"{path}: no store there; name a folder `results/store`, or one that holds it")


def candidates(source: Store) -> list[Path]:
    """What may be an artifact of a store, in a fixed order; folders that are empty are nothing."""
    stages = [path for path in sorted(source.root.iterdir()) if not path.name.startswith(".")]
    found = []
    for stage in stages:
        if stage.is_symlink():
            found.append(stage)
        elif stage.is_dir():
            found += [path for path in sorted(stage.iterdir()) if _may_be_artifact(path)]
    return found


def _may_be_artifact(path: Path) -> bool:
    if path.is_symlink() or path.name.startswith(SCRATCH_PREFIX):
        return True
    return path.is_dir() and not path.name.startswith(".") and any(path.iterdir())


def import_artifact(store: Store, folder: Path) -> Imported:
    """Take over one folder of another store, if it is whole and this store lacks it.

    What this store has only in part, because it was stripped, is completed. OSError when this
    store's disk refuses, which leaves nothing half.
    """
    problem = _shape_problem(folder)
    theirs = None if problem else left_of(folder)
    if theirs is None:
        return Imported(folder, "left out", problem or "no valid manifest: half-written or damaged")
    problem = _manifest_problem(theirs)
    if problem:
        return Imported(folder, "left out", problem)
    manifest = read_manifest(store.folder(theirs.recipe.reference) / MANIFEST)
    ours = Artifact(store.folder(theirs.recipe.reference), manifest) if manifest else None
    if ours and ours.content_sha256 != theirs.content_sha256:
        return Imported(folder, "conflict", artifact=ours)
    if ours and not theirs.stripped().keys() < ours.stripped().keys():
        return Imported(folder, "here", artifact=ours)
    problem = _take_over(store, theirs)
    if problem:
        return Imported(folder, "left out", problem)
    return Imported(folder, "restored" if ours else "adopted", artifact=theirs)


def _shape_problem(folder: Path) -> str:
    """Why a folder is no artifact whatever its manifest says; links are never followed."""
    if folder.name.startswith(SCRATCH_PREFIX):
        return "half-written by a job that was killed or still runs"
    for path in [folder, *folder.rglob("*")] if not folder.is_symlink() else [folder]:
        if path.is_symlink():
            return f"{path.relative_to(folder.parent)} is a link, and links are not followed"
        if not (path.is_file() or path.is_dir()):
            return f"{path.relative_to(folder.parent)} is neither file nor folder"
        if not os.access(path, os.R_OK):
            return f"{path.relative_to(folder.parent)} cannot be read"
    return "" if DIGEST.fullmatch(folder.name) else "not the name of an artifact"


def _manifest_problem(artifact: Artifact) -> str:
    """Why the manifest does not belong in its folder, or must not be followed."""
    manifest, recipe = artifact.manifest, artifact.recipe
    for reference in [recipe.reference, *recipe.input_references(), *manifest["inputs"]]:
        if not REFERENCE.fullmatch(reference):
            return f"its manifest names {reference!r}, which is no artifact"
    place = relative_folder(recipe.reference)
    if artifact.folder.parts[-2:] != place.parts:
        return f"its manifest is that of {place}"
    names = [entry["name"] for entry in manifest["files"]]
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or name in ("", ".", *BESIDE_THE_FILES):
            return f"its manifest names {name!r}, which is no file of an artifact"
        if str(path) != name or names.count(name) > 1:
            return f"its manifest names {name!r} in two ways"
    return ""


def _take_over(store: Store, theirs: Artifact) -> str:
    """Copy or link an artifact into this store; says what is wrong with it if it is not whole."""
    absent = theirs.stripped()
    names = [item["name"] for item in theirs.manifest["files"] if item["name"] not in absent]
    missing = [name for name in names if not (theirs.folder / name).is_file()]
    if missing:
        return f"{missing[0]} is missing"
    intact = MANIFEST if read_manifest(theirs.folder / MANIFEST) else MANIFEST_COPY
    with scratch_folder(store, theirs.recipe) as scratch:
        for name in [*names, *([STRIPPED] if absent else [])]:
            _link_or_copy(theirs.folder / name, scratch / name)
        for name in (MANIFEST, MANIFEST_COPY):
            _link_or_copy(theirs.folder / intact, scratch / name)
        copied = left_of(scratch)
        if copied is None or copied.content_sha256 != theirs.content_sha256:
            return "its manifest changed while it was read"
        problem = next(copied.problems(), None)
        if problem:
            return problem.removeprefix(f"{scratch}/")
        sync_folder(scratch)
        if absent:
            enlist(store, theirs)
        put_in_place(store, theirs.recipe, scratch)
    return ""


def _link_or_copy(source: Path, target: Path) -> None:
    """The same bytes in another place: a hard link on the same disk, else a copy.

    Nobody ever writes into a file of a store, so that a link is as good as a copy.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)


def loose_ends(store: Store, artifacts: Iterable[Artifact]) -> Iterator[tuple[Artifact, bool]]:
    """Artifacts with an input that is not here (False), or is here with other bytes (True)."""
    content: dict[str, str | None] = {}
    for artifact in artifacts:
        for reference, read in artifact.manifest["inputs"].items():
            if reference not in content:
                found = left_of(store.folder(reference))
                content[reference] = found.content_sha256 if found else None
            if content[reference] != read:
                yield artifact, content[reference] is not None
                break
