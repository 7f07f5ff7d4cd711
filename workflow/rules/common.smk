import gc
import os
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from finescale.errors import UserError
from finescale.store import MANIFEST, forkserver
from finescale.store.recipes import folder_name
from finescale.study.build import plan_study
from finescale.study.outstanding import Outstanding
from finescale.study.recipe_files import write_index, write_recipe_files

# A large DAG is millions of objects that stay: looking among them for garbage takes an eighth of
# the time of planning. When jobs start, Snakefile turns it on again for what comes then.
gc.disable()

ROOT = Path(workflow.basedir)
PYTHON = shlex.quote(sys.executable)
STORE = Path("results/store")

try:
    plan = plan_study(
        config,
        schema=ROOT / "workflow/schemas/config.schema.yaml",
        sources_file=ROOT / "config/sources.yaml",
        name=", ".join(map(str, workflow.configfiles)) or "config",
    )
except UserError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    digest="[0-9a-f]{20}",
    study=plan.study,


def manifest(reference):
    """The one file of an artifact that Snakemake sees."""
    return f"{STORE}/{folder_name(reference)}/{MANIFEST}"


def planned(stage, digest):
    """The recipe of a requested artifact."""
    try:
        return plan.by_path(stage, digest)
    except KeyError:
        raise WorkflowError(
            f"study {plan.study} plans no {stage} {digest}; "
            f"results/{plan.study}/index.csv lists what it plans"
        ) from None


@cache
def is_complete(reference):
    """Whether an artifact was there when this Snakemake process parsed the workflow."""
    return os.path.exists(manifest(reference))


outstanding = Outstanding(plan, is_complete)


def inputs_of(stage):
    """Input function of a stage: nothing once the artifact is complete, so that only what is
    missing is made and mtimes mean nothing."""

    def inputs(wildcards):
        reference = planned(stage, wildcards.digest).reference
        if is_complete(reference):
            return []
        return ancient([manifest(item) for item in outstanding.before(reference)])

    return inputs


def label_of(stage):
    def label(wildcards):
        return plan.labels[planned(stage, wildcards.digest).reference]

    return label


def write_recipes():
    """Jobs read their recipes from files, written when a run starts, never at parse time."""
    write_recipe_files(plan, Path("results/recipes"))
    write_index(plan, Path(f"results/{plan.study}/index.csv"))


def shown(path):
    """Reference of the artifact that a view shows."""
    for view in plan.views:
        if view.path == path:
            return view.reference
    name = Path(path).stem
    missing = plan.unsupported.get(name, "it plans nothing of that name")
    raise WorkflowError(f"{path} is not part of study {plan.study}: {missing}")


def view_input(pattern):
    """Input function of a view: the artifact it shows, unless that is complete."""

    def inputs(wildcards):
        path = pattern.format(**wildcards)
        artifact = manifest(shown(path))
        if is_stale(path):
            # As --forcerun would: the view may be younger than the artifact it should show (the
            # config went from A to B and back), so Snakemake's mtimes cannot tell.
            workflow.dag.forcefiles.add(path)
        return [] if is_complete(shown(path)) else ancient(artifact)

    return inputs


def is_stale(path):
    """Whether a view exists and is not a link to the planned artifact."""
    folder = STORE / folder_name(shown(path))
    return Path(path).exists() and Path(path).resolve().parent != folder.resolve()


def view_folder(pattern):
    return lambda wildcards: STORE / folder_name(shown(pattern.format(**wildcards)))
