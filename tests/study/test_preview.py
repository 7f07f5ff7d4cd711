"""What of a study can be drawn, by what is complete, and what that leaves of its recipes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finescale.study.config import complete_config
from finescale.study.grid import cells, varies, with_cells
from finescale.study.plan import Plan
from finescale.study.preview import DRAWINGS, RESULTS, RUNS, Preview, plan_preview


class Study:
    """A plan, and its previews."""

    def __init__(self, config: dict[str, Any], schema: Any, plan: Callable[..., Plan]) -> None:
        self.config, self.plan = complete_config(config, schema, "study"), plan(config)
        self.runs = self.of(*RUNS)

    def of(self, *stages: str) -> set[str]:
        return {item for item, recipe in self.plan.recipes.items() if recipe.stage in stages}

    def called(self, *words: str) -> set[str]:
        """The runs whose labels have all these words."""
        return {run for run in self.runs if all(word in self.plan.labels[run] for word in words)}

    def result(self, stage: str, label: str) -> str:
        (found,) = [item for item in self.of(stage) if self.plan.labels[item] == label]
        return found

    def preview(self, complete: set[str], failed: dict[str, str] | None = None) -> Preview:
        return plan_preview(self.plan, self.config, complete, failed or {})


@pytest.fixture(scope="module")
def studies(config_files, schema, plan) -> dict[str, Study]:
    return {
        name: Study(copy.deepcopy(config), schema, plan) for name, config in config_files.items()
    }


@pytest.fixture
def demo(studies) -> Study:
    return studies["demo"]


def made(preview: Preview, stage: str, label: str):
    """The preview's recipe of a result; None if it has none."""
    found = [
        recipe
        for item, recipe in preview.plan.recipes.items()
        if recipe.stage == stage and preview.plan.labels[item] == label
    ]
    return found[0] if found else None


def labels(preview: Preview, recipe, role: str) -> list[str]:
    return [preview.plan.labels[item] for item in recipe.inputs[role]]


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_of_a_complete_study_nothing_but_the_drawings_is_made_anew(studies, name):
    study = studies[name]
    before = dict(study.plan.recipes)
    scores = study.of("score")
    preview = study.preview(study.runs | scores)
    assert study.plan.recipes == before
    others = [stage for stage in RESULTS if stage not in DRAWINGS]
    assert study.of(*others) == {i for i in preview.plan.recipes if i.split("/")[0] in others}
    assert not study.of(*DRAWINGS) & preview.plan.recipes.keys()
    assert {view.path for view in preview.plan.views} == {
        view.path.removeprefix(f"results/{name}/")
        for view in study.plan.views
        if view.reference not in study.of("card")
    }
    assert preview.plan.unsupported == study.plan.unsupported
    assert not any(preview.without.values())


def test_real_drawings_have_no_stamp_and_those_of_a_preview_say_how_much_they_show(demo):
    assert not any("stamp" in demo.plan.recipes[item].parameters for item in demo.of(*DRAWINGS))
    runs = len(demo.plan.recipes[demo.result("points", "help-en-de")].inputs["runs"])
    gone = demo.called("help-en-de lora 4 on S 1.64M tokens, 512 examples, seed 1")
    preview = demo.preview(demo.runs - gone)
    stamps = {
        recipe.parameters["name"]: recipe.parameters["stamp"]
        for recipe in preview.plan.recipes.values()
        if recipe.stage in ("figure", "table")
    }
    assert stamps["figure1"] == f"preview: {runs - 1} of {runs} runs"
    assert stamps["figure2"] == stamps["table4"] == stamps["table3"] == "preview: 306 of 307 runs"
    assert stamps["figure10"] == "preview: 9 of 9 base models"
    assert stamps["figure6"] == "preview: 218 of 219 runs, 113 of 114 generations"
    report = made(preview, "report", "demo").parameters["stamp"]
    assert report == "preview: 339 of 340 runs, 9 of 9 base models, 887 of 891 generations"


def test_of_nothing_just_the_tables_of_the_study_itself_are_left(demo):
    preview = demo.preview(set())
    assert {view.path for view in preview.plan.views if view.path.endswith("csv")} == {
        "tables/table1.csv",
        "tables/table3.csv",
    }
    missing = preview.plan.unsupported
    assert missing["figure1"] == "no complete run of help-en-de"
    assert missing["figure10"] == (
        "no complete base model of en-de; no complete base model of en-zh"
    )
    assert missing["search"] == "no complete run of search on help-en-de"
    assert "no complete generation of help-en-zh zero-shot" in missing["figure6"]
    assert "no complete run of help-summaries" in missing["report"]


def test_missing_seeds_are_rows_less_in_the_same_order(demo):
    gone = demo.called("seed 1") | demo.called("seed 2")
    assert gone
    preview = demo.preview(demo.runs - gone)
    whole = demo.plan.recipes[demo.result("points", "help-en-de")]
    part = made(preview, "points", "help-en-de")
    assert part.parameters["rows"] == [row for row in whole.parameters["rows"] if not row["seed"]]
    assert part.inputs["runs"] == tuple(run for run in whole.inputs["runs"] if run not in gone)
    other = demo.result("points", "help-en-zh")
    assert other in preview.plan.recipes  # lacks nothing, and keeps its digest


def test_without_the_base_size_what_is_drawn_around_it_is_named(demo):
    preview = demo.preview(demo.runs - demo.called(" on S "))
    missing = preview.plan.unsupported
    assert missing["figure3"].startswith("among the complete runs, no task has two or more pretr")
    assert "pet_parameter_size" in missing["figure4"]
    assert "pretraining_tokens" in missing["figure8"]
    assert "pet_parameter_size" in missing["figure9"]
    assert {"figure1", "figure2", "figure5", "figure7"} <= preview.shares.keys()
    fit = made(preview, "fit", "help-en-de")  # its base stays what it is
    whole = demo.plan.recipes[demo.result("fit", "help-en-de")]
    assert fit.parameters == whole.parameters


def test_one_task_alone_is_drawn_without_the_others(demo):
    preview = demo.preview(demo.called("help-en-zh") | demo.called("tokens", "en-zh"))
    assert preview.without["figure2"] == ["help-en-de", "help-summaries"]
    figure = made(preview, "figure", "figure2")
    assert labels(preview, figure, "fits") == labels(preview, figure, "points") == ["help-en-zh"]
    assert preview.plan.unsupported["figure1"] == "no complete run of help-en-de"  # of the first
    scored = made(preview, "figure", "figure7")
    assert [task["task"] for task in scored.parameters["tasks"]] == ["help-en-zh"]
    assert labels(preview, scored, "scores") == ["help-en-zh test"]
    assert preview.without["figure10"] == ["en-de"]
    report = made(preview, "report", "demo")
    assert len(report.parameters["figures"]) == len(report.inputs["figures"])
    assert "figure1" not in report.parameters["figures"]
    assert report.parameters["unsupported"]["figure1"] == "no complete run of help-en-de"


def test_a_task_without_the_factor_of_a_figure_is_left_out_as_in_a_study(demo):
    gone = {run for run in demo.called("help-en-de") if "1.64M" not in demo.plan.labels[run]}
    preview = demo.preview(demo.runs - gone)
    assert preview.without["figure8"] == ["help-en-de"]
    assert preview.without["figure3"] == []  # figures of laws show all tasks


def test_models_that_were_not_finetuned_are_no_figure_by_themselves(demo):
    preview = demo.preview(demo.called("not finetuned") | demo.of("finetune"))
    assert "no task has the suite `one-shot`" in preview.plan.unsupported["figure11"]


def test_what_failed_is_left_out_of_the_others(demo):
    fit = demo.result("fit", "help-en-zh")
    preview = demo.preview(demo.runs, {fit: "it broke"})
    assert made(preview, "fit", "help-en-zh") is None
    assert preview.without["figure2"] == ["help-en-zh"]
    assert preview.shares["figure2"] == "219 of 307 runs"
    assert made(preview, "points", "help-en-zh")
    figure = demo.result("figure", "figure2")
    preview = demo.preview(demo.runs, {figure: "it broke too"})
    assert preview.plan.unsupported["figure2"] == "it broke too"
    assert "figure2" not in made(preview, "report", "demo").parameters["figures"]
    everything = dict.fromkeys(demo.of("fit"), "broken")
    assert demo.preview(demo.runs, everything).plan.unsupported["table4"] == "broken"


def test_scores_that_are_not_complete_do_without_the_network(studies):
    paper = studies["paper"]
    whole = paper.result("score", "wmt14-en-de test")
    preview = paper.preview(paper.runs)
    part = made(preview, "score", "wmt14-en-de test")
    assert "bleurt" in paper.plan.recipes[whole].parameters["metrics"]
    assert part.parameters["metrics"] == ["bleu", "chrf", "wrong_language"]
    assert "learned" not in part.inputs and "learned" not in part.parameters
    tasks = made(preview, "figure", "figure7").parameters["tasks"]
    assert [task["score"] for task in tasks] == ["chrf", "chrf", "rougeL_unicode"]
    scored = made(preview, "report", "paper").parameters["scores"]
    assert all(task["score"] != "bleurt" for task in scored)
    assert whole in paper.preview(paper.runs | {whole}).plan.recipes  # the study has scored it


def drawn(views) -> set[str]:
    """The names of drawings among views; the others are tables of points and data cards."""
    shown = [view.path.split("/")[-1].split(".") for view in views]
    names = {name for name, ending in shown if ending in ("csv", "html")}
    return {name for name in names if name != "points" and not name.startswith("later-")}


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.sampled_from([0.02, 0.3, 0.8]))
def test_a_preview_is_made_of_complete_runs_and_of_itself(studies, random, share):
    study = studies["smoke"]
    complete = {run for run in sorted(study.runs) if random.random() < share}
    there = complete | study.of("card")
    preview = study.preview(there)
    recipes = preview.plan.recipes.values()
    of_later = {
        item for one in recipes if one.stage == "later_points" for item in one.inputs["points"]
    }
    for item, recipe in preview.plan.recipes.items():
        assert set(recipe.input_references()) <= there  # inputs come first
        assert all(recipe.inputs.values())
        there.add(item)
        assert study.plan.labels[preview.origins[item]] == preview.plan.labels[item]
        for role in ("runs", "outputs", "models"):
            if role in recipe.inputs:
                whole = study.plan.recipes[preview.origins[item]]
                named = zip(whole.inputs[role], whole.parameters["rows"], strict=True)
                pairs = [(run, row) for run, row in named if run in complete]
                if item in of_later:  # the runs that are measured on later test sets too
                    pairs = [(run, row) for run, row in pairs if run in recipe.inputs[role]]
                rows = recipe.parameters["rows"]
                assert list(zip(recipe.inputs[role], rows, strict=True)) == pairs
    shown = drawn(preview.plan.views)
    assert shown == preview.shares.keys()
    names = shown | preview.plan.unsupported.keys()
    assert names == drawn(study.plan.views) | study.plan.unsupported.keys()
    assert not shown & preview.plan.unsupported.keys()


def test_a_grid_of_all_its_cells_is_the_grid_of_the_task(studies):
    for study in studies.values():
        config = study.config
        every = {name: cells(config, task) for name, task in config["tasks"].items()}
        for name, task in with_cells(config, every)["tasks"].items():
            whole = config["tasks"][name]
            for factor in ("llm_model_size", "pretraining_tokens", "pet_parameter_size"):
                assert varies(task, factor) == varies(whole, factor)
            assert list(task["grid"]["finetuning_examples"]) == list(
                whole["grid"]["finetuning_examples"]
            )
