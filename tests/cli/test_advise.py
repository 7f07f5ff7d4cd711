"""`finescale advise`, as a person or a script uses it."""

import json
import re
from pathlib import Path

import pytest

from finescale.cli import main

EXAMPLE = Path(__file__).parents[2] / "resources" / "example_points.csv"
QUICK = ["--resamples", "100"]


def ask(*arguments: object) -> int:
    return main(["advise", *map(str, arguments), *QUICK])


def strict(text: str) -> dict:
    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_the_answer_comes_first_and_the_page_is_short(capsys):
    assert ask(EXAMPLE, "--data", "20k", "--model", "2M") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Use fmt: ")
    assert "extrapolation (model size, finetuning data)" in lines[1]
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100
    titles = ("Predicted loss", "Critical sizes", "What twice as much", "Warnings", "How to read")
    places = [
        next(place for place, line in enumerate(lines) if line.startswith(title))
        for title in titles
    ]
    assert places == sorted(places)


def test_the_better_method_changes_where_the_laws_meet(pair, capsys):
    for data, better in (("200", "lora"), ("10000", "fmt")):
        assert ask(pair, "--data", data, "--model", "3B") == 0
        out = capsys.readouterr().out
        assert out.startswith(f"Use {better}: over 99% sure")
        assert f"For {data if data == '200' else '10K'} finetuning examples, model size 3B." in out
        crossing = re.search(r"^lora below (\S+), fmt above +(\S+) to (\S+) +over 99%", out, re.M)
        assert crossing, out
        assert crossing[1] in ("980", "990", "1K", "1100")


def test_methods_that_are_equally_good_are_not_ranked(pair, capsys):
    assert ask(pair, "--data", "1024", "--model", "1B") == 0
    out = capsys.readouterr().out
    assert out.startswith("No clear winner: ")
    assert "finescale design --of difference" in out


def test_json_says_what_the_page_says(pair, capsys):
    assert ask(pair, "--data", "2e4", "--model", "8e9", "--json") == 0
    advice = strict(capsys.readouterr().out)
    assert advice["recommendation"]["method"] == "fmt"
    assert advice["question"] == {
        "data": 20_000,
        "model": 8_000_000_000,
        "pretraining": None,
        "pet_size": None,
    }
    best = advice["methods"][0]
    assert best["loss"] == pytest.approx(40 * 8e9**-0.2 * 2e4**-0.15 + 1, rel=0.01)
    assert best["interval"][0] < best["loss"] < best["interval"][1]
    assert {"variable", "change", "interval"} <= best["doubled"][0].keys()
    assert advice["critical_sizes"][0]["comparison"]["crossings"][0]["size"] == pytest.approx(
        1024, rel=0.1
    )


def test_unbounded_intervals_are_null(capsys):
    assert ask(EXAMPLE, "--data", "20k", "--model", "2M", "--json") == 0
    found = strict(capsys.readouterr().out)["critical_sizes"]
    (crossing,) = [one for pair in found for one in pair["comparison"]["crossings"]]
    assert None in crossing["interval"]
    assert ask(EXAMPLE, "--data", "20k", "--model", "2M") == 0
    assert re.search(r"lora below \d+, fmt above +\S+ or more", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("sizes", "expected"), [(["8"], {"lora": 8, "prompt": 8}), (["lora=8", "prompt=32"], None)]
)
def test_pet_size_for_all_or_for_each(sizes, expected, capsys):
    assert ask(EXAMPLE, "--data", "2k", "--pet-size", *sizes, "--json") == 0
    advice = strict(capsys.readouterr().out)
    found = {m["method"]: m["at"].get("pet_parameter_size") for m in advice["methods"]}
    assert found == {"fmt": None, **(expected or {"lora": 8, "prompt": 32})}


def test_a_table_of_data_and_losses_has_one_method(data_only, capsys):
    assert ask(data_only, "--data", "5k") == 0
    out = capsys.readouterr().out
    assert out.startswith("finetuning is the only method that can be judged")
    assert "Critical sizes" not in out
    assert "twice the        finetuning\n" in out


def test_many_methods_stay_beside_each_other(pair, tmp_path, capsys):
    header, *rows = pair.read_text().splitlines()
    table = tmp_path / "many.csv"
    twice = [row.replace("fmt", "ia3").replace("lora", "bitfit") for row in rows]
    table.write_text("\n".join([header, *rows, *twice]) + "\n")
    assert ask(table, "--data", "5k") == 0
    out = capsys.readouterr().out
    assert out.count("\ntwice the ") == 2
    assert "(3 more pairs: --json)" in out


def test_without_resamples_there_is_a_prediction_alone(pair, capsys):
    assert main(["advise", str(pair), "--data", "200", "--resamples", "0"]) == 0
    out = capsys.readouterr().out
    assert "No clear winner: lora and fmt cannot be told apart: there are no intervals" in out
    assert "[brackets]" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "0"], "--data is '0', which is not a positive number"),
        (["--data", "50,000"], "write it without separators: 50000"),
        (["--data", "1k", "--model", "big"], "--model is 'big', which is not a number"),
        (["--data", "1k", "--pretraining", "3B"], "the table has none: add the column"),
        (["--data", "1k", "--pet-size", "lroa=4"], "did you mean `lora`?"),
        (["--data", "1k", "--pet-size", "4", "x"], "METHOD=SIZE"),
        (["--data", "1k", "--plot", "x.jpg"], "must end in .pdf, .png, .svg"),
        (["--data", "1k", "--plot", "nowhere/x.pdf"], "there is no folder nowhere"),
    ],
)
def test_mistakes_get_a_message(pair, capsys, arguments, said):
    assert ask(pair, *arguments) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err[:7]) == ("", "error: ")
    assert said in captured.err


def test_a_model_size_needs_its_column(data_only, capsys):
    assert ask(data_only, "--data", "1k", "--model", "8B") == 1
    assert "a model size is asked for, but the table has none" in capsys.readouterr().err


def test_the_plot_is_drawn_beside_the_page(pair, tmp_path, capsys):
    plot = tmp_path / "advice.svg"
    assert ask(pair, "--data", "5k", "--plot", plot) == 0
    assert capsys.readouterr().out.startswith("Use fmt")
    assert "<svg" in plot.read_text()
