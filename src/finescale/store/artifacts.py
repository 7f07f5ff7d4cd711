"""Artifacts: folders that are complete or not there, and that are checked when read."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from finescale.errors import UserError
from finescale.store.recipes import Recipe, canonical_json, relative_folder, sha256_of_text

MANIFEST = "artifact.json"
# Snakemake deletes a declared output (the manifest) before a job starts and when it fails. This
# copy under another name lets the next job restore the manifest instead of working again.
MANIFEST_COPY = "artifact.copy.json"
STRIPPED = "stripped.json"  # names the files that were dropped to save room (store/stripping.py)
BESIDE_THE_FILES = (MANIFEST, MANIFEST_COPY, STRIPPED)
SCRATCH_PREFIX = ".tmp-"


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def list_files(folder: Path) -> list[dict[str, Any]]:
    """Name, size in bytes and SHA-256 of every file of an artifact, what is beside left out."""
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    return [
        {
            "name": name,
            "size": (folder / name).stat().st_size,
            "sha256": sha256_of_file(folder / name),
        }
        for name in names
        if name not in BESIDE_THE_FILES
    ]


def content_sha256(recipe: Recipe, files: list[dict[str, Any]]) -> str:
    """One hash over the recipe and the files: equal for bit-identical rebuilds."""
    return sha256_of_text(canonical_json({"recipe": recipe.to_dict(), "files": files}))


class Artifact:
    """A complete artifact, opened for reading."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.recipe = Recipe.from_dict(manifest["recipe"])
        self._checked: set[str] = set()

    @property
    def content_sha256(self) -> str:
        return self.manifest["content_sha256"]

    @property
    def label(self) -> str:
        """What people call it, as the plan said when it was made."""
        return self.manifest["provenance"].get("label", "")

    def stripped(self) -> dict[str, int]:
        """Name and size in bytes of the files that were dropped to save room and are not back."""
        entries = _read_stripped(self.folder, self.manifest) or []
        return {
            entry["name"]: entry["size"]
            for entry in entries
            if not (self.folder / entry["name"]).exists()
        }

    def problems(self) -> Iterator[str]:
        """What is wrong with the files on disk, one line each; nothing when all is well.

        That files were stripped is no problem.
        """
        if _read_stripped(self.folder, self.manifest) is None:
            yield f"{self.folder / STRIPPED}: damaged, so that nobody knows what was dropped"
        stripped = self.stripped()
        listed = {entry["name"]: entry for entry in self.manifest["files"]}
        for name, entry in listed.items():
            problem = None if name in stripped else _file_problem(self.folder / name, entry)
            if problem:
                yield problem
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and name not in listed and name not in BESIDE_THE_FILES:
                yield f"{path}: not part of the artifact"

    def file(self, name: str) -> Path:
        """Path of a file whose bytes were checked against the manifest.

        Raises UserError when the artifact has no such file, when it was stripped, or when the
        bytes differ.
        """
        path = self.folder / name
        if name not in self._checked:
            entry = next((item for item in self.manifest["files"] if item["name"] == name), None)
            if entry is None:
                raise UserError(f"{self.folder} has no file {name!r}")
            if name in self.stripped():
                raise UserError(f"{path}: dropped by `finescale gc --strip`\n{self._way_back}")
            problem = _file_problem(path, entry)
            if problem:
                raise UserError(f"{problem}\n{remedy(self.recipe.digest)}")
            self._checked.add(name)
        return path

    @property
    def _way_back(self) -> str:
        return (
            "A run of snakemake makes it again where the study needs it; "
            f"`snakemake -f {self.folder / MANIFEST}` makes it now."
        )

    def json(self, name: str) -> Any:
        return json.loads(self.file(name).read_text())


def remedy(digest: str) -> str:
    """What to do about an artifact whose files are damaged."""
    return f"Run `finescale invalidate {digest[:12]}`, then snakemake again, to rebuild it."


def _read_stripped(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The manifest's entries of the files that were dropped; None where the list is damaged."""
    try:
        entries = json.loads((folder / STRIPPED).read_text())["files"]
        return entries if all(entry in manifest["files"] for entry in entries) else None
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file_problem(path: Path, entry: dict[str, Any]) -> str | None:
    if not path.is_file():
        return f"{path}: missing"
    if path.stat().st_size != entry["size"]:
        return f"{path}: corrupted ({path.stat().st_size} bytes, expected {entry['size']})"
    found = sha256_of_file(path)
    if found != entry["sha256"]:
        return f"{path}: corrupted (SHA-256 {found[:16]}…, expected {entry['sha256'][:16]}…)"
    return None


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest at `path`, or None when it is absent, cut short, or its hashes do not fit."""
    try:
        manifest = json.loads(path.read_text())
        recipe = Recipe.from_dict(manifest["recipe"])
        content = content_sha256(recipe, manifest["files"])
        fits = (manifest["digest"], manifest["content_sha256"]) == (recipe.digest, content)
        return manifest if fits and _is_well_formed(manifest) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_well_formed(manifest: dict[str, Any]) -> bool:
    files = ((item["name"], item["size"], item["sha256"]) for item in manifest["files"])
    return all(
        (
            *(tuple(map(type, item)) == (str, int, str) for item in files),
            *(isinstance(manifest[name], dict) for name in ("inputs", "provenance")),
        )
    )


def manifest_problem(folder: Path) -> str:
    """Why the artifact that belongs in `folder` cannot be opened, and what to do."""
    path = folder / MANIFEST
    if not path.exists():
        return f"{path} is missing. The next run of snakemake that needs it restores or makes it."
    return (
        f"{path} is damaged or another artifact's. "
        "Delete it, then run snakemake: it restores the artifact or makes it again."
    )


class Store:
    """All artifacts of all studies, below one folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def folder(self, reference: str) -> Path:
        return self.root / relative_folder(reference)

    def open(self, reference: str) -> Artifact:
        """Open a complete artifact. UserError when it is missing or another recipe's."""
        folder = self.folder(reference)
        manifest = read_manifest(folder / MANIFEST)
        if manifest is None or not reference.endswith(manifest["digest"]):
            raise UserError(manifest_problem(folder))
        return Artifact(folder, manifest)

    def artifacts(self, stage: str = "*") -> Iterator[Artifact]:
        """Every artifact that has a valid manifest, in a fixed order."""
        for path in sorted(self.root.glob(f"{stage}/*/{MANIFEST}")):
            manifest = read_manifest(path)
            if manifest is not None:
                yield Artifact(path.parent, manifest)

    def find(self, stage: str, predicate: Callable[[Recipe], bool]) -> list[Artifact]:
        """Complete artifacts of a stage whose recipe satisfies `predicate`."""
        return [artifact for artifact in self.artifacts(stage) if predicate(artifact.recipe)]

    def by_digest(self, prefix: str) -> Artifact:
        """The one artifact whose digest starts with `prefix`; UserError when none or several."""
        found = [item for item in self.artifacts() if item.recipe.digest.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        what = "no artifact" if not found else f"{len(found)} artifacts"
        raise UserError(
            f"{what} in {self.root} with a digest that starts with {prefix!r}.\n"
            "`results/<study>/index.csv` lists every digest with its parameters."
        )


def sync_folder(folder: Path) -> None:
    """Flush every file and directory below `folder` to the disk."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
