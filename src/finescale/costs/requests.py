"""What a job asks a SLURM cluster for, from its cost and the settings of the site.

Names and values are those of the resources of Snakemake's SLURM plugin. GPUs are asked for in all,
memory and `gres` by node, CPUs by task; memory is in MB, times are in minutes.
"""

import math
from collections.abc import Mapping

from finescale.costs.hours import STORE_BYTES_PER_SECOND
from finescale.costs.job import JobCost
from finescale.costs.jobs import Costs
from finescale.costs.text import workers
from finescale.store import Recipe

Resources = Mapping[str, int | str]

MB = 1e6
LEAST_BYTES = 2e9  # of any job
DATA_BYTES = 4e9  # of a job that reads or encodes text: it streams
WORKER_BYTES = 3e8  # of each further process of such a job
MORE_BYTES = 0.5  # of the first attempt's memory, with each further one
MOST_GROWTH = 3.0
SLACK = 1.5  # estimated hours to asked-for hours
LEAST_MINUTES = 30
CPU_FLOPS = 1e10  # of one core, if models run on CPUs: a cautious figure
TEXT_BYTES_PER_SECOND = 1e6  # read, split or encoded by one core
WARNING_SECONDS = 180  # before the time limit, at least: SIGTERM, to save the state
SAVES = 2  # so many must be possible between the warning and the limit
MARGIN_RETRIES = 2  # of training: for what else may happen to a job
MOST_RETRIES = (
    30  # Snakemake, started once more, goes on; what fails for good is not tried 100 times
)


def resources(recipe: Recipe, costs: Costs, attempt: int) -> Resources:
    """The resources of one job; memory and time grow with the attempt, up to what there is."""
    cost, site = costs.of(recipe), costs.hardware.site
    gpus = cost.devices if _on_gpus(costs) else 0
    minutes = _minutes(_hours(recipe, cost, costs), attempt, site.queue_limit_hours)
    partition = site.partitions["gpu" if gpus else "cpu"]
    found: dict[str, int | str | None] = {
        "mem_mb": _megabytes(recipe, cost, costs, attempt),
        "runtime": minutes,
        "cpus_per_task": site.cpus_per_gpu if gpus else text_workers(recipe, costs),
        "slurm_partition": partition,
        "slurm_account": site.account,
        "slurm_extra": f"--signal=TERM@{_warning_seconds(cost, minutes)}",
        **_devices(gpus, cost, site.gpu_resource),
        **(_processes(cost) if cost.devices > 1 else {}),
    }
    return {name: value for name, value in found.items() if value is not None}


def text_workers(recipe: Recipe, costs: Costs) -> int:
    """Processes, each with a core, of a job that reads or encodes text; one of any other job."""
    return min(workers(recipe, costs.plan), costs.hardware.site.text_cpus)


def retries(recipe: Recipe, costs: Costs) -> int:
    """How often a job that goes on may be submitted again: for each time-out, and a few more."""
    hours = SLACK * _hours(recipe, costs.of(recipe), costs)
    needed = math.ceil(hours / costs.hardware.site.queue_limit_hours) - 1
    return min(needed + MARGIN_RETRIES, MOST_RETRIES)


def _on_gpus(costs: Costs) -> bool:
    return costs.hardware.config["hardware"]["accelerator"] == "gpu"


def _devices(gpus: int, cost: JobCost, resource: str) -> dict[str, int | str | None]:
    """GPUs as the cluster wants them asked for."""
    if not gpus:
        return {}
    if resource == "gres":
        return {"gres": f"gpu:{gpus // cost.nodes}", "nodes": cost.nodes}
    return {"gpu": gpus, "nodes": cost.nodes}


def _processes(cost: JobCost) -> dict[str, int | str | None]:
    """One task a device. The rule starts them: with `mpi` the plugin does not wrap it in srun."""
    of_node = cost.devices // cost.nodes
    tasks = {"tasks_per_node": of_node} if of_node > 1 else {"tasks": cost.devices}
    # 0: left out. With --gpus it would multiply the tasks.
    return {"mpi": "srun", "nodes": cost.nodes, "tasks_per_gpu": 0, **tasks}


def _megabytes(recipe: Recipe, cost: JobCost, costs: Costs, attempt: int) -> int:
    """Memory of one node, in MB."""
    more = WORKER_BYTES * (text_workers(recipe, costs) - 1)
    least = LEAST_BYTES if cost.devices else DATA_BYTES + more
    needed = max(least, cost.host_memory_bytes)
    if recipe.stage in ("generate", "loss") and not _on_gpus(costs):
        needed += cost.device_memory_bytes
    growth = min(1 + MORE_BYTES * (attempt - 1), MOST_GROWTH)
    most = costs.hardware.site.host_memory_gib * 2**30
    return math.ceil(max(needed, min(growth * needed, most)) / MB)


def _hours(recipe: Recipe, cost: JobCost, costs: Costs) -> float:
    if not cost.devices:
        speed = TEXT_BYTES_PER_SECOND * text_workers(recipe, costs)
        return _text_bytes(recipe, cost, costs) / speed / 3600
    if _on_gpus(costs):
        return cost.wall_hours
    return cost.wall_hours + cost.flops / (CPU_FLOPS * cost.devices) / 3600


def _text_bytes(recipe: Recipe, cost: JobCost, costs: Costs) -> float:
    """What a job of the CPU goes through: as much as it writes; a data card reads whole corpora."""
    if recipe.stage != "card":
        return cost.disk_bytes
    read = (costs.plan.recipes[item] for item in recipe.input_references())
    return sum(costs.of(each).disk_bytes for each in read if each.stage == "corpus")


def _minutes(hours: float, attempt: int, limit_hours: float) -> int:
    wanted = max(LEAST_MINUTES, 60 * SLACK * hours) * attempt
    return max(1, math.ceil(min(wanted, 60 * limit_hours)))


def _warning_seconds(cost: JobCost, minutes: int) -> int:
    """Seconds between SIGTERM and the time limit: at most a quarter of a short job."""
    saving = SAVES * cost.unfinished_bytes / STORE_BYTES_PER_SECOND
    return math.ceil(min(WARNING_SECONDS + saving, 15 * minutes))
