"""Each figure and table is planned where the grid carries it, and gets what it is drawn from."""

from pathlib import Path

import pytest


def test_a_grid_that_cannot_carry_a_figure_says_what_is_missing(plan, smoke):
    for task in smoke["tasks"].values():
        task["grid"].pop("pretraining_tokens", None)
        task["grid"].pop("pet_parameter_size", None)
    planned = plan(smoke)
    assert planned.unsupported == {
        "figure3": "no task has two or more pretraining_tokens",
        "figure4": "no task has two or more pet_parameter_size values",
        "figure8": "no task has the suite `test` and two or more pretraining_tokens values",
        "figure9": "no task has the suite `test` and two or more pet_parameter_size values",
        "figure13": "no task has the suite `one-shot` and two or more pretraining_tokens values",
        "figure14": "no task has the suite `five-shot` and two or more pretraining_tokens values",
    }
    shown = {Path(view.path).stem for view in planned.views}
    assert not planned.unsupported.keys() & shown
    assert {"figure2", "figure5", "table5"} <= shown


def without_a_second_method(config) -> None:
    for task in config["tasks"].values():
        examples = task["grid"]["finetuning_examples"]
        task["grid"]["finetuning_examples"] = {"fmt": examples["fmt"]}
        task["grid"].pop("pet_parameter_size", None)


def without_a_second_value(config) -> None:
    for task in config["tasks"].values():
        task["grid"]["llm_model_size"] = {"values": ["XXS"]}
        task["grid"].pop("pretraining_tokens", None)
    for family in config["families"].values():
        family.pop("held_out", None)


@pytest.mark.parametrize("change", [without_a_second_method, without_a_second_value])
def test_methods_are_compared_where_a_task_has_two_and_a_factor_that_varies(plan, smoke, change):
    change(smoke)
    planned = plan(smoke)
    for name in ("figure5", "table5"):
        assert planned.unsupported[name] == (
            "no task has two or more methods and two or more values of llm_model_size or"
            " pretraining_tokens"
        )
    assert not {"figure5", "table5"} & {Path(view.path).stem for view in planned.views}


def test_every_table_gets_what_it_is_drawn_from(plan, demo):
    planned = plan(demo)
    roles = {
        label: set(recipe.inputs)
        for reference, recipe in planned.recipes.items()
        if recipe.stage == "table" and (label := planned.labels[reference])
    }
    assert roles == {
        **{name: set() for name in ("table1", "table3")},
        **{name: {"fits", "points"} for name in ("table2", "table5", "table6")},
        "table4": {"fits"},
        "table7": {"scores", "points"},
    }
