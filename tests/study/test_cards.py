"""Planning data cards: one a task, from what the study reads and encodes anyway."""

import pytest

from tests.study.plans import added_and_gone, of_stage

KINDS = ["train", "dev", "test", "zero_shot", "later_test"]


def card(planned, name):
    (found,) = [
        recipe
        for reference, recipe in of_stage(planned, "card").items()
        if planned.labels[reference] == name
    ]
    return found


@pytest.mark.parametrize("name", ["smoke", "demo", "paper"])
def test_a_card_adds_no_artifact_but_itself_and_the_report_shows_it(plan, config_files, name):
    planned = plan(config_files[name])
    cards = of_stage(planned, "card")
    assert len(cards) == len(config_files[name]["tasks"])
    wanted = {item for reference in cards for item in cards[reference].input_references()}
    others = {
        item
        for recipe in planned.recipes.values()
        if recipe.stage not in ("card", "report")
        for item in recipe.input_references()
    }
    assert wanted <= others
    (report,) = of_stage(planned, "report").values()
    assert report.inputs["cards"] == tuple(cards)


def test_every_set_stands_in_a_card_in_order_with_its_raw_files(plan, smoke):
    planned = plan(smoke)
    found = card(planned, "help-en-de").parameters["sets"]
    assert [(one["kind"], one["name"]) for one in found] == [
        ("train", "train"),
        ("dev", "dev"),
        ("test", "help"),
        ("zero_shot", "fr-de"),
        ("zero_shot", "zh-de"),
    ]
    (raw,) = found[0]["raw"]
    assert (raw["name"], raw["pinned"]) == ("help-corpus:help-en-de/train.jsonl", True)
    assert (raw["size"], raw["records"]) == (2921833, 8192)
    assert "MPL-2.0" in raw["licence"]
    kinds = [one["kind"] for one in card(planned, "help-en-zh").parameters["sets"]]
    assert sorted(kinds, key=KINDS.index) == kinds
    assert set(kinds) == {"train", "dev", "test", "later_test"}


def test_sets_that_nothing_is_measured_on_are_not_fetched_for_a_card(plan, smoke):
    def ask_less(config):
        config["tasks"]["help-en-de"]["generation"]["suites"].remove("zero-shot")

    added, _ = added_and_gone(plan, smoke, ask_less)
    assert added["card"] == 1 and not added.keys() & {"source", "corpus", "tokens"}
    kinds = {one["kind"] for one in card(plan(smoke), "help-en-de").parameters["sets"]}
    assert kinds == {"train", "dev", "test"}


def test_an_unpinned_raw_file_is_called_so(plan, smoke, sources_with):
    def unpin(corpus):
        corpus["members"]["help-en-zh/train.jsonl"]["sha256"] = None

    found = card(plan(smoke, sources_with(unpin)), "help-en-zh").parameters["sets"]
    assert [one["raw"][0]["pinned"] for one in found] == [False, True, True, True]
