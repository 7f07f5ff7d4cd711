"""How far a study is: what became of each of its trainings and generations."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from finescale.errors import UserError
from finescale.store import MANIFEST, Store
from finescale.store.recipes import PATH_DIGITS
from finescale.store.resume import is_held
from finescale.study.plan import Plan

OK, DIVERGED, RUNNING, UNREADABLE, MISSING = STATES = (
    *("ok", "diverged", "running", "unreadable", "missing"),
)
# The stages of single runs, and the file that says what became of one.
RESULTS = {
    "pretrain": "result.json",
    "checkpoint": "result.json",
    "finetune": "result.json",
    "generate": "summary.json",
    "loss": "result.json",
}


@dataclass(frozen=True)
class Progress:
    """The state of every run by its reference, and what is wrong with the unreadable ones."""

    states: Mapping[str, str]
    problems: Mapping[str, str]

    @property
    def complete(self) -> frozenset[str]:
        """The runs that have a result; a run that diverged is complete too."""
        return frozenset(run for run, state in self.states.items() if state in (OK, DIVERGED))

    def counts(self, runs: Iterable[str]) -> dict[str, int]:
        """How many of these runs are in each state."""
        found = Counter(self.states[run] for run in runs)
        return {state: found[state] for state in STATES}


def read_progress(plan: Plan, store: Store, stages: Collection[str] = tuple(RESULTS)) -> Progress:
    """Look at every run that a plan has in these stages. The store is only read."""
    states, problems = {}, {}
    for reference, recipe in plan.recipes.items():
        if recipe.stage not in stages:
            continue
        try:
            states[reference] = _state(store, reference)
        except UserError as error:
            states[reference], problems[reference] = UNREADABLE, str(error)
    return Progress(states, problems)


def _state(store: Store, reference: str) -> str:
    """UserError when the artifact is there and its result cannot be read."""
    stage, digest = reference.split("/")
    if not (store.folder(reference) / MANIFEST).exists():
        held = is_held(store.root.parent / "resume" / digest[:PATH_DIGITS])
        return RUNNING if held else MISSING
    artifact = store.open(reference)
    if stage == "generate":
        artifact.file("outputs.jsonl")
    return OK if artifact.json(RESULTS[stage])["status"] == "ok" else DIVERGED
