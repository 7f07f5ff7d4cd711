"""The search for learning rate and batch: ordinary finetunings, compared."""

import pytest

from finescale.errors import UserError


def searched(planned):
    (search,) = (recipe for recipe in planned.recipes.values() if recipe.stage == "search")
    return search, [planned.recipes[reference] for reference in search.inputs["runs"]]


def test_every_learning_rate_is_tried_with_every_batch(plan, demo):
    search, runs = searched(plan(demo))
    asked = [
        (method, rate, batch)
        for method, axes in demo["search"]["methods"].items()
        for rate in axes["learning_rate"]
        for batch in axes["batch_examples"]
    ]
    keys = ("method", "learning_rate", "batch_examples")
    for found in (search.parameters["rows"], [run.parameters for run in runs]):
        assert [tuple(row[key] for key in keys) for row in found] == asked
    assert {run.parameters["finetuning_examples"] for run in runs} == {512}
    assert search.parameters["used"] == {
        method: {key: demo["methods"][method][key] for key in keys[1:]}
        for method in demo["search"]["methods"]
    }


def test_runs_with_the_studys_own_values_are_those_of_its_grid(plan, demo):
    _, runs = searched(plan(demo))
    del demo["search"]
    grid = set(plan(demo).recipes)
    assert sum(run.reference in grid for run in runs) == len(demo["methods"])


def test_only_the_search_itself_depends_on_it(plan, demo):
    before = set(plan(demo).recipes)
    del demo["search"]
    after = set(plan(demo).recipes)
    assert {reference.split("/")[0] for reference in after - before} == {"report"}
    gone = {reference.split("/")[0] for reference in before - after}
    assert gone == {"finetune", "search", "report"}


def test_another_model_size_may_be_searched_on(plan, smoke):
    smoke["search"]["llm_model_size"] = "XS"
    planned = plan(smoke)
    for run in searched(planned)[1]:
        (base,) = run.inputs["base"]
        assert planned.labels[base] == "en-zh XS, 20.5k tokens"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "help-en-fr"}, "`search.task`: `help-en-fr` is not in `tasks`"),
        ({"llm_model_size": "L"}, "`search.llm_model_size`: `L` is not in `model_sizes`"),
        ({"finetuning_examples": 10**7}, "`search.finetuning_examples`: a subset of 10000000 is"),
        ({"methods": {}}, "`search.methods`"),
    ],
)
def test_a_mistake_is_named_with_its_key(plan, smoke, change, said):
    smoke["search"].update(change)
    with pytest.raises(UserError) as error:
        plan(smoke)
    (line,) = str(error.value).splitlines()[1:]
    assert line.strip().startswith(said)


def test_a_method_without_settings_is_named(plan, smoke):
    smoke["search"]["methods"]["prompt"] = {"learning_rate": [0.1], "batch_examples": [8]}
    del smoke["methods"]["prompt"]
    with pytest.raises(UserError, match=r"`search\.methods\.prompt`: `methods` has no"):
        plan(smoke)
