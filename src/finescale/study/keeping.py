"""What disk space a study can give back: heavy files, who opens them, what is still to be made."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import partial

from finescale.store import MANIFEST, Artifact, Recipe, Store
from finescale.store.publishing import left_of
from finescale.store.stripping import listed, stripped_names
from finescale.study.plan import Plan

TRAINING_STATE = "training_state.safetensors"
# Heavy files by stage. Raw data stay, from which all can be made again, and so does everything
# from which points, scores, fits and figures are made.
HEAVY = {
    "corpus": ("*.jsonl",),
    "tokens": ("*.npy",),
    "pretrain": ("model/*.safetensors", TRAINING_STATE),
    "checkpoint": ("model/*.safetensors",),
    "finetune": ("model/*.safetensors", "adapter/*.safetensors"),
}
# These read result.json of their inputs and no more; all other stages may read everything.
READ_RESULTS_ALONE = ("points", "search", "pretraining_law")


def is_heavy(stage: str, name: str) -> bool:
    """Whether a file of an artifact is one that can be dropped when nothing needs it any more."""
    return any(fnmatch(name, pattern) for pattern in HEAVY.get(stage, ()))


def opened_by(recipe: Recipe, recipes: Mapping[str, Recipe]) -> Iterator[str]:
    """The artifacts whose heavy files the job of a recipe opens, training states apart.

    `recipes` knows the recipes of the inputs.
    """
    if recipe.stage in READ_RESULTS_ALONE:
        return
    yield from recipe.input_references()
    if recipe.stage in ("generate", "loss"):  # an adapter is nothing without its base model
        for model in recipe.inputs.get("model", ()):
            if model in recipes and recipes[model].parameters["method"] != "fmt":
                yield from recipes[model].inputs["base"]


def to_make(
    plan: Plan,
    is_complete: Callable[[str], bool],
    lacks_files: Callable[[str], bool] = lambda reference: False,
) -> set[str]:
    """Everything that a run of the whole study would make, going back from what people look at.

    `lacks_files` says of a complete artifact whether it was stripped of files that others open:
    it is made again where one of these others has to be made.
    """
    found: set[str] = set()
    waiting = [view.reference for view in plan.views if not is_complete(view.reference)]
    while waiting:
        reference = waiting.pop()
        if reference in found:
            continue
        found.add(reference)
        waiting += [item for item in plan.needed(reference) if not is_complete(item)]
        opened = opened_by(plan.recipes[reference], plan.recipes)
        waiting += [item for item in opened if is_complete(item) and lacks_files(item)]
    return found


def needs_again(plan: Plan, store: Store, is_complete: Callable[[str], bool]) -> frozenset[str]:
    """The complete artifacts that a run has to make again, because they were stripped.

    Quick where nothing was ever stripped. A training state is never made again: the job that
    would go on from it starts earlier instead, which costs the same.
    """
    listing = listed(store)
    if not listing:
        return frozenset()
    wanted = to_make(plan, is_complete, _lack(store, listing))
    return frozenset(reference for reference in wanted if is_complete(reference))


def _lack(store: Store, listing: Collection[str]) -> Callable[[str], bool]:
    def lacks_files(reference: str) -> bool:
        return bool(stripped_names(store, reference, listing) - {TRAINING_STATE})

    return lacks_files


def droppable(
    plans: Collection[Plan],
    store: Store,
    running: Iterable[Recipe] = (),
    keep: Collection[str] = (),
) -> dict[str, list[str]]:
    """The heavy files that nothing planned and unfinished opens, by artifact.

    Jobs that are `running` for whatever study keep what they open. So do whole stages in `keep`.
    """
    opened, continued = _needed_now(plans, store, running)
    found = {}
    for reference, recipe in _recipes(plans).items():
        if recipe.stage in HEAVY and recipe.stage not in keep and _is_complete(store, reference):
            kept = reference in opened, reference in continued
            names = list(_heavy_files(store.open(reference), *kept))
            if names:
                found[reference] = names
    return found


def _recipes(plans: Iterable[Plan]) -> dict[str, Recipe]:
    return {reference: recipe for plan in plans for reference, recipe in plan.recipes.items()}


def _is_complete(store: Store, reference: str) -> bool:
    return (store.folder(reference) / MANIFEST).exists()


def _needed_now(
    plans: Iterable[Plan], store: Store, running: Iterable[Recipe]
) -> tuple[set[str], set[str]]:
    """Whose files are still opened, and whose training states are still gone on from."""
    listing = listed(store)
    opened: set[str] = set()
    continued: set[str] = set()
    for plan in plans:
        for reference in to_make(plan, partial(_is_complete, store), _lack(store, listing)):
            opened.update(opened_by(plan.recipes[reference], plan.recipes))
            if reference in plan.after:
                continued.add(plan.after[reference])
    for recipe in running:
        inputs = (left_of(store.folder(item)) for item in recipe.input_references())
        known = {item.recipe.reference: item.recipe for item in inputs if item}
        opened.update(opened_by(recipe, known))
    return opened, continued


def _heavy_files(artifact: Artifact, opened: bool, continued: bool) -> Iterator[str]:
    for entry in artifact.manifest["files"]:
        name = entry["name"]
        kept = continued if name == TRAINING_STATE else opened
        if not kept and is_heavy(artifact.recipe.stage, name) and (artifact.folder / name).exists():
            yield name
