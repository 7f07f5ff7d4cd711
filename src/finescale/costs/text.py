"""How many processes a job that reads or encodes text is worth."""

import math

from finescale.store import Recipe
from finescale.study.plan import Plan

STAGES = ("corpus", "tokens")  # their programs take --workers
WORKER_BYTES = 1 << 28  # of raw files: to start another process for less does not pay


def workers(recipe: Recipe, plan: Plan) -> int:
    """One for each 256 MB of raw files; to read raw files no more than there are.

    A raw file whose size nobody knows counts as one of 256 MB.
    """
    if recipe.stage not in STAGES:
        return 1
    corpora = [recipe]
    if recipe.stage == "tokens":
        known = [plan.recipes[item] for item in recipe.input_references()]
        corpora = [each for each in known if each.stage == "corpus"]
    raw = {item for corpus in corpora for item in corpus.input_references()}
    size = sum(plan.recipes[item].parameters["size"] or WORKER_BYTES for item in raw)
    worth = max(1, math.ceil(size / WORKER_BYTES))
    return min(worth, len(raw)) if recipe.stage == "corpus" else worth
