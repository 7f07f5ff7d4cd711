"""A digest stands for everything a recipe says, and for nothing else."""

import hashlib
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.store import Recipe, canonical_json
from finescale.store.recipes import relative_folder

numbers = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
references = st.lists(st.from_regex(r"[a-z]{3}/[0-9a-f]{64}", fullmatch=True), max_size=3)
recipes = st.builds(
    Recipe,
    stage=st.sampled_from(["tokens", "pretrain", "fit"]),
    version=st.integers(1, 5),
    parameters=st.dictionaries(st.text(), values, max_size=4),
    inputs=st.dictionaries(st.text(), references.map(tuple), max_size=3),
)


def shuffled(value: Any, random: random.Random) -> Any:
    """The same value with every mapping in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, random)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


def as_floats(value: Any) -> Any:
    """The same value with every whole number that a float can hold written as a float."""
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_number else value


def meaning(value: Any) -> Any:
    """What a value says: as in JSON, true is not 1, and 1.0 is 1."""
    if isinstance(value, dict):
        return frozenset((key, meaning(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(map(meaning, value))
    return ("truth", value) if isinstance(value, bool) else value


def test_digest_is_the_sha256_of_the_canonical_text():
    recipe = Recipe("fit", 2, {"rate": 1e-3, "größe": 1e3, "on": True}, {"points": ("points/ab",)})
    text = (
        '{"inputs":{"points":["points/ab"]},'
        '"parameters":{"größe":1000,"on":true,"rate":0.001},'
        '"stage":"fit","version":2}'
    )
    assert recipe.canonical == text
    assert recipe.digest == hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert recipe.reference == f"fit/{recipe.digest}"
    assert str(relative_folder(recipe.reference)) == f"fit/{recipe.digest[:20]}"


@given(values, st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(value, random):
    assert canonical_json(shuffled(value, random)) == canonical_json(value)


@given(values)
def test_whole_floats_and_integers_are_one_number(value):
    assert canonical_json(as_floats(value)) == canonical_json(value)


@given(values)
def test_canonical_json_keeps_the_value(value):
    assert json.loads(canonical_json(value)) == value


@given(values, values)
def test_two_values_share_a_text_only_if_they_are_one_value(first, second):
    same_text = canonical_json(first) == canonical_json(second)
    assert same_text == (meaning(first) == meaning(second))


@pytest.mark.parametrize(("first", "second"), [(True, 1), (False, 0), ("1", 1), (None, "null")])
def test_types_that_python_confuses_stay_apart(first, second):
    assert canonical_json(first) != canonical_json(second)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json({"learning_rate": value})


@given(recipes, values)
def test_any_change_of_a_recipe_changes_its_digest(recipe, value):
    changed = [
        Recipe(recipe.stage + "x", recipe.version, recipe.parameters, recipe.inputs),
        Recipe(recipe.stage, recipe.version + 1, recipe.parameters, recipe.inputs),
        Recipe(recipe.stage, recipe.version, {**recipe.parameters, "new": value}, recipe.inputs),
        Recipe(recipe.stage, recipe.version, recipe.parameters, {**recipe.inputs, "new": ("a/b",)}),
    ]
    for key in recipe.parameters:
        parameters = {**recipe.parameters, key: [recipe.parameters[key]]}
        changed.append(Recipe(recipe.stage, recipe.version, parameters, recipe.inputs))
    for role, listed in recipe.inputs.items():
        inputs = {**recipe.inputs, role: (*listed, "source/0")}
        changed.append(Recipe(recipe.stage, recipe.version, recipe.parameters, inputs))
    if "new" not in recipe.parameters and "new" not in recipe.inputs:
        assert len({item.digest for item in [recipe, *changed]}) == len(changed) + 1


def test_order_of_inputs_matters():
    first, second = "corpus/a", "corpus/b"
    digests = {
        Recipe("x", 1, {}, {"raw": raw}).digest for raw in ((first, second), (second, first))
    }
    assert len(digests) == 2


@given(recipes)
def test_a_recipe_survives_its_way_through_a_file(recipe):
    read = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert read.digest == recipe.digest
    assert read.inputs == recipe.inputs
