"""Families of base models made elsewhere: what is planned, and what a user is told."""

import copy

import pytest
import yaml

from finescale.errors import UserError
from finescale.store import Recipe
from tests.study.conftest import SOURCES
from tests.study.test_config import lines, mistakes

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
SHA256 = "{:064x}"


@pytest.fixture
def sources(tmp_path):
    """config/sources.yaml and a user's own beside it: `sources(change)` changes the own."""

    def write(change=lambda entries: None):
        folder = tmp_path / "config"
        folder.mkdir(exist_ok=True)
        (folder / "sources.yaml").write_bytes(SOURCES.read_bytes())
        entries = {
            name: {
                "path": f"models/{name}",
                "licence": "mine",
                "files": {
                    file: {"sha256": SHA256.format(100 * model + k), "size": 1000}
                    for k, file in enumerate(FILES)
                },
            }
            for model, name in enumerate(("small", "early", "large"), start=1)
        }
        change(entries)
        (folder / "own.sources.yaml").write_text(yaml.safe_dump(entries))
        return folder / "sources.yaml"

    return write


@pytest.fixture
def own(smoke):
    """The smoke study's first task on a given family; nothing of it is trained here."""
    del smoke["text"], smoke["pretraining"], smoke["search"]
    smoke["model_sizes"] = {"XXS": {"nominal": 70e6}, "XS": {"nominal": 160e6}}
    smoke["families"] = {
        "toy": {
            "checkpoints": [
                {"size": "XXS", "tokens": 2e9, "source": "small"},
                {"size": "XXS", "tokens": 1e9, "source": "early"},
                {"size": "XS", "tokens": 2e9, "source": "large"},
            ]
        }
    }
    task = smoke["tasks"]["help-en-de"]
    task["family"] = "toy"
    task["grid"]["pretraining_tokens"]["values"] = [1e9, 2e9]
    smoke["tasks"] = {"help-en-de": task}
    return smoke


def of(plan, stage):
    return {plan.labels[key]: one for key, one in plan.recipes.items() if one.stage == stage}


def test_checkpoints_take_the_place_of_pretraining(plan, own, sources):
    made = plan(own, sources())
    assert not of(made, "pretrain") and not of(made, "pretraining_law")
    found = of(made, "checkpoint")
    assert set(found) == {"toy XXS, 2B tokens", "toy XXS, 1B tokens", "toy XS, 2B tokens"}
    recipe = found["toy XXS, 1B tokens"]
    assert recipe.parameters == {"files": list(FILES)}
    assert [made.labels[item] for item in recipe.inputs["files"]] == [f"early:{f}" for f in FILES]
    bases = {one.inputs["base"][0] for one in of(made, "finetune").values()}
    assert bases == {one.reference for one in found.values()} == set(made.sizes)
    assert made.unsupported["figure10"] == "base models of family toy are not trained here"
    assert not made.after


def test_the_tokenizer_is_that_of_the_base_size_fully_trained(plan, own, sources):
    made = plan(own, sources())
    (tokenizer,) = of(made, "tokenizer").values()
    names = ["tokenizer.json", "tokenizer_config.json", "config.json"]
    assert tokenizer.parameters == {"files": names}
    labels = [made.labels[item] for item in tokenizer.inputs["files"]]
    assert labels == [f"small:{name}" for name in names]


def test_names_and_sizes_are_not_what_a_checkpoint_is_made_from(plan, own, sources):
    first = set(plan(own, sources()).recipes)
    own["families"]["toy"]["checkpoints"][1]["tokens"] = 5e8
    own["tasks"]["help-en-de"]["grid"]["pretraining_tokens"]["values"] = [5e8, 2e9]
    second = set(plan(own, sources()).recipes)
    stages = {key.split("/")[0] for key in first - second}
    assert not stages & {"source", "checkpoint", "finetune", "generate"}


def test_other_bytes_of_weights_are_another_checkpoint(plan, own, sources):
    first = plan(own, sources())

    def change(entries):
        entries["large"]["files"]["model.safetensors"]["sha256"] = SHA256.format(9)

    second = plan(own, sources(change))
    lost = set(first.recipes) - set(second.recipes)
    assert [first.labels[key] for key in lost if key.startswith("checkpoint/")] == [
        "toy XS, 2B tokens"
    ]
    assert not any(key.startswith(("tokenizer/", "tokens/")) for key in lost)
    tuned = [first.labels[key] for key in lost if key.startswith("finetune/")]
    assert tuned and all(" on XS " in label for label in tuned)


def test_trained_and_given_families_stand_side_by_side(plan, smoke, own, sources):
    both = copy.deepcopy(own)
    fresh = yaml.safe_load((SOURCES.parent / "smoke.yaml").read_text())
    both["model_sizes"] = fresh["model_sizes"] | {"70M": {"nominal": 70e6}}
    both["text"], both["pretraining"] = fresh["text"], fresh["pretraining"]
    both["families"] |= fresh["families"]
    for one in both["families"]["toy"]["checkpoints"][:1]:
        one["size"] = "70M"
    del both["families"]["toy"]["checkpoints"][1:]
    task = both["tasks"]["help-en-de"]
    task["grid"]["llm_model_size"] = {"values": ["70M"]}
    task["grid"]["pretraining_tokens"] = {"values": []}
    both["tasks"] = {"own": task, **fresh["tasks"]}
    made, alone = plan(both, sources()), plan(fresh)
    runs = {key for key in alone.recipes if key.startswith(("pretrain/", "finetune/"))}
    searched = {key for key in runs if "learning rate" in alone.labels[key]}
    assert runs - searched <= set(made.recipes)
    assert len(of(made, "pretraining_law")) == 2
    assert "figure10" not in made.unsupported


def test_nothing_new_is_in_recipes_of_today(plan, smoke):
    for recipe in plan(smoke).recipes.values():
        assert isinstance(recipe, Recipe)
        assert recipe.stage != "checkpoint"
        assert "files" not in recipe.parameters


def change_checkpoint(index, **changes):
    def change(config):
        config["families"]["toy"]["checkpoints"][index].update(changes)

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda config: config["families"]["toy"]["checkpoints"].pop(1),
            "`families.toy.checkpoints`: XXS after 1e+09 tokens is not there, its tasks need it",
        ),
        (
            change_checkpoint(2, size="L"),
            "`families.toy.checkpoints.2.size`: `L` is not in `model_sizes` (it has XXS, XS)",
        ),
        (
            change_checkpoint(1, source="small"),
            "`families.toy.checkpoints.1.source`: `small` is another checkpoint's already",
        ),
        (
            change_checkpoint(1, tokens=2e9),
            "`families.toy.checkpoints.1`: XXS after 2e+09 tokens is there already",
        ),
        (
            lambda config: config["model_sizes"]["XS"].update(layers=2, heads=2),
            "`model_sizes.XS`: missing keys head_dim, ffn_dim, model_dim",
        ),
        (
            lambda config: config["families"]["toy"].update(languages=["en"]),
            "`families.toy`: unknown key `languages`",
        ),
        (
            lambda config: config["families"].update(
                other={
                    "languages": ["en"],
                    "tokenizer": {"vocab_size": 900},
                    "pretraining_tokens": 9,
                }
            ),
            "`pretraining`: missing, the family `other` is trained here",
        ),
    ],
)
def test_a_mistake_in_the_config_is_named(plan, own, sources, change, expected):
    change(own)
    assert any(line.startswith(expected) for line in lines(mistakes(plan, own, sources())))


def without(source, *files):
    def change(entries):
        for file in files:
            del entries[source]["files"][file]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda entries: entries.pop("large"), "has no source `large`"),
        (without("large", "config.json"), "must list config.json and weights, it lists model.saf"),
        (without("large", "model.safetensors"), "must list config.json and weights"),
        (without("small", "tokenizer.json"), "of its base size has no tokenizer.json"),
        (
            lambda entries: entries["large"]["files"].update({"part/x.bin": None}),
            "a model's files lie in one folder, `large` has part/x.bin",
        ),
    ],
)
def test_a_mistake_in_the_files_is_named(plan, own, sources, change, expected):
    assert expected in mistakes(plan, own, sources(change))


def test_a_file_outside_of_the_folder_is_refused(plan, own, sources):
    def change(entries):
        entries["large"]["files"]["../secret"] = None

    with pytest.raises(UserError, match="points outside of the archive or folder"):
        plan(own, sources(change))


def test_a_given_family_without_a_task_is_a_mistake(plan, own, sources):
    own["families"]["idle"] = copy.deepcopy(own["families"]["toy"])
    assert "`families.idle`: no task finetunes it" in mistakes(plan, own, sources())
