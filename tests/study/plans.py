"""What tests ask of plans."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from finescale.store import Recipe
from finescale.study.plan import Plan


def of_stage(plan: Plan, stage: str) -> dict[str, Recipe]:
    return {ref: recipe for ref, recipe in plan.recipes.items() if recipe.stage == stage}


def added_and_gone(
    plan: Callable[[Any], Plan], config: Any, change: Callable[[Any], None]
) -> tuple[Counter[str], Counter[str]]:
    """Recipes by stage that a change of the config adds to a plan, and that it takes away."""
    before = set(plan(config).recipes)
    change(config)
    after = set(plan(config).recipes)
    return _by_stage(after - before), _by_stage(before - after)


def _by_stage(references: set[str]) -> Counter[str]:
    return Counter(reference.split("/")[0] for reference in references)
