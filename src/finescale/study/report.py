"""Planning the report: one page that shows everything else a study plans."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from finescale.study.plan import Plan, View

KINDS = ("figure", "table")


def plan_report(plan: Plan, config: Mapping[str, Any], joined_points: str) -> None:
    """Add the report of all that is planned so far, cards of the data included, and its view."""
    drawn = {kind: _drawn(plan, kind) for kind in KINDS}
    scores = _scores(plan)
    stages = {
        role: [reference for reference, recipe in plan.recipes.items() if recipe.stage == stage]
        for role, stage in (("fits", "fit"), ("cards", "card"))
    }
    parameters = {
        "study": plan.study,
        "config": _as_text(config),
        "unsupported": dict(plan.unsupported),
        "scores": list(scores.values()),
        **{f"{kind}s": list(names) for kind, names in drawn.items()},
    }
    inputs = {
        **stages,
        "points": [joined_points],
        "scores": list(scores),
        **{f"{kind}s": list(references.values()) for kind, references in drawn.items()},
    }
    reference = plan.add("report", plan.study, parameters, inputs)
    plan.views.append(View(f"results/{plan.study}/report.html", reference, "report.html"))


def _drawn(plan: Plan, kind: str) -> dict[str, str]:
    """What people see in `results/<study>/figures/` (or `tables/`): names and artifacts."""
    views = ((PurePosixPath(view.path), view.reference) for view in plan.views)
    return {
        path.stem: reference
        for path, reference in views
        if path.suffix == ".csv" and path.parent.name == f"{kind}s"
    }


def _scores(plan: Plan) -> dict[str, Mapping[str, Any]]:
    """The scores that a figure or table shows, and what it knows about them."""
    return {
        reference: task
        for recipe in plan.recipes.values()
        if recipe.stage in KINDS and "scores" in recipe.inputs
        for task, reference in zip(recipe.parameters["tasks"], recipe.inputs["scores"], strict=True)
    }


class _Dumper(yaml.SafeDumper):
    """YAML in which equal values are written out, not referred to."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _as_text(config: Mapping[str, Any]) -> str:
    """The config as a person would write it, in its own order, but for what changes no result."""
    config = {key: value for key, value in config.items() if key != "hardware"}
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
