"""From a completed config to its plan."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finescale.errors import UserError, refuse_mistakes
from finescale.study import grid
from finescale.study.cards import plan_cards
from finescale.study.checks import check_meaning
from finescale.study.config import complete_config
from finescale.study.data import DataPlanner
from finescale.study.data_checks import datasets
from finescale.study.drawings import draw_laws, draw_scores
from finescale.study.plan import Plan, View
from finescale.study.report import plan_report
from finescale.study.results import ResultPlanner
from finescale.study.runs import RunPlanner
from finescale.study.source_files import read_sources
from finescale.study.sources import Sources
from finescale.study.suites import LOSS, SuitePlanner, suites_of


def plan_study(raw_config: Any, schema: Path, sources_file: Path, name: str) -> Plan:
    """Check a config and plan everything that follows from it. UserError for mistakes in it."""
    config = complete_config(raw_config, schema, name)
    sources = read_sources(sources_file, sources_file.parents[1])
    _check_raw_files(config, sources, name)
    check_meaning(config, sources, name)
    plan = Plan(config["study"])
    data = DataPlanner(plan, config, sources)
    runs = RunPlanner(plan, config, data)
    results = ResultPlanner(plan, config)
    suites = SuitePlanner(plan, config, data, runs)

    points, fits, scores = {}, {}, {}
    for task, settings in config["tasks"].items():
        finetunings = runs.finetunings(task)
        points[task] = results.points(task, finetunings)
        fits[task] = results.fit(task, points[task])
        for suite in suites_of(settings):
            if suite == LOSS:
                scores[task, suite] = suites.later_points(task, finetunings, points[task])
                results.later_points_view(task, scores[task, suite])
            else:
                scores[task, suite] = suites.scores(task, suite, finetunings)
    laws = {
        family: results.pretraining_law(
            family,
            {
                size: runs.base_model(family, size, grid.family_tokens(config, family))
                for size in grid.sizes_of_family(config, family)
            },
        )
        for family in grid.trained_families(config)
    }
    if "search" in config:
        results.search(runs.searched())
    runs.order_checkpoints()
    draw_laws(results, points, fits, laws)
    draw_scores(results, points, scores)
    results.drawing("table", "table1", {}, tasks=results.task_rows(sources))
    joined = results.joined_points(list(points.values()))
    plan.views.append(View(f"results/{plan.study}/points.csv", joined, "points.csv"))
    plan_cards(plan, config, data)
    plan_report(plan, config, joined)
    return plan


def _check_raw_files(config: Mapping[str, Any], sources: Sources, name: str) -> None:
    """UserError for raw files that the config names and nobody declares."""
    mistakes = []
    for key, raw in raw_files(config):
        try:
            for each in sources.expand(raw):
                sources.pin(each)
        except UserError as error:
            mistakes.append(f"`{key}`: {error}")
    refuse_mistakes(name, mistakes)


def raw_files(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every raw file that a config names, with the key that does."""
    for key, dataset in datasets(config):
        for raw in dataset["raw"]:
            yield f"{key}.raw", raw
    for family in config["families"]:
        for index, one in enumerate(config["families"][family].get("checkpoints", ())):
            yield f"families.{family}.checkpoints.{index}.source", one["source"]
    for name, raw in (config["generation"]["bleurt"] or {}).items():
        yield f"generation.bleurt.{name}", raw
