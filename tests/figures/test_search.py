"""The plot and the table of the search for learning rate and batch."""

import csv

import pytest

from finescale.figures.search import marked, search_figure


def run(method="fmt", rate=0.001, batch=8, loss=2.0, status="ok"):
    return {
        "method": method,
        "learning_rate": rate,
        "batch_examples": batch,
        "status": status,
        "dev_log_perplexity": None if status != "ok" else loss,
        "best_step": 4,
        "steps": 12,
        "digest": f"{method}-{rate}-{batch}",
    }


RUNS = [
    run(rate=0.001, batch=8, loss=2.5),
    run(rate=0.001, batch=16, loss=2.25),
    run(rate=0.01, batch=8, loss=2.0),
    run(rate=0.01, batch=16, status="diverged"),
    run("lora", rate=0.1, batch=8, loss=1.5),
    run("lora", rate=0.3, batch=8, loss=1.75),
]
USED = {
    "fmt": {"learning_rate": 0.001, "batch_examples": 16},
    "lora": {"learning_rate": 0.1, "batch_examples": 8},
}


def test_the_best_of_each_method_is_marked_and_so_is_what_the_study_uses():
    rows = marked(RUNS, USED)
    assert [row["best"] for row in rows] == [False, False, True, False, True, False]
    assert [row["used"] for row in rows] == [False, True, False, False, True, False]


def test_what_is_drawn_is_in_the_table(tmp_path):
    search_figure("Help", RUNS, USED, tmp_path)
    with (tmp_path / "figure.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["digest"] for row in rows] == [row["digest"] for row in RUNS]
    assert [row["dev_log_perplexity"] for row in rows] == [
        "" if row["dev_log_perplexity"] is None else str(row["dev_log_perplexity"]) for row in RUNS
    ]
    picture = (tmp_path / "figure.svg").read_text()
    for words in ("FMT", "LoRA", "best: 0.01, batch 8, 1 diverged", "batch 16", "used"):
        assert f"<!-- {words} -->" in picture


@pytest.mark.parametrize("status", ["diverged", "base diverged"])
def test_a_search_in_which_nothing_was_finished(tmp_path, status):
    search_figure("Help", [run(status=status)], USED, tmp_path)
    assert "1 diverged" in (tmp_path / "figure.svg").read_text()


def test_the_same_runs_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        search_figure("Help", RUNS, USED, tmp_path / name)
    for suffix in ("pdf", "png", "svg", "csv"):
        one, two = (tmp_path / name / f"figure.{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
