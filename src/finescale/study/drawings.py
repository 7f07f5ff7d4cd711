"""Which figures and tables a study's grid and suites support, and what the others lack."""

from collections.abc import Mapping
from typing import Any

from finescale.study import grid
from finescale.study.results import ResultPlanner
from finescale.study.suites import LOSS, drawn_factors, suites_of

# Drawn only where the grid supports them.
NEEDS_A_GRID = (
    ("figure", "figure3"),
    ("figure", "figure4"),
    ("figure", "figure5"),
    ("table", "table5"),
)
# Scores of a suite over a factor, Table 7 over everything.
DRAWN_FROM_SCORES = (
    ("figure", "figure6", "zero-shot", "llm_model_size"),
    ("figure", "figure7", "test", "llm_model_size"),
    ("figure", "figure8", "test", "pretraining_tokens"),
    ("figure", "figure9", "test", "pet_parameter_size"),
    ("figure", "figure11", "one-shot", "llm_model_size"),
    ("figure", "figure12", "five-shot", "llm_model_size"),
    ("figure", "figure13", "one-shot", "pretraining_tokens"),
    ("figure", "figure14", "five-shot", "pretraining_tokens"),
    ("table", "table7", "test", None),
)
# Not of the paper: drawn where test sets were added later, and missed nowhere else.
DRAWN_FROM_LOSSES = (
    ("figure", "loss-model-size", LOSS, "llm_model_size"),
    ("figure", "loss-pretraining-size", LOSS, "pretraining_tokens"),
    ("figure", "loss-pet-size", LOSS, "pet_parameter_size"),
)
DRAWN_FROM_SUITES = (*DRAWN_FROM_SCORES, *DRAWN_FROM_LOSSES)
Scores = Mapping[tuple[str, str], str]  # of a task and a suite


def draw_laws(
    results: ResultPlanner,
    points: Mapping[str, str],
    fits: Mapping[str, str],
    laws: Mapping[str, str],
) -> None:
    """Plan what is drawn from log-perplexity: Figures 1 to 5 and 10, Tables 2 to 6."""
    config, first = results.config, next(iter(results.config["tasks"]))
    everything = {"points": list(points.values()), "fits": list(fits.values())}
    of_first = {"points": [points[first]], "fits": [fits[first]]}
    results.drawing("figure", "figure1", of_first)
    results.drawing("figure", "figure2", everything)
    for stage, name in NEEDS_A_GRID:
        if reason := lacking(config, name):
            results.plan.unsupported[name] = reason
        else:
            results.drawing(stage, name, everything)
    if laws:
        results.drawing("figure", "figure10", {"laws": list(laws.values())})
    else:
        given = ", ".join(config["families"])
        results.plan.unsupported["figure10"] = f"base models of family {given} are not trained here"
    results.drawing("table", "table2", of_first)
    results.drawing("table", "table3", {}, model_sizes=config["model_sizes"])
    results.drawing("table", "table4", {"fits": list(fits.values())})
    results.drawing("table", "table6", everything)


def lacking(config: Mapping[str, Any], name: str) -> str | None:
    """What no task of a config has that a figure or table needs; None where nothing lacks."""
    tasks = list(config["tasks"].values())
    if name == "figure3" and not any(grid.varies(task, "pretraining_tokens") for task in tasks):
        return "no task has two or more pretraining_tokens"
    if name == "figure4" and not any(grid.varies(task, "pet_parameter_size") for task in tasks):
        return "no task has two or more pet_parameter_size values"
    if name in ("figure5", "table5") and not any(map(_compares_methods, tasks)):
        needs = "two or more methods and two or more values of llm_model_size or pretraining_tokens"
        return f"no task has {needs}"
    for _, drawing, suite, factor in DRAWN_FROM_SUITES:
        if name == drawing and not tasks_with(config, suite, factor):
            any_size = factor in (None, "llm_model_size")
            values = "" if any_size else f" and two or more {factor} values"
            return f"no task has the suite `{suite}`{values}"
    return None


def _compares_methods(task: Mapping[str, Any]) -> bool:
    varied = any(grid.varies(task, factor) for factor in ("llm_model_size", "pretraining_tokens"))
    return varied and len(grid.methods_of(task)) > 1


def tasks_with(config: Mapping[str, Any], suite: str, factor: str | None) -> list[str]:
    """The tasks that have a suite and draw it over a factor; over anything where it is None."""
    return [
        key
        for key, task in config["tasks"].items()
        if suite in suites_of(task) and factor in (None, *drawn_factors(task, suite))
    ]


def draw_scores(results: ResultPlanner, points: Mapping[str, str], scores: Scores) -> None:
    """Plan what is drawn from suites, each from the tasks that have its suite and factor."""
    for stage, name, suite, factor in DRAWN_FROM_SUITES:
        if suite == LOSS and not tasks_with(results.config, suite, factor):
            continue
        if reason := lacking(results.config, name):
            results.plan.unsupported[name] = reason
            continue
        drawn = tasks_with(results.config, suite, factor)
        inputs = {
            "scores": [scores[task, suite] for task in drawn],
            "points": [points[task] for task in drawn],
        }
        shown = [results.scored_task(task, suite) for task in drawn]
        results.drawing(stage, name, inputs, tasks=shown)
