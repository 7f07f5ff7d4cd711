"""Running one recipe: what every program in `workflow/scripts/` shares."""

import argparse
import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from finescale import interruption, slurm
from finescale.errors import UserError
from finescale.launch import ALONE, CPU, Company, Hardware, Place, add_options
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
NO_MEMORY = (os.strerror(errno.ENOMEM), "can't allocate memory", "out of memory", "ALLOC_FAILED")
ON_DEVICE = ("CUDA", "CUBLAS", "OutOfMemoryError")
MORE_DEVICE_MEMORY = (
    "In the study's config, under `hardware` for this size of model, lower `micro_batch_tokens` or "
    "set `activation_checkpointing: true`, or raise `devices` with `strategy: fsdp`"
)
MORE_HOST_MEMORY = (
    "Raise the memory that the job may have (on a cluster --set-resources {stage}:mem_mb=MB, up to "
    "`host_memory_gib` of config/site.yaml); what trains on CPUs also takes less with a lower "
    "`micro_batch_tokens` under `hardware` in the study's config"
)


@dataclass(frozen=True)
class Job:
    """One recipe being made: read `parameters` and `inputs`, write files into `out`.

    `resume` is a folder for unfinished work that outlives an interrupted run. Of several processes
    in `company` only the leading one writes into either folder.
    """

    store: Store
    recipe: Recipe
    out: Path
    resume: Path
    hardware: Hardware = CPU
    company: Company = ALONE

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
        opened = {item: self.store.open(item) for item in self.recipe.input_references()}
        if not self.company.leads:  # the leading process checks the files for all
            for artifact in opened.values():
                artifact._checked.update(entry["name"] for entry in artifact.manifest["files"])
        return opened

    @property
    def opened(self) -> list[Artifact]:
        return list(self._opened.values())


def make_artifact(
    store: Store,
    recipe: Recipe,
    make: Callable[[Job], None],
    label: str = "",
    hardware: Hardware = CPU,
    company: Company = ALONE,
) -> None:
    """Make and publish the artifact of `recipe`, unless it is complete already.

    `label` is what people call the artifact; it is kept beside the provenance. Of several processes
    the leading one does this, and the others call `make` with it when there is something to make.
    """
    if not company.leads:
        folders = company.decide(lambda: None)
        if folders is not None:
            make(Job(store, recipe, *folders, hardware, company))
        return
    stopwatch = Stopwatch()
    resume_folder = store.root.parent / "resume" / recipe.digest[:PATH_DIGITS]
    with resume.hold(resume_folder):
        if restore(store, recipe):
            company.decide(lambda: None)
        else:
            clear_place(store, recipe)
            with scratch_folder(store, recipe) as scratch:
                folders = company.decide(lambda: (scratch, resume_folder))
                job = Job(store, recipe, *folders, hardware, company)
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


def out_of_memory(error: BaseException | None) -> str | None:
    """What could not be allocated, if an error comes from that; None for all other errors.

    Libraries are known by their words, torch's own class by its name: nothing is imported for this.
    """
    while error is not None:
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError) or any(
            word in said for word in (*NO_MEMORY, ON_DEVICE[-1])
        ):
            return said.splitlines()[0]
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def _memory_named(recipe: Recipe, label: str) -> Iterator[None]:
    """Say which job ran out of which memory, and what to change."""
    try:
        yield
    except Exception as error:
        said = out_of_memory(error)
        if said is None:
            raise
        on_device = any(word in said for word in ON_DEVICE)
        remedy = MORE_DEVICE_MEMORY if on_device else MORE_HOST_MEMORY.format(stage=recipe.stage)
        raise UserError(
            f"{recipe.stage} {label or recipe.digest[:PATH_DIGITS]} ran out of "
            f"{'device' if on_device else 'host'} memory ({said})\n"
            f"Nothing was published. {remedy}, then run snakemake again."
        ) from None


def run_job(
    make: Callable[[Job], None],
    preload: Sequence[str] = (),
    options: Iterable[str] = (),
    join: Callable[[Hardware, Place], AbstractContextManager[Company]] | None = None,
) -> None:
    """The command line of a stage program: `python workflow/scripts/STAGE.py RECIPE`.

    `preload` names heavy modules that `make` imports; where a fork server runs, it has them.
    `options` names the fields of `Hardware` that the program has options for. A program with `join`
    may be started as several processes, by torchrun or srun, which it brings together, and heeds
    signals as `finescale.interruption` says.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("recipe", type=Path, help="a recipe file, results/recipes/DIGEST.json")
    parser.add_argument("--store", type=Path, default=Path("results/store"))
    add_options(parser, options)
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    hardware = Hardware.of(arguments)
    with _messages(arguments.store):
        place = Place.of() if join else Place()
        if preload and place.ranks == 1:
            status = forkserver.run_forked(preload)
            if status is not None:
                sys.exit(status)
        if join:
            interruption.watch()
        together = join(hardware, place) if join else contextlib.nullcontext(ALONE)
        # messages once more inside: whoever leaves a company tells the others how
        with together as company, _messages(arguments.store):
            recipe, label = company.decide(lambda: read_recipe(arguments.recipe))
            if company.leads:
                slurm.name_job(label)
            with _memory_named(recipe, label):
                make_artifact(Store(arguments.store), recipe, make, label, hardware, company)


@contextlib.contextmanager
def _messages(store: Path) -> Iterator[None]:
    """Leave with one message where an error is the user's or the disk's."""
    try:
        yield
    except SystemExit as leaving:
        if leaving.code == os.EX_TEMPFAIL:  # interrupted
            slurm.cancel_job()
        raise
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        reason = refused_by_the_disk(error)
        if reason is None:
            raise
        sys.exit(
            f"error: {reason}\n"
            f"Nothing was published. Make room and give leave to write below {store}, "
            "then run snakemake again."
        )
