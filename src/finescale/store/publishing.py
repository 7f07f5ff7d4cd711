"""Publishing: scratch folder, manifest last, one rename; whole artifacts or nothing."""

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finescale.errors import UserError
from finescale.store.artifacts import (
    MANIFEST,
    MANIFEST_COPY,
    SCRATCH_PREFIX,
    Artifact,
    Store,
    content_sha256,
    list_files,
    read_manifest,
    sync_folder,
)
from finescale.store.recipes import PATH_DIGITS, Recipe

ASIDE_PREFIX = ".aside-"
PUBLISH_ATTEMPTS = 10


@contextlib.contextmanager
def scratch_folder(store: Store, recipe: Recipe) -> Iterator[Path]:
    """A folder of this process alone, beside the artifact's place; gone at the end."""
    parent = store.folder(recipe.reference).parent
    parent.mkdir(parents=True, exist_ok=True)
    name = recipe.digest[:PATH_DIGITS]
    _remove_abandoned_scratch(parent, name)
    prefix = f"{_scratch_stem(name)}-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _scratch_stem(name: str) -> str:
    return f"{SCRATCH_PREFIX}{name}-{socket.gethostname()}"


def _remove_abandoned_scratch(parent: Path, name: str) -> None:
    """Remove what killed processes of this host left for the same artifact."""
    for folder in parent.glob(f"{_scratch_stem(name)}-*"):
        _, process = scratch_owner(folder)
        if process is not None and not process_is_alive(process):
            shutil.rmtree(folder, ignore_errors=True)


def scratch_owner(folder: Path) -> tuple[str, int | None]:
    """Host and process that a scratch folder belongs to, as its name says."""
    match = re.fullmatch(r"[^-]*-(.*)-(\d+)-[^-]*", folder.name.removeprefix(SCRATCH_PREFIX))
    return (match[1], int(match[2])) if match else ("", None)


def bury(folder: Path) -> bool:
    """Remove a folder of the store, which is gone from its place at once, by a rename.

    Returns whether all of it is gone: on a network file system, files that somebody has open stay
    in a scratch folder until the next `finescale gc`.
    """
    grave = folder.parent / f"{_scratch_stem(folder.name)}-{os.getpid()}-{secrets.token_hex(4)}"
    os.rename(folder, grave)
    shutil.rmtree(grave, ignore_errors=True)
    return not grave.exists()


def process_is_alive(process: int) -> bool:
    """Whether a process with this id exists on this host."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def publish(
    store: Store, recipe: Recipe, scratch: Path, inputs: list[Artifact], provenance: dict[str, Any]
) -> None:
    """Turn a filled scratch folder into the artifact of `recipe`.

    If a complete artifact is already there, it stays and the scratch folder is dropped; what is
    left of a stripped one gives way, and a folder that does not check is moved aside first.
    UserError when another process keeps interfering.
    """
    _write_manifests(recipe, scratch, inputs, provenance)
    _make_readable(scratch)
    sync_folder(scratch)
    put_in_place(store, recipe, scratch)


def put_in_place(store: Store, recipe: Recipe, scratch: Path) -> None:
    """Rename a synced scratch folder with its manifests into place, as `publish` says."""
    target = store.folder(recipe.reference)
    for _ in range(PUBLISH_ATTEMPTS):
        try:
            os.rename(scratch, target)  # also onto an empty folder, which Snakemake makes
            sync_folder_entry(target.parent)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if restore(store, recipe):
            return
        if is_stripped(store, recipe):
            _replace_stripped(target, scratch)
        else:
            clear_place(store, recipe)
    raise UserError(f"{target}: something keeps writing there; stop it and run again")


def is_stripped(store: Store, recipe: Recipe) -> bool:
    """Whether the artifact of `recipe` is there but for files that were dropped to save room."""
    artifact = left_of(store.folder(recipe.reference))
    return artifact is not None and artifact.recipe == recipe and bool(artifact.stripped())


def left_of(folder: Path) -> Artifact | None:
    """The artifact in a folder by either copy of its manifest, its files not looked at."""
    for name in (MANIFEST, MANIFEST_COPY):
        manifest = read_manifest(folder / name)
        if manifest is not None:
            return Artifact(folder, manifest)
    return None


def _replace_stripped(target: Path, scratch: Path) -> None:
    before, now = left_of(target), left_of(scratch)
    if before and now and before.content_sha256 != now.content_sha256:
        print(
            f"{target}: made again with other bytes than before; "
            "`finescale verify` names what was built from the old ones"
        )
    with contextlib.suppress(FileNotFoundError):  # another writer was faster
        bury(target)


def _write_manifests(
    recipe: Recipe, scratch: Path, inputs: list[Artifact], provenance: dict[str, Any]
) -> None:
    files = list_files(scratch)
    manifest = {
        "digest": recipe.digest,
        "recipe": recipe.to_dict(),
        "files": files,
        "content_sha256": content_sha256(recipe, files),
        "inputs": {item.recipe.reference: item.content_sha256 for item in inputs},
        "provenance": provenance,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (scratch / MANIFEST_COPY).write_text(text)
    (scratch / MANIFEST).write_text(text)


def _make_readable(scratch: Path) -> None:
    """Give all files the manifest's mode: safetensors writes for its user alone, and people share
    a store."""
    mode = stat.S_IMODE((scratch / MANIFEST).stat().st_mode)
    for path in scratch.rglob("*"):
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)


def sync_folder_entry(folder: Path) -> None:
    """Flush a directory itself, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def restore(store: Store, recipe: Recipe) -> bool:
    """Whether all of the artifact of `recipe` is there, after repairing what can be repaired.

    A folder without its manifest whose files agree with the manifest's copy gets it back.
    """
    folder = store.folder(recipe.reference)
    try:
        for name in (MANIFEST, MANIFEST_COPY):
            manifest = read_manifest(folder / name)
            if manifest is None or manifest["digest"] != recipe.digest:
                continue
            artifact = Artifact(folder, manifest)
            if not artifact.stripped() and not any(artifact.problems()):
                _put_back(store, recipe, name)
                return True
    except FileNotFoundError:  # another writer has just moved the folder aside
        return False
    return False


def _put_back(store: Store, recipe: Recipe, intact_name: str) -> None:
    """Give the folder both copies of the manifest again, from the one that is intact."""
    folder = store.folder(recipe.reference)
    for name in {MANIFEST, MANIFEST_COPY} - {intact_name}:
        if read_manifest(folder / name) is None:
            with scratch_folder(store, recipe) as scratch:
                shutil.copyfile(folder / intact_name, scratch / name)
                os.replace(scratch / name, folder / name)
            print(f"{folder}: restored {name} from {intact_name}; the files are whole")


def clear_place(store: Store, recipe: Recipe) -> None:
    """Move aside what lies at the place of an artifact that has to be made.

    What is left of a stripped artifact stays until it can be replaced: it took long to make.
    """
    folder = store.folder(recipe.reference)
    if is_stripped(store, recipe):
        return
    aside = folder.parent / f"{ASIDE_PREFIX}{folder.name}-{time.time_ns()}"
    with contextlib.suppress(FileNotFoundError):  # nothing there, or another writer moved it first
        if any(folder.iterdir()):
            os.rename(folder, aside)
            print(f"{folder}: incomplete or corrupted, moved aside to {aside}; making it again")
