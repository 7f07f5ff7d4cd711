"""The plan of a preview: a study's results, from those of its runs that are complete so far.

Every result of the study is planned again from the inputs that there are. One that lacks nothing
keeps its digest; drawings get a stamp, so theirs are never those of the study.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import compress
from pathlib import PurePosixPath
from typing import Any

from finescale.store import Recipe
from finescale.study.drawings import DRAWN_FROM_SUITES, lacking, tasks_with
from finescale.study.grid import Cell, with_cells
from finescale.study.plan import Plan, View
from finescale.study.suites import LOSS, shown_score

RUNS = {  # as people say
    "finetune": "run",
    "pretrain": "base model",
    "checkpoint": "base model",
    "generate": "generation",
    "loss": "later measurement",
}
# Stages whose parameter `rows` describes the inputs of one role, in their order.
ROLES = {"points": "runs", "score": "outputs", "search": "runs", "pretraining_law": "models"}
DRAWINGS = ("figure", "table", "search", "report")
GIVEN = (*RUNS, "card")  # stages whose artifacts are taken as they are, where they are complete
RESULTS = (*ROLES, "later_points", "fit", "joined_points", *DRAWINGS)  # every stage after the runs
FACTORS_DRAWN = {name: factor for _, name, _, factor in DRAWN_FROM_SUITES}
# A metric that takes torch and, in a large study, days; and what else a figure can show.
NETWORK, STAND_INS = "bleurt", ("chrf", "rougeL_unicode", "rougeL_ascii", "bleu")


@dataclass(frozen=True)
class Preview:
    """What can be made: recipes, and views whose paths are relative to the preview's folder.

    `origins` leads from each recipe to the one of the study that it stands for. By the name of a
    drawing, `shares` says what it is made from (`97 of 114 runs`) and `without` what is left out.
    """

    plan: Plan
    origins: dict[str, str] = field(default_factory=dict)
    shares: dict[str, str] = field(default_factory=dict)
    without: dict[str, list[str]] = field(default_factory=dict)


class _NotYet(Exception):
    """Why a result cannot be made."""


def plan_preview(
    plan: Plan, config: Mapping[str, Any], complete: Collection[str], failed: Mapping[str, str]
) -> Preview:
    """What of a study's plan can be made from the artifacts that are `complete`.

    `failed` names results of the study that could not be made after all, with the reason; the
    others are planned without them. `config` is the study's, completed.
    """
    reduction = _Reduction(plan, config, complete)
    for reference, recipe in plan.recipes.items():
        if recipe.stage in RESULTS:
            reduction.take_over(reference, recipe, failed.get(reference))
    return reduction.preview


class _Reduction:
    """Goes through a study's results in the order of the plan, inputs before what needs them."""

    def __init__(self, plan: Plan, config: Mapping[str, Any], complete: Collection[str]) -> None:
        self.plan, self.config, self.complete = plan, config, complete
        self.preview = Preview(Plan(plan.study, unsupported=dict(plan.unsupported)))
        # from what the study has to what the preview takes instead
        self.taken = {item: item for item in complete if _stage(item) in GIVEN}
        self.reasons: dict[str, str] = {}  # of what the preview lacks
        self.behind: dict[str, frozenset[str]] = {}  # the runs that a result is made from
        self.cells = dict(_cells(plan))
        self.views: dict[str, list[View]] = {}
        for view in plan.views:
            self.views.setdefault(view.reference, []).append(view)

    def take_over(self, reference: str, recipe: Recipe, failure: str | None) -> None:
        """Plan the preview's version of a result, or note why there is none."""
        self.behind[reference] = self._runs_behind(recipe)
        try:
            if failure:
                raise _NotYet(failure)
            reduced = self._reduced(recipe)
        except _NotYet as reason:
            self.reasons[reference] = str(reason)
            if recipe.stage in DRAWINGS:
                self.preview.plan.unsupported[self._name(reference)] = str(reason)
            return
        if recipe.stage in DRAWINGS:
            reduced = self._stamped(reference, reduced)
        label = self.plan.labels[reference]
        made = self.preview.plan.add(recipe.stage, label, reduced.parameters, reduced.inputs)
        self.behind[made] = self._runs_behind(reduced)
        self.taken[reference], self.preview.origins[made] = made, reference
        prefix = f"results/{self.plan.study}/"
        self.preview.plan.views += [
            View(view.path.removeprefix(prefix), made, view.file)
            for view in self.views.get(reference, ())
        ]

    def _name(self, reference: str) -> str:
        return PurePosixPath(self.views[reference][0].path).stem

    def _runs_behind(self, recipe: Recipe) -> frozenset[str]:
        items = list(recipe.input_references())
        runs = frozenset(item for item in items if _stage(item) in RUNS)
        return runs.union(*(self.behind[item] for item in items if _stage(item) in RESULTS))

    def _stamped(self, reference: str, reduced: Recipe) -> Recipe:
        """A drawing that says on its face how much of the study it shows."""
        # Tables 1 and 3 show no run; they say how far the study is.
        planned = self.behind[reference] or frozenset(self.cells)
        shown = self._runs_behind(reduced) or planned.intersection(self.complete)
        share = _share(shown, planned)
        self.preview.shares[self._name(reference)] = share
        return replace(reduced, parameters={**reduced.parameters, "stamp": f"preview: {share}"})

    def _reduced(self, recipe: Recipe) -> Recipe:
        """The recipe with the inputs that there are. Raises _NotYet where that makes no sense."""
        if recipe.stage in ROLES:
            return self._of_runs(recipe)
        if recipe.stage == "later_points":
            return self._of_losses(recipe)
        if recipe.stage in ("figure", "table"):
            return self._drawing(recipe)
        inputs = {role: self._there(items) for role, items in recipe.inputs.items()}
        if not inputs["points"]:
            raise self._lost(recipe.inputs["points"])
        if recipe.stage == "report":
            return replace(recipe, parameters=self._of_report(recipe), inputs=inputs)
        return replace(recipe, inputs=inputs)

    def _lost(self, items: Iterable[str]) -> _NotYet:
        """For want of these inputs."""
        reasons = (self.reasons[item] for item in items if item in self.reasons)
        return _NotYet("; ".join(dict.fromkeys(reasons)))

    def _there(self, items: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.taken[item] for item in items if item in self.taken)

    def _of_runs(self, recipe: Recipe) -> Recipe:
        """Points, scores, a search, laws of base models: the rows of the complete runs."""
        role = ROLES[recipe.stage]
        runs = recipe.inputs[role]
        inputs = {**recipe.inputs, role: self._there(runs)}
        if not inputs[role]:
            what, whose = RUNS[_stage(runs[0])], self.plan.labels[recipe.reference]
            raise _NotYet(f"no complete {what} of {whose}")
        rows = list(compress(recipe.parameters["rows"], [run in self.taken for run in runs]))
        reduced = replace(recipe, parameters={**recipe.parameters, "rows": rows}, inputs=inputs)
        if "learned" not in inputs or reduced.reference in self.complete:
            return reduced
        return _without_network(reduced)

    def _of_losses(self, recipe: Recipe) -> Recipe:
        """Later points: the runs that are measured, beside their own points."""
        (points,), losses = recipe.inputs["points"], recipe.inputs["losses"]
        whole = self.plan.recipes[points]
        runs = whole.inputs["runs"]
        both = zip(runs, losses, strict=True)
        keep = [run in self.taken and loss in self.taken for run, loss in both]
        if not any(keep):
            raise _NotYet(f"no complete later measurement of {self.plan.labels[points]}")
        rows = list(compress(whole.parameters["rows"], keep))
        inputs = {**whole.inputs, "runs": list(compress(runs, keep))}
        parameters = {**whole.parameters, "rows": rows}
        made = self.preview.plan.add("points", self.plan.labels[points], parameters, inputs)
        self.behind[made] = frozenset(inputs["runs"])
        self.preview.origins.setdefault(made, points)
        measured = {"points": (made,), "losses": tuple(compress(losses, keep))}
        return replace(recipe, inputs=measured)

    def _drawing(self, recipe: Recipe) -> Recipe:
        """A figure or table, from the tasks (or families) that have all that it needs of them."""
        if not recipe.inputs:
            return recipe
        groups = list(zip(*recipe.inputs.values(), strict=True))
        keep = [all(item in self.taken for item in group) for group in groups]
        if not any(keep):
            raise self._lost(recipe.input_references())
        name = recipe.parameters["name"]
        if "points" in recipe.inputs:
            keep = self._supported(recipe, keep)
        inputs = {
            role: self._there(list(compress(items, keep))) for role, items in recipe.inputs.items()
        }
        left = [group[-1] for group, kept in zip(groups, keep, strict=True) if not kept]
        self.preview.without[name] = [self.plan.labels[item] for item in left]
        parameters = dict(recipe.parameters)
        if "scores" in inputs:
            tasks = compress(parameters["tasks"], keep)
            parameters["tasks"] = self._as_scored(tasks, inputs["scores"])
        return replace(recipe, parameters=parameters, inputs=inputs)

    def _supported(self, recipe: Recipe, keep: Sequence[bool]) -> list[bool]:
        """Which tasks a figure draws, by the rules for a study whose grid has complete runs alone.

        Raises _NotYet with what all tasks lack.
        """
        name, role = recipe.parameters["name"], "scores" if "scores" in recipe.inputs else "points"
        tasks = [self.plan.recipes[item].parameters["task"] for item in recipe.inputs["points"]]
        cells = {
            task: [self.cells[run] for run in self._finetunings(self.taken[item])]
            for task, item, kept in zip(tasks, recipe.inputs[role], keep, strict=True)
            if kept
        }
        config = with_cells(self.config, cells)
        if reason := lacking(config, name):
            raise _NotYet(f"among the complete runs, {reason}")
        if role == "points":
            return list(keep)
        drawn = tasks_with(config, recipe.parameters["tasks"][0]["suite"], FACTORS_DRAWN[name])
        return [task in drawn for task in tasks]

    def _finetunings(self, made: str) -> Iterator[str]:
        """The finetunings whose results or outputs a table of the preview has."""
        for item in self.preview.plan.recipes[made].input_references():
            if _stage(item) == "finetune":
                yield item
            elif _stage(item) in ("generate", "loss"):
                yield from self.plan.recipes[item].inputs.get("model", ())

    def _of_report(self, recipe: Recipe) -> dict[str, Any]:
        """Parameters of the report: names of drawings and scores in the order of its inputs."""
        parameters = {**recipe.parameters, "unsupported": dict(self.preview.plan.unsupported)}
        for role in ("figures", "tables", "scores"):
            there = [item in self.taken for item in recipe.inputs[role]]
            parameters[role] = list(compress(parameters[role], there))
        scores = self._there(recipe.inputs["scores"])
        parameters["scores"] = self._as_scored(parameters["scores"], scores)
        return parameters

    def _as_scored(
        self, tasks: Iterable[Mapping[str, Any]], scores: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """What a drawing knows of its tasks, with a metric that their scores have."""
        recipes = (self.preview.plan.recipes[item] for item in scores)
        metrics = [recipe.parameters.get("metrics", (shown_score({}, LOSS),)) for recipe in recipes]
        return [
            task if task["score"] in has else {**task, "score": _stand_in(has)}
            for task, has in zip(tasks, metrics, strict=True)
        ]


def _stage(reference: str) -> str:
    return reference.split("/")[0]


def _cells(plan: Plan) -> Iterator[tuple[str, Cell]]:
    """Every finetuning of a study's tasks and its coordinates."""
    names = [column.name for column in fields(Cell)]
    for recipe in plan.recipes.values():
        if recipe.stage == "points":
            for row, run in zip(recipe.parameters["rows"], recipe.inputs["runs"], strict=True):
                yield run, Cell(**{name: row[name] for name in names})


def _share(shown: Collection[str], planned: Collection[str]) -> str:
    """How many of the planned runs are shown: `97 of 114 runs, 3 of 4 base models`."""
    parts = []
    for what in dict.fromkeys(RUNS.values()):
        there, of = (sum(RUNS[_stage(run)] == what for run in runs) for runs in (shown, planned))
        if of:
            parts.append(f"{there} of {of} {what}s")
    return ", ".join(parts)


def _without_network(recipe: Recipe) -> Recipe:
    """Scores without the metric that takes a network."""
    parameters = {name: value for name, value in recipe.parameters.items() if name != "learned"}
    parameters["metrics"] = [name for name in parameters["metrics"] if name != NETWORK]
    _stand_in(parameters["metrics"])
    inputs = {role: items for role, items in recipe.inputs.items() if role != "learned"}
    return replace(recipe, parameters=parameters, inputs=inputs)


def _stand_in(metrics: Collection[str]) -> str:
    for name in STAND_INS:
        if name in metrics:
            return name
    raise _NotYet(f"a preview does not score by {NETWORK}, and the study has no other metric")
