"""Questions about a whole store: is it sound, what is something made from, what follows?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from finescale.errors import UserError
from finescale.store.artifacts import (
    MANIFEST,
    SCRATCH_PREFIX,
    Artifact,
    Store,
    manifest_problem,
    read_manifest,
)
from finescale.store.publishing import bury

MOST_NAMED = 2  # files that `trace` names of a stripped artifact


def verify(store: Store) -> Iterator[str]:
    """Re-hash everything below the store; one line for each thing that is wrong.

    Finds corrupted, missing and foreign files, folders without a valid manifest, half-written
    scratch folders, and artifacts built from other bytes than their input has now.
    """
    content = {item.recipe.reference: item.content_sha256 for item in store.artifacts()}
    for folder in sorted(path for path in store.root.glob("*/*") if path.is_dir()):
        if folder.name.startswith(SCRATCH_PREFIX):
            yield f"{folder}: half-written by a job that was killed or still runs"
        elif not folder.name.startswith("."):
            yield from _verify_artifact(folder, content)


def _verify_artifact(folder: Path, content: dict[str, str]) -> Iterator[str]:
    manifest = read_manifest(folder / MANIFEST)
    if manifest is None or not manifest["digest"].startswith(folder.name):
        yield manifest_problem(folder)
        return
    yield from Artifact(folder, manifest).problems()
    for reference, read in manifest["inputs"].items():
        if reference not in content:
            yield f"{folder}: its input {reference[:33]} is missing"
        elif content[reference] != read:
            yield f"{folder}: built from other bytes than its input {reference[:33]} has now"


def dependents(store: Store, artifact: Artifact) -> list[Artifact]:
    """Everything built from `artifact`, directly or not, nearest first."""
    consumers = defaultdict(list)
    for item in store.artifacts():
        for reference in item.recipe.input_references():
            consumers[reference].append(item)
    found: dict[str, Artifact] = {}
    waiting = [artifact.recipe.reference]
    while waiting:
        for item in consumers[waiting.pop(0)]:
            if item.recipe.reference not in found:
                found[item.recipe.reference] = item
                waiting.append(item.recipe.reference)
    return list(found.values())


def remove(store: Store, artifacts: Iterable[Artifact]) -> None:
    """Remove artifacts; each is gone from its place at once, by a rename."""
    for artifact in artifacts:
        bury(artifact.folder)


def artifact_of_path(store: Store, path: Path) -> Artifact:
    """The artifact that a file (a view's link or a file in the store) belongs to."""
    if not path.exists():
        raise UserError(
            f"{path}: no such file. Give a figure, a table or any file in {store.root}."
        )
    for folder in [path.resolve(), *path.resolve().parents]:
        manifest = read_manifest(folder / MANIFEST)
        if manifest is not None:
            return Artifact(folder, manifest)
    raise UserError(f"{path} is not part of an artifact, nor a link to a file of one")


def trace(store: Store, artifact: Artifact) -> Iterator[str]:
    """Lines of the way back from an artifact to the raw data, a stage at a time.

    An artifact is shown once, at its greatest distance, so that each line is made from lines
    further down.
    """
    depth = {artifact.recipe.reference: 0}
    waiting = [artifact]
    while waiting:
        item = waiting.pop(0)
        for reference in item.recipe.input_references():
            if depth.get(reference, -1) <= depth[item.recipe.reference]:
                depth[reference] = depth[item.recipe.reference] + 1
                waiting.append(store.open(reference))
    for reference in sorted(depth, key=lambda key: (depth[key], key)):
        opened = store.open(reference)
        yield f"{'  ' * depth[reference]}{reference[:33]}  {opened.label}{_mark(opened)}"


def _mark(artifact: Artifact) -> str:
    """What `trace` says of an artifact some of whose files were dropped."""
    names = sorted(artifact.stripped())
    shown = f"{len(names)} files" if len(names) > MOST_NAMED else ", ".join(names)
    return f"  [stripped: {shown}]" if names else ""
