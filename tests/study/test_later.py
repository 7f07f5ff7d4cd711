"""Test sets that are added later: every run is measured again, and nothing is trained."""

import pytest

from finescale.errors import UserError
from tests.study.plans import added_and_gone, of_stage

HINDI = {"raw": ["help-corpus:zero-shot/hi-de.jsonl"]}
POLISH = {"raw": ["help-corpus:zero-shot/pl-de.jsonl"]}


def add(config, task="help-en-de", **sets):
    """Add later test sets to a task, and the suite that measures them."""
    task = config["tasks"][task]
    task.setdefault("later_test", {}).update(sets)
    suites = task.setdefault("generation", {"suites": []})["suites"]
    if "loss" not in suites:
        suites.append("loss")


def keep_none(config):
    """The study before anybody thought of later test sets."""
    task = config["tasks"]["help-en-zh"]
    del task["later_test"]
    task["generation"]["suites"].remove("loss")


@pytest.fixture
def early(smoke):
    keep_none(smoke)
    return smoke


def test_a_later_test_set_is_measured_by_every_run_and_trains_nothing(plan, early):
    added, gone = added_and_gone(plan, early, lambda config: add(config, hindi=HINDI))
    measured = {"source": 1, "corpus": 1, "tokens": 1, "loss": 22, "later_points": 1}
    shown = {"card": 1, "report": 1}
    # a figure for each of three factors; the report shows them
    assert (added, gone) == (measured | {"figure": 3, **shown}, shown)


def test_one_more_set_measures_again_and_trains_nothing(plan, early):
    add(early, hindi=HINDI)
    added, gone = added_and_gone(plan, early, lambda config: add(config, polish=POLISH))
    changed = {"tokens": 1, "loss": 22, "later_points": 1, "figure": 3, "card": 1}
    changed["report"] = 1
    assert (added, gone) == (changed | {"source": 1, "corpus": 1}, changed)


def test_resamples_measure_nothing_again(plan, smoke):
    added, _ = added_and_gone(plan, smoke, lambda c: c["generation"].update(bootstrap=3))
    assert (added["loss"], added["later_points"], added["finetune"]) == (0, 1, 0)


def test_runs_of_the_noise_floor_are_measured_too_in_the_order_of_the_points(plan, early):
    floor = {"finetuning_examples": 48, "seeds": [5, 6]}
    early["tasks"]["help-en-de"]["noise_floor"] = floor
    add(early, hindi=HINDI)
    planned = plan(early)
    (later,) = of_stage(planned, "later_points").values()
    (points,) = later.inputs["points"]
    losses = [planned.recipes[reference] for reference in later.inputs["losses"]]
    assert (
        tuple(loss.inputs["model"][0] for loss in losses) == planned.recipes[points].inputs["runs"]
    )
    assert len(losses) == 22 + 6
    assert planned.labels[points] == "help-en-de"


def test_later_sets_are_encoded_as_the_test_sets(plan, early):
    add(early, task="help-summaries", summaries=early["tasks"]["help-summaries"]["test"]["help"])
    planned = plan(early)
    by_label = {planned.labels[ref]: recipe for ref, recipe in of_stage(planned, "tokens").items()}
    test, later = (by_label[f"help-summaries {what}"] for what in ("test sets", "later test sets"))
    assert later.inputs == test.inputs  # the records are the same ones
    assert later.parameters == test.parameters | {"splits": ["summaries"]}
    (tokens,) = {loss.inputs["test"] for loss in of_stage(planned, "loss").values()}
    assert tokens == (later.reference,)


def test_a_task_that_writes_nothing_needs_no_metric(plan, early):
    del early["tasks"]["help-en-de"]["generation"]
    add(early, hindi=HINDI)
    planned = plan(early)
    drawn = {
        planned.labels[reference]: recipe.parameters["tasks"]
        for reference, recipe in of_stage(planned, "figure").items()
        if planned.labels[reference].startswith("loss")
    }
    assert list(drawn) == ["loss-model-size", "loss-pretraining-size", "loss-pet-size"]
    for (task,) in drawn.values():
        shown = (task["task"], task["suite"], task["score"])
        assert shown == ("help-en-de", "loss", "log_perplexity")
    views = [view for view in planned.views if "later" in view.path]
    assert [view.path for view in views] == ["results/smoke/later-help-en-de.csv"]
    assert views[0].reference in of_stage(planned, "later_points")


def test_figures_are_of_factors_that_vary_and_none_is_missed_elsewhere(plan, smoke):
    planned = plan(smoke)
    shown = {view.path.split("/")[-1] for view in planned.views}
    assert {name for name in shown if name.startswith("loss") and name.endswith("pdf")} == {
        "loss-model-size.pdf"
    }
    assert not any(name.startswith("loss") for name in planned.unsupported)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda task: task.pop("later_test"),
            "`tasks.help-en-zh.generation.suites`: `loss` needs test sets in the task's `later",
        ),
        (
            lambda task: task["generation"]["suites"].remove("loss"),
            "`tasks.help-en-zh.later_test`: nothing measures it; add `loss` to `generation.suites`",
        ),
        (
            lambda task: task.pop("generation"),
            "`tasks.help-en-zh.later_test`: nothing measures it; add `loss` to `generation.suites`",
        ),
        (
            lambda task: task["generation"].pop("metrics") and task["generation"].pop("score"),
            "`tasks.help-en-zh.generation`: missing keys metrics, score",
        ),
        (
            lambda task: task["generation"].pop("suites"),
            "`tasks.help-en-zh.generation`: missing key suites",
        ),
        (
            lambda task: task["later_test"]["hi-zh"].update(raw=["help-corpus:zero-shot/hi.jsonl"]),
            "`tasks.help-en-zh.later_test.hi-zh.raw`: ",
        ),
        (
            lambda task: task["later_test"]["hi-zh"].pop("raw"),
            "`tasks.help-en-zh.later_test.hi-zh`: missing key raw",
        ),
    ],
)
def test_a_mistake_is_one_line(plan, smoke, change, said):
    change(smoke["tasks"]["help-en-zh"])
    with pytest.raises(UserError) as error:
        plan(smoke)
    (line,) = str(error.value).splitlines()[1:]
    assert line.strip().startswith(said)
