"""Each table: four files, and a CSV with the numbers that it shows."""

import csv

import pytest

from finescale.figures import draw

TASKS = [
    {
        "title": title,
        "family": "en-de",
        "train_examples": 8192,
        "max_source_tokens": 48,
        "max_target_tokens": 40,
        "test_sets": ["news20", "news21"],
        "zero_shot_sets": [],
        "grid": {
            "base_size": "S",
            "llm_model_size": {"values": ["S", "M"], "held_out": "M"},
            "pretraining_tokens": {"values": [100, 200]},
            "pet_parameter_size": {"lora": {"values": ranks, "held_out": None}},
            "finetuning_examples": {
                "fmt": {"values": [32, 64], "held_out": 64},
                "lora": {"values": [32, 64], "held_out": 64},
            },
        },
    }
    for title, ranks in (("One", [1, 4]), ("Two", [2, 4]))
]
SIZES = {
    name: {
        "nominal": 1000 * layers,
        "layers": layers,
        "heads": 2,
        "head_dim": 8,
        "ffn_dim": 64,
        "model_dim": 16,
    }
    for name, layers in (("M", 4), ("S", 2))  # recipes sort their keys
}
NAMES = ["table1", "table2", "table3", "table4", "table6"]


def draw_table(name, study, folder):
    folder.mkdir(exist_ok=True)
    draw(name, {"tasks": TASKS, "model_sizes": SIZES}, folder, fits=study.fits)
    return folder


@pytest.fixture(scope="module")
def drawn(study, tmp_path_factory):
    root = tmp_path_factory.mktemp("tables")
    return {name: draw_table(name, study, root / name) for name in NAMES}


def rows_of(folder):
    with open(folder / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", NAMES)
def test_four_files_the_same_on_every_run(drawn, study, tmp_path, name):
    again = draw_table(name, study, tmp_path)
    names = {"table.pdf", "table.png", "table.svg", "table.csv"}
    assert {path.name for path in again.iterdir()} == names
    for path in again.iterdir():
        assert path.read_bytes() == (drawn[name] / path.name).read_bytes(), path.name


def test_table1_gathers_equal_grids_and_marks_held_out_values(drawn):
    rows = rows_of(drawn["table1"])
    tasks = [row for row in rows if row["record"] == "task"]
    assert [(row["task"], row["length"]) for row in tasks] == [("One", "48/40"), ("Two", "48/40")]
    grids = [
        (row["factor"], row["where"], row["values"], row["held_out"])
        for row in rows
        if row["record"] == "grid"
    ]
    assert grids == [
        ("llm_model_size", "One, Two", "S;M", "M"),
        ("pretraining_tokens", "One, Two", "100;200", ""),
        ("pet_parameter_size", "One: LoRA", "1;4", ""),
        ("pet_parameter_size", "Two: LoRA", "2;4", ""),
        ("finetuning_examples", "One, Two: FMT, LoRA", "32;64", "64"),
    ]


def test_table3_lists_the_shapes(drawn):
    rows = rows_of(drawn["table3"])
    assert [(row["size"], row["nominal"], row["layers"]) for row in rows] == [
        ("S", "2000", "2"),
        ("M", "4000", "4"),
    ]


def test_table4_holds_the_multiplicative_parameters(drawn, study):
    rows = {(r["factor"], r["task"], r["method"]): r for r in rows_of(drawn["table4"])}
    assert len(rows) == 2 * (3 + 3 + 2)
    row = rows["pretraining_tokens", "help", "lora"]
    law = study.fits[0].law("lora", "multiplicative", "pretraining_tokens")
    assert {name: float(row[name]) for name in law.fit.parameters} == law.fit.parameters
    assert float(row["alpha"]) == pytest.approx(0.2, rel=1e-2)
    missing = rows["llm_model_size", "few", "fmt"]
    assert (missing["status"], missing["A"]) == ("not identified", "")


@pytest.mark.parametrize(("name", "tasks"), [("table2", {"help"}), ("table6", {"help", "few"})])
def test_held_out_errors_and_their_average(drawn, study, name, tasks):
    rows = rows_of(drawn[name])
    assert {row["task"] for row in rows} == tasks
    errors = {
        (row["form"], row["method"]): row["mean_absolute_deviation"]
        for row in rows
        if (row["task"], row["factor"]) == ("help", "llm_model_size")
    }
    for form in ("multiplicative", "additive"):
        singles = [
            study.fits[0].law(method, form, "llm_model_size").deviation_held_out
            for method in ("fmt", "prompt", "lora")
        ]
        shown = [float(errors[form, method]) for method in ("fmt", "prompt", "lora")]
        assert shown == singles
        assert float(errors[form, "average"]) == pytest.approx(sum(singles) / 3)


def test_laws_that_are_not_identified_have_words_instead_of_numbers(drawn):
    few = [row for row in rows_of(drawn["table6"]) if row["task"] == "few"]
    assert few
    for row in few:
        assert row["mean_absolute_deviation"] == ""
        assert row["method"] == "average" or row["status"] == "not identified"
