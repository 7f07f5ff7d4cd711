"""From a completed config to its plan."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finescale.errors import UserError, refuse_mistakes
from finescale.study import grid
from finescale.study.checks import check_meaning
from finescale.study.config import complete_config
from finescale.study.data import DataPlanner
from finescale.study.plan import Plan, View
from finescale.study.results import ResultPlanner
from finescale.study.runs import RunPlanner
from finescale.study.sources import Pin, pin_of, read_sources

# Drawn only where the grid supports them.
NEEDS_A_GRID = (
    ("figure", "figure3"),
    ("figure", "figure4"),
    ("figure", "figure5"),
    ("table", "table5"),
)


def plan_study(raw_config: Any, schema: Path, sources_file: Path, name: str) -> Plan:
    """Check a config and plan everything that follows from it. UserError for mistakes in it."""
    config = complete_config(raw_config, schema, name)
    pins = _pins(config, sources_file, name)
    check_meaning(config, pins, name)
    plan = Plan(config["study"])
    data = DataPlanner(plan, config, pins)
    runs = RunPlanner(plan, config, data)
    results = ResultPlanner(plan, config)

    points, fits = {}, {}
    for task in config["tasks"]:
        points[task] = results.points(task, runs.finetunings(task))
        fits[task] = results.fit(task, points[task])
        data.zero_shot_sets(task)
    laws = {
        family: results.pretraining_law(
            family,
            {
                size: runs.base_model(family, size, int(settings["pretraining_tokens"]))
                for size in grid.sizes_of_family(config, family)
            },
        )
        for family, settings in config["families"].items()
    }
    runs.order_checkpoints()
    _draw(results, points, fits, laws)
    results.drawing("table", "table1", {}, tasks=results.task_rows(pins))
    joined = results.joined_points(list(points.values()))
    plan.views.append(View(f"results/{plan.study}/points.csv", joined, "points.csv"))
    return plan


def _pins(config: Mapping[str, Any], sources_file: Path, name: str) -> dict[str, Pin]:
    """What pins each raw file that the config names; UserError for those that nobody declares."""
    sources = read_sources(sources_file, sources_file.parents[1])
    pins, mistakes = {}, []
    for key, dataset in _datasets(config):
        for raw in dataset["raw"]:
            try:
                pins[raw] = pin_of(raw, sources, sources_file)
            except UserError as error:
                mistakes.append(f"`{key}.raw`: {error}")
    refuse_mistakes(name, mistakes)
    return pins


def _datasets(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every dataset of a config with its key."""
    for language, dataset in config["text"].items():
        yield f"text.{language}", dataset
    for name, task in config["tasks"].items():
        for split in ("train", "dev"):
            yield f"tasks.{name}.{split}", task[split]
        for kind in ("test", "zero_shot"):
            for key, dataset in task[kind].items():
                yield f"tasks.{name}.{kind}.{key}", dataset


def _draw(
    results: ResultPlanner,
    points: Mapping[str, str],
    fits: Mapping[str, str],
    laws: Mapping[str, str],
) -> None:
    """Plan the figures and tables that the grid supports, and say what the others lack."""
    config, first = results.config, next(iter(results.config["tasks"]))
    everything = {"points": list(points.values()), "fits": list(fits.values())}
    of_first = {"points": [points[first]], "fits": [fits[first]]}
    results.drawing("figure", "figure1", of_first)
    results.drawing("figure", "figure2", everything)
    missing = _missing(config)
    for stage, name in NEEDS_A_GRID:
        if name in missing:
            results.plan.unsupported[name] = missing[name]
        else:
            results.drawing(stage, name, everything)
    results.drawing("figure", "figure10", {"laws": list(laws.values())})
    results.drawing("table", "table2", of_first)
    results.drawing("table", "table3", {}, model_sizes=config["model_sizes"])
    results.drawing("table", "table4", {"fits": list(fits.values())})
    results.drawing("table", "table6", everything)


def _missing(config: Mapping[str, Any]) -> dict[str, str]:
    """What no task of the study has, by the figure or table that needs it."""
    tasks = list(config["tasks"].values())
    missing = {}
    if not any(_varies(task, "pretraining_tokens") for task in tasks):
        missing["figure3"] = "no task has two or more pretraining_tokens"
    if not any(_varies_pet_size(task) for task in tasks):
        missing["figure4"] = "no task has two or more pet_parameter_size values"
    if not any(_compares_methods(task) for task in tasks):
        needs = "two or more methods and two or more values of llm_model_size or pretraining_tokens"
        missing |= dict.fromkeys(("figure5", "table5"), f"no task has {needs}")
    return missing


def _varies(task: Mapping[str, Any], factor: str) -> bool:
    return len(task["grid"][factor]["values"]) > 1


def _compares_methods(task: Mapping[str, Any]) -> bool:
    varied = any(_varies(task, factor) for factor in ("llm_model_size", "pretraining_tokens"))
    return varied and len(grid.methods_of(task)) > 1


def _varies_pet_size(task: Mapping[str, Any]) -> bool:
    axes = task["grid"]["pet_parameter_size"]
    return any(len(axes.get(method, {"values": []})["values"]) > 1 for method in grid.PET_METHODS)
