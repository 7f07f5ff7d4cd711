"""Planning what comes after the runs: points, fits, figures, tables, and the study's views."""

from collections.abc import Mapping, Sequence
from typing import Any

from finescale.study import grid
from finescale.study.grid import Cell
from finescale.study.plan import Plan, View
from finescale.study.runs import method_settings
from finescale.study.sources import Sources, count_records
from finescale.study.suites import shown_score

DRAWN_AS = ("pdf", "png", "svg", "csv")


class ResultPlanner:
    """Adds the recipes of a study's results to a plan."""

    def __init__(self, plan: Plan, config: Mapping[str, Any]) -> None:
        self.plan = plan
        self.config = config

    def points(self, name: str, runs: Mapping[Cell, str]) -> str:
        """The table of one task."""
        task = self.config["tasks"][name]
        rows = [self._point_labels(cell, task) for cell in runs]
        parameters = {
            "study": self.config["study"],
            "task": name,
            "family": task["family"],
            "rows": rows,
        }
        return self.plan.add("points", name, parameters, {"runs": runs.values()})

    def _point_labels(self, cell: Cell, task: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "size": cell.size,
            "nominal_size": self._nominal(cell.size),
            "pretraining_tokens": cell.pretraining_tokens,
            "method": cell.method,
            "pet_parameter_size": cell.pet_parameter_size,
            "finetuning_examples": cell.finetuning_examples,
            "seed": cell.seed,
            "split": "held-out" if grid.is_held_out(cell, task) else "fit",
        }

    def _nominal(self, size: str | None) -> int | None:
        return None if size is None else int(self.config["model_sizes"][size]["nominal"])

    def joined_points(self, points: list[str]) -> str:
        """All tasks' points in one table."""
        parameters = {"study": self.config["study"]}
        return self.plan.add("joined_points", self.config["study"], parameters, {"points": points})

    def later_points_view(self, name: str, later_points: str) -> None:
        """Where people see the log-perplexity of a task's runs on its later test sets."""
        path = f"results/{self.plan.study}/later-{name}.csv"
        self.plan.views.append(View(path, later_points, "points.csv"))

    def fit(self, name: str, points: str) -> str:
        """The laws of one task."""
        task = self.config["tasks"][name]
        parameters = {
            "task": name,
            "title": task["title"],
            **self.config["laws"],
            "base": self._base(task),
        }
        return self.plan.add("fit", name, parameters, {"points": [points]})

    def _base(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """The value of each factor while another one moves."""
        return {
            "llm_model_size": self._nominal(grid.base_size(task)),
            "pretraining_tokens": grid.full_tokens(self.config, task),
            "pet_parameter_size": {
                method: grid.base_pet_size(self.config, method)
                for method in grid.methods_of(task)
                if method in grid.PET_METHODS
            },
        }

    def pretraining_law(self, family: str, models: Mapping[str, str]) -> str:
        """The laws of one family's base models, fully trained, by size."""
        settings = self.config["families"][family]
        out, tokens = settings["held_out"], grid.family_tokens(self.config, family)
        parameters = {
            "family": family,
            "rows": [
                {"size": size, "nominal_size": self._nominal(size), "pretraining_tokens": tokens}
                for size in models
            ],
            "base_size": grid.base_size_of_family(self.config, family),
            **self.config["laws"],
            "held_out": out | {"llm_model_size": self._nominal(out["llm_model_size"])},
        }
        return self.plan.add("pretraining_law", family, parameters, {"models": models.values()})

    def drawing(self, stage: str, name: str, inputs: Mapping[str, list[str]], **more: Any) -> None:
        """A figure or a table, and the views that show it."""
        parameters = {"name": name, "study": self.config["study"], **more}
        reference = self.plan.add(stage, name, parameters, inputs)
        self._show(f"{stage}s", name, reference, stage)

    def _show(self, folder: str, name: str, reference: str, stem: str) -> None:
        self.plan.views += [
            View(f"results/{self.plan.study}/{folder}/{name}.{ext}", reference, f"{stem}.{ext}")
            for ext in DRAWN_AS
        ]

    def scored_task(self, name: str, suite: str) -> dict[str, Any]:
        """What a drawing of scores says of a task."""
        task = self.config["tasks"][name]
        return {
            "task": name,
            "title": task["title"],
            "family": task["family"],
            "suite": suite,
            "score": shown_score(task, suite),
            "base": self._base(task),
            "model_size_as": self.config["laws"]["model_size_as"],
        }

    def search(self, runs: Sequence[tuple[Mapping[str, Any], str]]) -> None:
        """The comparison of learning rates and batches, and the views that show it."""
        name, methods = self.config["search"]["task"], self.config["search"]["methods"]
        settings = {method: method_settings(self.config, name, method) for method in methods}
        parameters = {
            "title": self.config["tasks"][name]["title"],
            "rows": [labels for labels, _ in runs],
            "used": {
                method: {key: values[key] for key in ("learning_rate", "batch_examples")}
                for method, values in settings.items()
            },
        }
        inputs = {"runs": [reference for _, reference in runs]}
        reference = self.plan.add("search", f"search on {name}", parameters, inputs)
        self._show("figures", "search", reference, "figure")

    def task_rows(self, sources: Sources) -> list[dict[str, Any]]:
        """What Table 1 says of each task."""
        return [
            {
                "task": name,
                "title": task["title"],
                "family": task["family"],
                "train_examples": count_records(task["train"]["raw"], sources),
                "max_source_tokens": task["max_source_tokens"],
                "max_target_tokens": task["max_target_tokens"],
                "test_sets": list(task["test"]),
                "zero_shot_sets": list(task["zero_shot"]),
                "grid": task["grid"],
            }
            for name, task in self.config["tasks"].items()
        ]
