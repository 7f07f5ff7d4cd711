"""Running one recipe: what every program in `workflow/scripts/` shares."""

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from finescale.errors import UserError
from finescale.store import forkserver, resume
from finescale.store.artifacts import Artifact, Store
from finescale.store.provenance import Stopwatch
from finescale.store.publishing import clear_place, publish, restore, scratch_folder
from finescale.store.recipes import PATH_DIGITS, Recipe

REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
)


@dataclass(frozen=True)
class Job:
    """One recipe being made: read `parameters` and `inputs`, write files into `out`.

    `resume` is a folder for unfinished work that outlives an interrupted run.
    """

    store: Store
    recipe: Recipe
    out: Path
    resume: Path

    @property
    def parameters(self) -> Any:
        return self.recipe.parameters

    def inputs(self, role: str) -> list[Artifact]:
        return [self._opened[reference] for reference in self.recipe.inputs[role]]

    def input(self, role: str) -> Artifact:
        (artifact,) = self.inputs(role)
        return artifact

    @cached_property
    def _opened(self) -> dict[str, Artifact]:
        return {item: self.store.open(item) for item in self.recipe.input_references()}

    @property
    def opened(self) -> list[Artifact]:
        return list(self._opened.values())


def make_artifact(
    store: Store, recipe: Recipe, make: Callable[[Job], None], label: str = ""
) -> None:
    """Make and publish the artifact of `recipe`, unless it is complete already.

    `label` is what people call the artifact; it is kept beside the provenance.
    """
    stopwatch = Stopwatch()
    resume_folder = store.root.parent / "resume" / recipe.digest[:PATH_DIGITS]
    with resume.hold(resume_folder):
        if not restore(store, recipe):
            clear_place(store, recipe)
            with scratch_folder(store, recipe) as scratch:
                job = Job(store, recipe, scratch, resume_folder)
                make(job)
                provenance = {"label": label, **stopwatch.provenance()}
                publish(store, recipe, scratch, job.opened, provenance)
        resume.release_for_good(resume_folder)


def read_recipe(path: Path) -> tuple[Recipe, str]:
    """Read a recipe file: the recipe and its label.

    UserError when there is no file, or when it is not a recipe.
    """
    try:
        content = json.loads(path.read_text())
        return Recipe.from_dict(content["recipe"]), content["label"]
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such recipe. `snakemake` writes recipes at its start."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not a recipe. Delete it; `snakemake` writes it again.") from None


def refused_by_the_disk(error: BaseException | None) -> str | None:
    """What the disk did not allow, if an error comes from that; None for all other errors.

    Libraries in other languages have errors of their own, so the system's words are looked for.
    """
    while error is not None:
        if any(os.strerror(code) in str(error) for code in REFUSALS):
            return str(error)
        error = error.__cause__ or error.__context__
    return None


def run_job(make: Callable[[Job], None], preload: Sequence[str] = ()) -> None:
    """The command line of a stage program: `python workflow/scripts/STAGE.py RECIPE`.

    `preload` names heavy modules that `make` imports; where a fork server runs, it has them.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("recipe", type=Path, help="a recipe file, results/recipes/DIGEST.json")
    parser.add_argument("--store", type=Path, default=Path("results/store"))
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if preload and (status := forkserver.run_forked(preload)) is not None:
        sys.exit(status)
    try:
        recipe, label = read_recipe(arguments.recipe)
        make_artifact(Store(arguments.store), recipe, make, label)
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        reason = refused_by_the_disk(error)
        if reason is None:
            raise
        sys.exit(
            f"error: {reason}\n"
            f"Nothing was published. Make room and give leave to write below {arguments.store}, "
            "then run snakemake again."
        )
