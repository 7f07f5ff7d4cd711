import gc
import os
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from finescale.errors import UserError
from finescale.store import MANIFEST, Store, forkserver
from finescale.store.recipes import folder_name
from finescale.study.build import plan_study
from finescale.study.keeping import needs_again, opened_by
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


def is_there(reference):
    return os.path.exists(manifest(reference))


# Complete artifacts that lack files which this run opens: `finescale gc --strip` dropped them.
AGAIN = (
    frozenset() if workflow.remote_exec else needs_again(plan, Store(STORE), is_there)
)


@cache
def is_complete(reference):
    """Whether an artifact was there, and whole enough, when this process parsed the workflow."""
    return reference not in AGAIN and is_there(reference)


outstanding = Outstanding(plan, is_complete)


def inputs_of(stage):
    """Input function of a stage: nothing once the artifact is complete, so that only what is
    missing is made and mtimes mean nothing."""

    def inputs(wildcards):
        reference = planned(stage, wildcards.digest).reference
        if is_complete(reference):
            return []
        if reference in AGAIN:
            workflow.dag.forcefiles.add(manifest(reference))
        before = outstanding.before(reference)
        if not AGAIN:
            return ancient(list(map(manifest, before)))
        opened = opened_by(plan.recipes[reference], plan.recipes)
        again = AGAIN.intersection([*before, *opened])
        others = [item for item in before if item not in again]
        # again not as ancient: Snakemake would skip a job whose input is only made once more
        return [*map(manifest, sorted(again)), *ancient(list(map(manifest, others)))]

    return inputs


def label_of(stage):
    def label(wildcards):
        return plan.labels[planned(stage, wildcards.digest).reference]

    return label


def write_recipes():
    """Jobs read their recipes from files, written when a run starts, never at parse time."""
    write_recipe_files(plan, Path("results/recipes"))
    write_index(plan, Path(f"results/{plan.study}/index.csv"))


def refuse_unpinned():
    """Stop a run that needs raw files which nobody has pinned, before its first job."""
    from finescale.corpora.sources import not_pinned
    from finescale.study.source_files import read_sources

    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "source"]
    files = [planned("source", job.wildcards.digest).parameters for job in jobs]
    if names := sorted(file["name"] for file in files if file["sha256"] is None):
        sources = read_sources(ROOT / "config/sources.yaml", ROOT)
        raise WorkflowError(str(not_pinned(names, sources)))


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
