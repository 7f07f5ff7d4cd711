"""Which runs a study has: Table 1 of the paper, and every other grid by the same rules."""

from collections import Counter
from itertools import product

import pytest

from finescale.study import grid
from finescale.study.config import complete_config
from finescale.study.grid import Cell


@pytest.fixture
def complete(schema):
    return lambda config: complete_config(config, schema, "study")


def labels_of(plan, stage):
    return [label for _, found, label in plan.index_rows() if found == stage]


def test_the_paper_has_its_finetunings_by_task(complete, paper):
    config = complete(paper)
    counts = {name: len(grid.cells(config, task)) for name, task in config["tasks"].items()}
    assert counts == {"wmt14-en-de": 1260, "wmt19-en-zh": 1326, "mlsum": 1233}


@pytest.mark.parametrize(
    ("name", "finetunings", "pretrainings"),
    [("paper", 3819, 19), ("demo", 307 + 33, 14), ("smoke", 34 + 1, 5)],
)
def test_a_plan_has_as_many_runs_as_its_study_says(
    plan, config_files, name, finetunings, pretrainings
):
    stages = Counter(recipe.stage for recipe in plan(config_files[name]).recipes.values())
    assert (stages["finetune"], stages["pretrain"]) == (finetunings, pretrainings)


def test_the_smoke_study_stays_small(plan, smoke):
    stages = Counter(recipe.stage for recipe in plan(smoke).recipes.values())
    assert stages["finetune"] + stages["pretrain"] <= 40


def test_the_demo_reaches_the_grid_that_was_asked_for(demo):
    sizes = {
        name: (
            len(task["grid"]["llm_model_size"]["values"]),
            len(task["grid"]["pretraining_tokens"]["values"]),
            min(len(axis["values"]) for axis in task["grid"]["finetuning_examples"].values()),
            {len(axis["values"]) for axis in task["grid"]["pet_parameter_size"].values()},
            set(task["grid"]["finetuning_examples"]),
        )
        for name, task in demo["tasks"].items()
    }
    first, *others = sizes.values()
    assert all(found >= asked for found, asked in zip(first[:3], (4, 4, 5), strict=True))
    for found in others:
        assert all(has >= asked for has, asked in zip(found[:3], (3, 3, 4), strict=True))
    assert all(found[3:] == ({3}, {"fmt", "lora", "prompt"}) for found in sizes.values())
    assert demo["tasks"]["help-en-de"]["noise_floor"]["seeds"] == [0, 1, 2]
    assert demo["pretraining"]["validation"]["logged_checkpoints"] >= 6


def test_one_factor_moves_at_a_time(complete, smoke):
    """Against an enumeration by hand of the smoke study's first task."""
    config = complete(smoke)
    examples, full = (32, 64), 20480
    expected = {
        Cell(size, full, method, pet, number, 0)
        for size, (method, pet), number in product(
            ("XXS", "XS"), (("fmt", None), ("lora", 4), ("prompt", 4)), examples
        )
    }
    expected |= {
        Cell("XXS", 10240, method, pet, number, 0)
        for (method, pet), number in product((("fmt", None), ("lora", 4), ("prompt", 4)), examples)
    }
    expected |= {
        Cell("XXS", full, method, 2, number, 0)
        for method, number in product(("lora", "prompt"), examples)
    }
    cells = grid.cells(config, config["tasks"]["help-en-de"])
    assert set(cells) == expected
    assert len(cells) == len(expected)


def test_seeds_multiply_and_the_noise_floor_adds_one_cell_a_method(complete, smoke):
    task = smoke["tasks"]["help-en-de"]
    once = set(grid.cells(config := complete(smoke), config["tasks"]["help-en-de"]))
    smoke["seeds"] = [0, 1, 2]
    thrice = set(grid.cells(config := complete(smoke), config["tasks"]["help-en-de"]))
    assert once < thrice
    assert len(thrice) == 3 * len(once)
    smoke["seeds"] = [0]
    task["noise_floor"] = {"finetuning_examples": 64, "seeds": [0, 1, 2]}
    noisy = set(grid.cells(config := complete(smoke), config["tasks"]["help-en-de"]))
    assert noisy - once == {
        Cell("XXS", 20480, method, pet, 64, seed)
        for method, pet in (("fmt", None), ("lora", 4), ("prompt", 4))
        for seed in (1, 2)
    }


def held_out_by_hand(cell: Cell) -> bool:
    """Table 1's held-out values of WMT14 En-De."""
    return (
        cell.size == "16B"
        or cell.pretraining_tokens == 209 * 10**9
        or (cell.method == "lora" and cell.pet_parameter_size == 128)
        or (cell.method == "prompt" and cell.pet_parameter_size == 600)
        or cell.finetuning_examples == (4500000 if cell.method == "fmt" else 100000)
    )


def test_a_point_is_held_out_if_any_of_its_coordinates_is(complete, paper):
    config = complete(paper)
    task = config["tasks"]["wmt14-en-de"]
    cells = grid.cells(config, task)
    found = [grid.is_held_out(cell, task) for cell in cells]
    assert found == [held_out_by_hand(cell) for cell in cells]
    assert 0 < sum(found) < len(found)


def test_points_say_which_of_them_are_held_out(plan, smoke):
    (points,) = [
        recipe
        for recipe in plan(smoke).recipes.values()
        if recipe.stage == "points" and recipe.parameters["task"] == "help-en-de"
    ]
    for row in points.parameters["rows"]:
        out = row["size"] == "XS" or row["finetuning_examples"] == 64
        assert row["split"] == ("held-out" if out else "fit")
        assert row["nominal_size"] == {"XXS": 20000, "XS": 40000}[row["size"]]
