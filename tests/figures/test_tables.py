"""Each table: four files, and a CSV with the numbers that it shows."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from finescale.figures import draw, style
from finescale.figures.style import format_loss
from finescale.laws import Fit
from finescale.laws.noise import noise_floor
from finescale.laws.points import cells
from finescale.laws.profile import LevelProfile
from finescale.laws.results import Level

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
NAMES = ["table1", "table2", "table3", "table4", "table5", "table6"]


def draw_table(name, study, folder):
    folder.mkdir(exist_ok=True)
    parameters = {"tasks": TASKS, "model_sizes": SIZES}
    draw(name, parameters, folder, fits=study.fits, points=study.points)
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
    rows = {
        (r["factor"], r["task"], r["method"]): r
        for r in rows_of(drawn["table4"])
        if r["shown"] == "True"
    }
    assert len(rows) == 2 * (3 + 3 + 2)
    row = rows["pretraining_tokens", "help", "lora"]
    law = study.fits[0].law("lora", "multiplicative", "pretraining_tokens")
    assert {name: float(row[name]) for name in law.fit.parameters} == law.fit.parameters
    assert float(row["alpha"]) == pytest.approx(0.2, rel=5e-2)
    level = study.fits[0].level("lora", "multiplicative")
    assert row["E_identified"] == str(level.identified)
    assert (float(row["E_allowed_low"]), float(row["E_allowed_high"])) == (level.low, level.high)
    missing = rows["llm_model_size", "few", "fmt"]
    assert (missing["status"], missing["A"], missing["A_low"]) == ("not identified", "", "")


def test_table4_lists_the_intervals_of_every_scheme(drawn, study):
    law = study.fits[0].law("fmt", "multiplicative", "llm_model_size")
    rows = [
        row
        for row in rows_of(drawn["table4"])
        if (row["factor"], row["task"], row["method"]) == ("llm_model_size", "help", "fmt")
    ]
    assert [(row["scheme"], row["shown"]) for row in rows] == [
        ("base model", "True"),
        ("case", "False"),
    ]
    for row in rows:
        for name, bounds in law.intervals()[row["scheme"]].items():
            assert (float(row[f"{name}_low"]), float(row[f"{name}_high"])) == bounds


def table_words(name, study, folder, monkeypatch, fits):
    monkeypatch.setitem(style.STYLE, "svg.fonttype", "none")
    draw(name, {}, folder, fits=fits, points=study.points)
    return (folder / "table.svg").read_text()


@pytest.mark.parametrize(
    ("status", "profile", "words"),
    [
        ("converged", LevelProfile(1e-6, 1.2, False), "not identified (≤ 1.2)"),
        ("bound hit", LevelProfile(1e-6, 1.2, False), "not identified (≤ 1.2)"),
        ("bound hit", LevelProfile(1.0, 2.0, True), "at 0"),
        ("bound hit", None, "at 0"),
        ("converged", LevelProfile(1.0, 2.0, True), "1.50 [1.21, 1.89]"),
        ("converged", None, "1.50 [1.21, 1.89]"),
    ],
)
def test_table4_says_what_is_known_of_e(study, tmp_path, monkeypatch, status, profile, words):
    fit = study.fits[0]
    bound = ("E",) if status == "bound hit" else ()
    parameters = {"A": 40.0, "alpha": 0.31, "beta": 0.12, "E": 1.5}
    rows = {name: np.full(9, value) for name, value in parameters.items()}
    rows["E"] = np.linspace(1.19, 1.91, 9)
    law = replace(
        fit.law("lora", "multiplicative", "llm_model_size"),
        fit=Fit("multiplicative", status, parameters=parameters, at_bound=bound),
        resamples={"cell": rows},
    )
    level = Level("lora", "multiplicative", profile)
    one = replace(fit, laws=(law,), levels=(level,))
    shown = table_words("table4", study, tmp_path, monkeypatch, [one])
    for expected in (
        f">{words}<",
        ">0.31 [0.31, 0.31]<",
        ">bound hit: E<" if bound else ">converged<",
        "brackets: 95% intervals from resampled errors of points",
    ):
        assert expected in shown, expected


def test_table4_says_why_a_law_is_missing(study, tmp_path, monkeypatch):
    shown = table_words("table4", study, tmp_path, monkeypatch, [study.fits[1]])
    assert "not identified: no beta and E:" in shown
    assert "95%" not in shown


def test_table5_compares_the_methods_of_every_task(drawn, study):
    rows = rows_of(drawn["table5"])
    pairs = {(row["factor"], row["task"], row["first"], row["second"]) for row in rows}
    twos = [("fmt", "prompt"), ("fmt", "lora"), ("prompt", "lora")]
    factors = ("llm_model_size", "pretraining_tokens")
    assert pairs == {(f, task, *two) for f in factors for task in ("Help", "Few") for two in twos}
    assert {row["record"] for row in rows if row["task"] == "Few"} == {"not identified"}


@pytest.mark.parametrize("floors", [0.99, 1.01])
def test_forms_that_seed_noise_hides_are_marked(study, tmp_path, monkeypatch, floors):
    """Both forms' held-out errors just nearer to each other than the floor, or just farther."""
    fit = study.fits[0]
    floor = noise_floor(cells(run for run in study.points if run.task == "help"))
    laws = [
        replace(law, deviation_held_out=0.01 + floors * floor * (law.form == "additive"))
        for law in fit.laws
    ]
    shown = table_words("table2", study, tmp_path, monkeypatch, [replace(fit, laws=tuple(laws))])
    rows = rows_of(tmp_path)
    assert {row["within_seed_noise"] for row in rows} == {str(floors < 1)}
    assert {float(row["seed_noise"]) for row in rows} == {floor}
    assert (">0.010 ≈<" in shown) == (floors < 1)
    assert f">{format_loss(floor)}<" in shown


def test_without_repeated_seeds_nothing_is_marked(drawn):
    few = [row for row in rows_of(drawn["table6"]) if row["task"] == "few"]
    assert {(row["seed_noise"], row["within_seed_noise"]) for row in few} == {("", "")}


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
