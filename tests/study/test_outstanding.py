"""Edges are left out only where others say the same, whatever is complete."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.study.outstanding import Outstanding
from finescale.study.plan import Plan

Edges = Mapping[str, frozenset[str]]


@st.composite
def studies(draw) -> tuple[Plan, frozenset[str]]:
    """A plan of up to ten artifacts, some by checkpoints before them, and which are complete."""
    plan = Plan("study")
    for number in range(draw(st.integers(1, 10))):
        planned = list(plan.recipes)
        inputs = draw(st.lists(st.sampled_from(planned), max_size=4) if planned else st.just([]))
        made = plan.add("tokens", str(number), {"number": number}, {"inputs": inputs})
        if planned and draw(st.booleans()):
            plan.after[made] = draw(st.sampled_from(planned))
    return plan, frozenset(draw(st.sets(st.sampled_from(list(plan.recipes)))))


def closure(edges: Edges) -> Edges:
    """Everything that can be reached, by going one edge further until nothing is new."""
    reached = dict(edges)
    while True:
        further = {
            start: found.union(*(reached[item] for item in found))
            for start, found in reached.items()
        }
        if further == reached:
            return reached
        reached = further


def missing_edges(plan: Plan, complete: frozenset[str]) -> Edges:
    """Every edge between what is missing."""
    missing = plan.recipes.keys() - complete
    return {item: missing & frozenset(plan.needed(item)) for item in missing}


@given(studies())
def test_the_fewest_edges_that_keep_the_order(study):
    plan, complete = study
    outstanding = Outstanding(plan, complete.__contains__)
    every = missing_edges(plan, complete)
    kept = {item: frozenset(outstanding.before(item)) for item in every}
    order = closure(every)
    assert closure(kept) == order
    for item, before in kept.items():
        for other in before:
            assert not any(other in order[between] for between in before - {other}), item


@given(studies())
def test_what_is_complete_is_never_waited_for(study):
    plan, complete = study
    outstanding = Outstanding(plan, complete.__contains__)
    for item in plan.recipes:
        assert not complete.intersection(outstanding.before(item))


def test_a_complete_artifact_hands_nothing_on():
    """It needs no inputs any more: who needs them too has to wait for them itself."""
    plan = Plan("study")
    base = plan.add("pretrain", "base", {}, {})
    tuned = plan.add("finetune", "tuned", {}, {"base": [base]})
    outputs = plan.add("generate", "outputs", {}, {"model": [tuned]})
    score = plan.add("score", "score", {}, {"outputs": [outputs], "base": [base]})
    assert Outstanding(plan, lambda _: False).before(score) == [outputs]
    assert Outstanding(plan, lambda item: item == tuned).before(score) == [outputs, base]


@pytest.mark.parametrize("name", ["smoke", "paper"])
def test_a_study_is_ordered_as_its_recipes_say(plan, config_files, name):
    planned = plan(config_files[name])
    outstanding = Outstanding(planned, lambda _: False)
    edges = {item: outstanding.before(item) for item in planned.recipes}
    assert sum(map(len, edges.values())) < 3.2 * len(edges)
    made: set[str] = set()
    for item in sorted(planned.recipes, key=depths(edges).__getitem__):
        assert made.issuperset(planned.needed(item))
        made.add(item)


def depths(edges: Mapping[str, list[str]]) -> dict[str, int]:
    """How many steps must be made before each artifact."""
    found: dict[str, int] = {}

    def depth(item: str) -> int:
        if item not in found:
            found[item] = 1 + max(map(depth, edges[item]), default=0)
        return found[item]

    for item in edges:
        depth(item)
    return found
