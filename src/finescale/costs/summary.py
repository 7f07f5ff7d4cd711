"""What a study costs in all: by stage, by kind of run, and how long it takes on so many GPUs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from finescale.costs.fitting_in import Misfit, misfit
from finescale.costs.job import JobCost
from finescale.costs.jobs import Costs
from finescale.store import MANIFEST, Recipe
from finescale.store.recipes import PATH_DIGITS
from finescale.study.keeping import HEAVY
from finescale.study.plan import Plan


@dataclass
class Total:
    """Sums over the jobs that are still to do, but for the first two counts.

    `device_memory_bytes` is the largest of a device, `longest_hours` the longest job;
    `wall_hours` the time that all take on the study's GPUs.
    """

    jobs: int = 0
    complete: int = 0
    to_do: int = 0
    flops: float = 0.0
    gpu_hours: float = 0.0
    device_memory_bytes: float = 0.0
    disk_bytes: float = 0.0
    longest_hours: float = 0.0
    wall_hours: float = 0.0
    devices: int = 0

    def add(self, cost: JobCost) -> None:
        """Count one more job that is to do."""
        self.to_do += 1
        self.flops += cost.flops
        self.gpu_hours += cost.gpu_hours
        self.disk_bytes += cost.disk_bytes
        self.device_memory_bytes = max(self.device_memory_bytes, cost.device_memory_bytes)
        self.longest_hours = max(self.longest_hours, cost.wall_hours)
        self.devices = max(self.devices, cost.devices)


@dataclass
class Summary:
    """The cost of a study on `gpus` GPUs.

    `stages` are in the order of planning; `runs` are the training and generating jobs by stage,
    model size, and method or suite. `unfinished_bytes` are of the largest unfinished job.
    """

    gpu: str
    gpus: int
    stages: dict[str, Total] = field(default_factory=dict)
    runs: dict[tuple[str, str, str], Total] = field(default_factory=dict)
    total: Total = field(default_factory=Total)
    misfits: list[Misfit] = field(default_factory=list)
    unfinished_bytes: float = 0.0
    unknown_files: int = 0  # raw files to fetch whose size nobody declared

    @property
    def light_bytes(self) -> float:
        """What is left of the disk space when heavy files are stripped."""
        light = (total for stage, total in self.stages.items() if stage not in HEAVY)
        return sum(total.disk_bytes for total in light)


def summarize(costs: Costs, store: Path, gpus: int) -> Summary:
    """The cost of what Snakemake would make: all that is missing for the study's views."""
    plan, summary = costs.plan, Summary(costs.hardware.gpu.name, gpus)
    complete = set(_complete(plan, store))
    for reference, recipe in plan.recipes.items():
        for total in (summary.stages.setdefault(recipe.stage, Total()), summary.total):
            total.jobs += 1
            total.complete += reference in complete
    needed = _needed(plan, complete)
    wanted = {key: costs.of(recipe) for key, recipe in plan.recipes.items() if key in needed}
    misfits: dict[tuple[str, str, str], Misfit | None] = {}
    for reference, cost in wanted.items():
        recipe = plan.recipes[reference]
        summary.stages[recipe.stage].add(cost)
        summary.total.add(cost)
        summary.unfinished_bytes = max(summary.unfinished_bytes, cost.unfinished_bytes)
        if recipe.stage == "source" and not recipe.parameters["size"]:
            summary.unknown_files += 1
        if cost.devices:
            group = _group(recipe, costs)
            run = summary.runs.setdefault(group, Total())
            larger = cost.device_memory_bytes > run.device_memory_bytes
            run.add(cost)
            if larger:
                misfits[group] = misfit(recipe, costs, gpus)
    summary.misfits = [found for found in misfits.values() if found]
    _schedule(summary, plan, wanted)
    return summary


def _complete(plan: Plan, store: Path) -> Iterator[str]:
    """References of the planned artifacts that are in the store."""
    for stage in {recipe.stage for recipe in plan.recipes.values()}:
        there = {path.parent.name for path in (store / stage).glob(f"*/{MANIFEST}")}
        for reference, recipe in plan.recipes.items() if there else ():
            if recipe.stage == stage and recipe.digest[:PATH_DIGITS] in there:
                yield reference


def _needed(plan: Plan, complete: set[str]) -> set[str]:
    """What is missing for the views; a complete artifact needs nothing."""
    needed: set[str] = set()
    waiting = [view.reference for view in plan.views]
    while waiting:
        reference = waiting.pop()
        if reference not in needed and reference not in complete:
            needed.add(reference)
            waiting += plan.needed(reference)
    return needed


def _group(recipe: Recipe, costs: Costs) -> tuple[str, str, str]:
    parameters = recipe.parameters
    what = parameters.get("method") or parameters.get("suite") or ""
    return recipe.stage, "" if recipe.stage == "score" else costs.size(recipe), what


def _schedule(summary: Summary, plan: Plan, wanted: dict[str, JobCost]) -> None:
    """Time on the GPUs: what they can do at most, or the longest chain of jobs, if that is longer.

    No schedule is faster than both, and one that starts a job whenever there is room for it comes
    near the larger one where jobs are many and have few devices.
    """
    ends: dict[str, float] = {}
    within: dict[str, float] = {}

    def end(reference: str) -> tuple[float, float]:
        """Hours from the start to the job's end: over all jobs, over those of its stage."""
        if reference not in ends:
            before = [(item, end(item)) for item in plan.needed(reference) if item in wanted]
            stage, own = plan.recipes[reference].stage, wanted[reference].wall_hours
            ends[reference] = own + max((hours for _, (hours, _) in before), default=0.0)
            same = (hours for item, (_, hours) in before if plan.recipes[item].stage == stage)
            within[reference] = own + max(same, default=0.0)
        return ends[reference], within[reference]

    for reference in wanted:
        hours, hours_of_stage = end(reference)
        summary.total.wall_hours = max(summary.total.wall_hours, hours)
        stage = summary.stages[plan.recipes[reference].stage]
        stage.wall_hours = max(stage.wall_hours, hours_of_stage)
    for total in (summary.total, *summary.stages.values(), *summary.runs.values()):
        total.wall_hours = max(total.wall_hours, total.gpu_hours / summary.gpus)
