"""Which files can go while a study runs, and what a study makes again because they went."""

import shutil
from pathlib import Path

import pytest

from finescale.store import MANIFEST, Recipe, Store
from finescale.store.lineage import remove
from finescale.store.publishing import publish, scratch_folder
from finescale.store.stripping import strip
from finescale.study.keeping import (
    HEAVY,
    TRAINING_STATE,
    droppable,
    is_heavy,
    needs_again,
    opened_by,
    to_make,
)

ROOT = Path(__file__).parents[2]
FILES = {
    "corpus": ["train.jsonl"],
    "tokens": ["train.npy", "stats.json"],
    "pretrain": ["model/model.safetensors", "model/config.json", TRAINING_STATE, "result.json"],
    "finetune": ["result.json"],
    "generate": ["outputs.jsonl", "summary.json"],
}
ADAPTER = ["adapter/adapter_model.safetensors", "adapter/adapter_config.json"]
MODEL = ["model/model.safetensors", "model/config.json"]


@pytest.fixture(scope="module")
def planned(plan, config_files):
    return plan(config_files["smoke"])


@pytest.fixture(scope="module")
def complete_store(planned, tmp_path_factory) -> Path:
    """The smoke study, complete, with names of files as real ones and nothing in them."""

    store = Store(tmp_path_factory.mktemp("complete") / "results" / "store")
    for reference, recipe in planned.recipes.items():  # inputs come first in a plan
        with scratch_folder(store, recipe) as scratch:
            for name in files_of(recipe):
                (scratch / name).parent.mkdir(exist_ok=True)
                (scratch / name).write_text(name)
            publish(store, recipe, scratch, [], {"label": planned.labels[reference]})
    return store.root


def files_of(recipe: Recipe) -> list[str]:
    names = FILES.get(recipe.stage, ["data"])
    if recipe.stage == "finetune":
        names = names + (MODEL if recipe.parameters["method"] == "fmt" else ADAPTER)
    return names


@pytest.fixture
def store(complete_store, tmp_path) -> Store:
    shutil.copytree(complete_store, tmp_path / "results" / "store")
    return Store(tmp_path / "results" / "store")


@pytest.fixture
def is_complete(store):
    return lambda reference: (store.folder(reference) / MANIFEST).exists()


def strip_all(planned, store, **options) -> dict[str, list[str]]:
    found = droppable([planned], store, **options)
    for reference, names in found.items():
        strip(store, store.open(reference), names)
    return found


def drop(store, planned, *labels: str, but: str = "") -> None:
    """Remove what is called so, as a study lacks it that has never had it."""
    for reference, label in planned.labels.items():
        if label in labels and reference.partition("/")[0] != but:
            remove(store, [store.open(reference)])


def called(planned, references) -> set[str]:
    """Stage and label, which people can read in a failure."""
    return {f"{item.partition('/')[0]} {planned.labels[item]}" for item in references}


def upstream(planned, reference, stages) -> set[str]:
    """Everything of these stages that an artifact is made from, by walking the recipes."""
    found = set()
    for item in planned.recipes[reference].input_references():
        found |= {item} if item.partition("/")[0] in stages else set()
        found |= upstream(planned, item, stages)
    return found


def reference_of(planned, stage: str, label: str) -> str:
    (found,) = [
        item for item, text in planned.labels.items() if item.startswith(stage) and text == label
    ]
    return found


LORA = "help-en-zh lora 4 on XS 20.5k tokens, 64 examples, seed 0"
FMT = "help-en-zh fmt on XS 20.5k tokens, 64 examples, seed 0"


def lack_generation(store, planned, model: str) -> str:
    """A study that lacks one generation and all that is made from it."""
    generation = reference_of(planned, "generate", f"five-shot of {model}")
    drop(store, planned, f"five-shot of {model}", "help-en-zh five-shot", "figure12", "smoke")
    return generation


def test_the_name_of_the_training_state():
    code = (ROOT / "src/finescale/training/state.py").read_text()  # importing it takes torch
    assert f'STATE_FILE = "{TRAINING_STATE}"' in code


def test_a_complete_study_gives_back_every_heavy_file_and_no_other(planned, store, is_complete):
    assert to_make(planned, is_complete) == set()
    found = droppable([planned], store)
    expected = {
        reference: [
            entry["name"]
            for entry in store.open(reference).manifest["files"]
            if entry["name"].endswith((".safetensors", ".npy", ".jsonl"))
        ]
        for reference, recipe in planned.recipes.items()
        if recipe.stage in ("corpus", "tokens", "pretrain", "finetune")
    }
    assert found == expected
    strip_all(planned, store)
    assert droppable([planned], store) == {}
    assert needs_again(planned, store, is_complete) == frozenset()


def test_an_empty_study_makes_everything_and_gives_nothing_back(planned, tmp_path):
    assert to_make(planned, lambda reference: False) == planned.recipes.keys()
    assert droppable([planned], Store(tmp_path)) == {}


def test_another_study_over_the_same_artifacts_keeps_what_it_still_opens(
    plan, smoke, planned, store
):
    smoke["tasks"]["help-en-zh"]["generation"]["suites"].append("one-shot")
    found = droppable([planned, plan(smoke)], store)
    gone = called(planned, found)
    finetunings = {item for item in gone if item.startswith("finetune") and "rate" not in item}
    assert finetunings
    assert not {item for item in finetunings if "help-en-zh" in item}
    zh = reference_of(planned, "pretrain", "en-zh XS, 20.5k tokens")
    assert found[zh] == [TRAINING_STATE]


def test_the_checkpoint_before_a_missing_one_keeps_its_state_alone(planned, store):
    ((later, earlier),) = planned.after.items()
    remove(store, [store.open(later)])
    # the finetunings are complete, so nobody wants the later checkpoint
    assert TRAINING_STATE in droppable([planned], store)[earlier]
    drop(store, planned, "en-de")  # the pretraining law, which reads its losses
    drop(store, planned, "figure10", "smoke")
    found = droppable([planned], store)
    assert found[earlier] == ["model/model.safetensors"]
    streams = upstream(planned, later, {"tokens"})
    assert not streams & found.keys()


@pytest.mark.parametrize(("model", "opens_base"), [(LORA, True), (FMT, False)])
def test_a_missing_generation_keeps_the_model_and_the_base_of_an_adapter(
    planned, store, model, opens_base
):
    lack_generation(store, planned, model)
    found = droppable([planned], store)
    tuned = reference_of(planned, "finetune", model)
    (base,) = planned.recipes[tuned].inputs["base"]
    assert tuned not in found
    assert ("model/model.safetensors" not in found[base]) is opens_base
    kept = called(planned, {item for item in planned.recipes if item not in found})
    assert {item for item in kept if item.startswith("corpus")} == {
        "corpus help-en-zh train+dev",  # its demonstrations
        "corpus help-en-zh test help",
    }


def test_a_generation_over_stripped_models_makes_their_whole_way_again(planned, store, is_complete):
    strip_all(planned, store)
    generation = lack_generation(store, planned, LORA)
    again = needs_again(planned, store, is_complete)
    assert called(planned, again) == called(
        planned, upstream(planned, generation, {"corpus", "tokens", "pretrain", "finetune"})
    )
    assert droppable([planned], store) == {}


def test_what_was_kept_is_not_made_again(planned, store, is_complete):
    strip_all(planned, store, keep=["finetune", "corpus"])
    lack_generation(store, planned, FMT)
    assert needs_again(planned, store, is_complete) == frozenset()
    drop(store, planned, f"five-shot of {LORA}")
    again = called(planned, needs_again(planned, store, is_complete))
    assert again == {"pretrain en-zh XS, 20.5k tokens", "tokens en-zh pretraining stream"}


def test_missing_tables_make_nothing_again(planned, store, is_complete):
    strip_all(planned, store)
    tables = ("help-en-zh", "help-en-de", "en-de", "figure2", "figure10", "smoke")
    drop(store, planned, *tables, but="card")
    assert called(planned, to_make(planned, is_complete)) >= {"points help-en-zh", "fit help-en-zh"}
    assert needs_again(planned, store, is_complete) == frozenset()


def test_a_missing_data_card_reads_its_task_s_data_again(planned, store, is_complete):
    strip_all(planned, store)
    drop(store, planned, "help-summaries")
    again = called(planned, needs_again(planned, store, is_complete))
    assert again >= {"corpus help-summaries train+dev", "tokens help-summaries test sets"}
    assert not any("help-en" in label or label.startswith("pretrain") for label in again)


def test_a_training_state_is_never_made_again(planned, store, is_complete):
    ((later, earlier),) = planned.after.items()
    for reference in (earlier, later):
        strip(store, store.open(reference), [TRAINING_STATE])
    remove(store, [store.open(later)])
    drop(store, planned, "en-de", "figure10", "smoke")
    assert later in to_make(planned, is_complete)
    assert needs_again(planned, store, is_complete) == frozenset()


def test_what_a_job_of_another_study_reads_now_stays(planned, store):
    tuned = reference_of(planned, "finetune", LORA)
    generation = Recipe("generate", 1, {}, {"model": (tuned,)})
    (base,) = planned.recipes[tuned].inputs["base"]
    found = droppable([planned], store, running=[generation])
    assert tuned not in found
    assert found[base] == [TRAINING_STATE]


def test_stages_that_are_not_known_read_everything():
    recipe = Recipe("compare", 1, {}, {"models": ("finetune/0", "pretrain/1")})
    assert list(opened_by(recipe, {})) == ["finetune/0", "pretrain/1"]
    assert not is_heavy("compare", "model/model.safetensors")
    assert all(
        is_heavy(stage, pattern.replace("*", "x")) for stage in HEAVY for pattern in HEAVY[stage]
    )
    assert not is_heavy("finetune", "adapter/adapter_config.json")


def test_nothing_is_looked_at_where_nothing_was_stripped(planned, store):
    def is_complete(reference: str) -> bool:
        raise AssertionError("parsing a workflow should cost one look")

    assert needs_again(planned, store, is_complete) == frozenset()
