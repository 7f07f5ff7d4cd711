from functools import cache

from finescale.costs import Costs, read_hardware
from finescale.costs.requests import resources as resources_of_job
from finescale.costs.requests import retries as retries_of_job
from finescale.costs.requests import text_workers
from finescale.costs.text import workers
from finescale.study.commands import Commands
from finescale.study.config import complete_config
from finescale.study.source_files import read_sources

# Of these runs, `-n` included, jobs ask for resources; others do not read config/site.yaml.
ON_CLUSTER = workflow.remote_exec or workflow.resource_settings.nodes is not None
RESOURCES = (
    "mem_mb",
    "runtime",
    "cpus_per_task",
    "gpu",
    "gres",
    "nodes",
    "tasks",
    "tasks_per_node",
    "tasks_per_gpu",
    "mpi",
    "slurm_partition",
    "slurm_account",
    "slurm_extra",
)


@cache
def completed_config():
    return complete_config(
        config, ROOT / "workflow/schemas/config.schema.yaml", "config"
    )


@cache
def costs():
    try:
        hardware = read_hardware(completed_config(), ROOT)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return Costs(plan, hardware, read_sources(ROOT / "config/sources.yaml", ROOT))


@cache
def commands():
    return Commands(plan, completed_config(), PYTHON, f"{ROOT}/workflow/scripts")


@cache
def requested(stage, digest, attempt):
    """What a job asks the cluster for."""
    return resources_of_job(planned(stage, digest), costs(), attempt)


def resource(stage, name):
    return lambda wildcards, attempt: requested(stage, wildcards.digest, attempt).get(
        name
    )


def resources_of(stage):
    """The resources of a stage's rule, as functions of its recipes."""
    return {name: resource(stage, name) for name in RESOURCES} if ON_CLUSTER else {}


def workers_of(stage):
    """Threads of a rule whose program takes --workers: as many as its text is worth."""

    def threads(wildcards):
        recipe = planned(stage, wildcards.digest)
        return text_workers(recipe, costs()) if ON_CLUSTER else workers(recipe, plan)

    return threads


def retries_of(stage):
    """How often Snakemake submits a job again that goes on where it was. The Snakemake inside of a
    job never does: it would start it again within the time that is left."""
    if workflow.remote_exec or not ON_CLUSTER:
        return 0
    recipes = [recipe for recipe in plan.recipes.values() if recipe.stage == stage]
    todo = [recipe for recipe in recipes if not is_complete(recipe.reference)]
    return max((retries_of_job(recipe, costs()) for recipe in todo), default=0)


def training_program(stage):
    """Params function: the program of a training run, started on its devices."""

    def program(wildcards):
        recipe = planned(stage, wildcards.digest)
        return commands().training(recipe, tasks_by_srun=ON_CLUSTER)

    return program


def asking_program(stage):
    """Params function: the program that asks a trained model."""
    return lambda wildcards: commands().asking(stage)
