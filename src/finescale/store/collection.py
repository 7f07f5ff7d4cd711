"""What lies in a results folder that nothing needs, and its removal.

Safe beside running jobs: a job holds its resume folder by a heartbeat while it runs. What it writes
is never touched; what it reads, and all that this was made from, counts as needed. What no given
config plans and no running job reads may go, and a later run that wants it makes it again.
"""

import graphlib
import os
import re
import shutil
import socket
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finescale.store import resume
from finescale.store.artifacts import MANIFEST, SCRATCH_PREFIX, Store
from finescale.store.jobs import read_recipe
from finescale.store.publishing import (
    ASIDE_PREFIX,
    bury,
    left_of,
    process_is_alive,
    scratch_owner,
)
from finescale.store.recipes import PATH_DIGITS, Recipe, relative_folder

DIGEST = re.compile(f"[0-9a-f]{{{PATH_DIGITS}}}")
# Heartbeats come every few seconds: clocks may disagree, but hardly by so much.
SILENT_SECONDS = 3600.0


@dataclass(frozen=True)
class Waste:
    """A file or folder that nothing needs; `kind` is its stage, or what else it is."""

    kind: str
    path: Path
    label: str = ""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        if self.path.is_file():
            return self.path.stat().st_size
        return sum(
            os.lstat(os.path.join(folder, name)).st_size
            for folder, _, names in os.walk(self.path)
            for name in names
        )


def place(reference: str) -> str:
    """Where in a store an artifact lies, as a text to compare: `<stage>/<short digest>`."""
    return relative_folder(reference).as_posix()


def running(store: Store, planned: Collection[str]) -> list[Recipe]:
    """The recipes of the jobs that run now, those apart whose places are `planned`.

    UserError when a job runs of which nobody knows what it makes.
    """
    names = {item.rpartition("/")[2] for item in planned}
    results = store.root.parent
    return [
        read_recipe(results / "recipes" / f"{folder.name}.json")[0]
        for folder in _digest_folders(results / "resume")
        if folder.name not in names and resume.is_held(folder, SILENT_SECONDS)
    ]


def upstream(store: Store, recipes: Iterable[Recipe]) -> set[str]:
    """The places of these recipes and of all that they are made from, as far as it is there."""
    found, waiting = set(), list(recipes)
    while waiting:
        recipe = waiting.pop()
        if recipe.reference not in found:
            found.add(recipe.reference)
            left = (left_of(store.folder(item)) for item in recipe.input_references())
            waiting += [artifact.recipe for artifact in left if artifact]
    return {place(reference) for reference in found}


def find_waste(store: Store, needed: Collection[str]) -> Iterator[Waste]:
    """Everything in the results folder around a store that is not for the `needed` places."""
    names = {item.rpartition("/")[2]: item for item in needed}
    results = store.root.parent
    yield from _rubbish(store, results / "resume")
    for folder in _digest_folders(results / "resume"):
        planned = names.get(folder.name)
        wanted = planned and not (store.root / planned / MANIFEST).exists()
        if not wanted and not resume.is_held(folder, SILENT_SECONDS):
            yield Waste("unfinished work", folder)
    for path in [*results.glob("logs/*/*.log"), *results.glob("recipes/*.json")]:
        if DIGEST.fullmatch(path.stem) and path.stem not in names:
            yield Waste("log" if path.suffix == ".log" else "recipe file", path)
    for stage in _folders(store.root):
        yield from _waste_of_stage(store, stage, needed)


def _waste_of_stage(store: Store, stage: Path, needed: Collection[str]) -> Iterator[Waste]:
    yield from _rubbish(store, stage)
    for folder in _digest_folders(stage):
        if f"{stage.name}/{folder.name}" not in needed:
            artifact = left_of(folder)
            yield Waste(stage.name, folder, artifact.label if artifact else "")


def _rubbish(store: Store, parent: Path) -> Iterator[Waste]:
    """What killed jobs left, and what was found damaged."""
    for folder in _folders(parent):
        if folder.name.startswith(ASIDE_PREFIX):
            yield Waste("moved aside", folder)
        elif folder.name.startswith(SCRATCH_PREFIX) and _is_abandoned(store, folder):
            yield Waste("half-written", folder)


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder that are no links, in a fixed order."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names)]


def _digest_folders(folder: Path) -> list[Path]:
    return [item for item in _folders(folder) if DIGEST.fullmatch(item.name)]


def _is_abandoned(store: Store, scratch: Path) -> bool:
    """Whether no living process writes into a scratch folder."""
    digest = scratch.name.removeprefix(SCRATCH_PREFIX)[:PATH_DIGITS]
    if resume.is_held(store.root.parent / "resume" / digest, SILENT_SECONDS):
        return False
    host, process = scratch_owner(scratch)
    if host == socket.gethostname():
        return process is None or not process_is_alive(process)
    return time.time() - scratch.stat().st_mtime > SILENT_SECONDS


def remove_waste(store: Store, waste: Iterable[Waste]) -> list[Path]:
    """Remove files and folders; what is built from others goes before them.

    Returns what could not wholly be removed, because somebody has a file of it open or owns it.
    OSError when the disk refuses; what was removed until then is gone as a whole.
    """
    waste = list(waste)
    artifacts = [item.path for item in waste if item.path.parent.name == item.kind]
    others = [item.path for item in waste if item.path not in artifacts]
    order = [*others, *_consumers_first(store, artifacts)]
    return [path for path in order if not _remove(path)]


def _remove(path: Path) -> bool:
    if path.is_file():
        path.unlink()
        return True
    if path.name.startswith((SCRATCH_PREFIX, ASIDE_PREFIX)):
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()
    return bury(path)  # at once: nobody may go on from half of it


def _consumers_first(store: Store, folders: Iterable[Path]) -> list[Path]:
    graph = {
        folder: {store.folder(item) for item in artifact.recipe.input_references()}
        if (artifact := left_of(folder))
        else set()
        for folder in folders
    }
    order = graphlib.TopologicalSorter(graph).static_order()
    return [folder for folder in reversed(list(order)) if folder in graph]
