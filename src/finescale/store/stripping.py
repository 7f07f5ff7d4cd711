"""Dropping files of complete artifacts to save room, so that everybody knows what was dropped.

`stripped.json` in the artifact's folder names the dropped files with the sizes and hashes of the
manifest, which stays as it was. It is written before the first file goes: at any moment a file is
there, or it is named. A folder of the store lists the artifacts that were stripped, so that one
look tells a workflow that there are none.
"""

import json
import os
from collections.abc import Collection
from datetime import UTC, datetime

from finescale.store.artifacts import STRIPPED, Artifact, Store
from finescale.store.publishing import left_of, scratch_folder, sync_folder_entry
from finescale.store.recipes import relative_folder

LISTING = ".stripped"


def strip(store: Store, artifact: Artifact, names: Collection[str]) -> None:
    """Drop these files of an artifact; OSError where the disk refuses, the artifact being whole."""
    dropped = {*names, *artifact.stripped()}
    entries = [entry for entry in artifact.manifest["files"] if entry["name"] in dropped]
    content = {"files": entries, "stripped": datetime.now(UTC).isoformat(timespec="seconds")}
    enlist(store, artifact)
    with scratch_folder(store, artifact.recipe) as scratch:
        written = scratch / STRIPPED
        with written.open("w") as stream:
            stream.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
            os.fsync(stream.fileno())
        os.replace(written, artifact.folder / STRIPPED)
    sync_folder_entry(artifact.folder)
    for name in names:
        (artifact.folder / name).unlink(missing_ok=True)


def enlist(store: Store, artifact: Artifact) -> None:
    """Note that an artifact is stripped. The note may outlive that; `stripped_names` knows."""
    folder = store.root / LISTING
    folder.mkdir(exist_ok=True)
    (folder / _entry(artifact.recipe.reference)).touch()


def _entry(reference: str) -> str:
    return ".".join(relative_folder(reference).parts)


def listed(store: Store) -> frozenset[str]:
    """The listing of all artifacts that may be stripped: one look, mostly at nothing."""
    try:
        return frozenset(os.listdir(store.root / LISTING))
    except FileNotFoundError:
        return frozenset()


def stripped_names(store: Store, reference: str, listing: Collection[str]) -> frozenset[str]:
    """The files that a complete artifact was stripped of; `listing` is what `listed` said."""
    if _entry(reference) not in listing:
        return frozenset()
    artifact = left_of(store.folder(reference))
    return frozenset(artifact.stripped() if artifact else ())
