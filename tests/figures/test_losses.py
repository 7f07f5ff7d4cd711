"""The figures of later test sets: those of scores, with what is better the other way round."""

import csv

import pytest

from finescale.figures import TaskScores, draw

COLUMNS = (
    *("method", "nominal_size", "pretraining_tokens", "pet_parameter_size"),
    *("finetuning_examples", "seed", "baseline", "status", "examples", "target_tokens"),
    *("log_perplexity", "log_perplexity_low", "log_perplexity_high", "digest"),
)
ROWS = [
    ("fmt", 10, 900, "", 32, 0, False, "ok", 5, 50, 3.5, 3.25, 3.75, "a"),
    ("fmt", 10, 900, "", 64, 0, False, "ok", 5, 50, 3.0, 2.75, 3.25, "b"),
    ("fmt", 10, 900, "", 64, 1, False, "ok", 5, 50, 3.25, 3.0, 3.5, "c"),
    ("fmt", 10, 900, "", 128, 0, False, "diverged", 0, "", "", "", "", "d"),
    ("fmt", 20, 900, "", 32, 0, False, "ok", 5, 50, 2.5, 2.25, 2.75, "e"),
    ("fmt", 20, 900, "", 128, 0, False, "base diverged", 0, "", "", "", "", "f"),
    ("lora", 10, 300, 4, 32, 0, False, "ok", 5, 50, 4.5, 4.25, 4.75, "g"),
    ("lora", 10, 900, 4, 32, 0, False, "ok", 5, 50, 4.0, 3.75, 4.25, "h"),
    ("lora", 10, 900, 8, 32, 0, False, "ok", 5, 50, 4.25, 4.0, 4.5, "i"),
]


@pytest.fixture
def scores(tmp_path):
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *ROWS])
    base = {"llm_model_size": 10, "pretraining_tokens": 900, "pet_parameter_size": {"lora": 4}}
    about = {"task": "help", "title": "Help", "score": "log_perplexity", "base": base}
    return TaskScores.read(tmp_path / "scores.csv", about | {"model_size_as": "nominal"}, [])


def drawn(name, scores, folder):
    folder.mkdir()
    draw(name, {}, folder, scores=[scores])
    with (folder / "figure.csv").open() as file:
        return list(csv.DictReader(file)), (folder / "figure.svg").read_text()


def test_a_figure_shows_every_seed_and_what_failed(scores, tmp_path):
    rows, svg = drawn("loss-model-size", scores, tmp_path / "drawn")
    names = ("record", "method", "x", "finetuning_examples", "value", "value_low", "status")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("mean", "fmt", "10.0", "32", "3.5", "3.25", ""),
        ("mean", "fmt", "10.0", "64", "3.125", "", ""),
        ("run", "fmt", "10.0", "64", "3.0", "", ""),
        ("run", "fmt", "10.0", "64", "3.25", "", ""),
        ("failed", "fmt", "10.0", "128", "", "", "diverged"),
        ("mean", "fmt", "20.0", "32", "2.5", "2.25", ""),
        ("failed", "fmt", "20.0", "128", "", "", "base diverged"),
        ("mean", "lora", "10.0", "32", "4.0", "3.75", ""),
    ]
    assert {(row["suite"], row["score"]) for row in rows} == {("loss", "log-perplexity")}
    assert "lower is better" in svg
    assert "higher is better" not in svg
    assert "later test sets" in svg
    assert "Runs without a score: 1 diverged, 1 base diverged" in svg


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("loss-pretraining-size", "pretraining_tokens", {("lora", "300.0"), ("lora", "900.0")}),
        ("loss-pet-size", "pet_parameter_size", {("lora", "4.0"), ("lora", "8.0")}),
    ],
)
def test_each_factor_has_its_figure(scores, tmp_path, name, factor, expected):
    rows, _ = drawn(name, scores, tmp_path / "drawn")
    assert {row["factor"] for row in rows} == {factor}
    found = {(row["method"], row["x"]) for row in rows}
    assert expected <= found
    assert len(found) == len(expected) + (factor == "pretraining_tokens")  # fmt has one value
