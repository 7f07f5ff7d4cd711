"""`finescale design`, as a person or a script uses it."""

import json
import re
from pathlib import Path

import pytest

from finescale.cli import main
from finescale.laws import LOG_LEAST_SQUARES, read_points
from finescale.laws.design import Loss, design

EXAMPLE = Path(__file__).parents[2] / "resources" / "example_points.csv"
LOSS = ["--of", "loss", "--method", "lora", "--data", "20k"]


def ask(*arguments: object) -> int:
    return main(["design", *map(str, arguments)])


def test_the_answer_comes_first(pair, capsys):
    assert ask(pair, *LOSS, "--model", "8B", "--runs", "2") == 0
    out = capsys.readouterr().out
    assert out.startswith("The loss of lora at 20K finetuning examples, model size 8B:\n")
    assert re.search(r"^  1\.\d+ \[1\.\d+, 1\.\d+\] nats per token \(95% interval\)$", out, re.M)
    best, outright = out.index("Best next run for its compute"), out.index("at any price")
    assert best < outright < out.index("Single runs") < out.index("One after the other")
    assert re.search(r"^  2  lora .* \d+% +\d\.\de\d+$", out, re.M)


def test_the_page_is_no_wider_than_a_terminal(capsys):
    methods = ["--methods", "fmt", "lora"]
    assert ask(EXAMPLE, "--of", "difference", *methods, "--data", "20k", "--model", "2M") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_json_is_the_design(pair, capsys):
    assert ask(pair, *LOSS, "--model", "8B", "--noise", "0.5%", "--json") == 0
    expected = design(
        read_points(pair),
        interest=Loss("lora", 20_000, {"llm_model_size": 8e9}),
        model_size_as="total",
        objective=LOG_LEAST_SQUARES,
        noise=0.005,
    )
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(expected.to_json()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--of", "difference", "--data", "10k"], "fmt is better"),
        (["--of", "difference", "--methods", "lora", "fmt", "--data", "100"], "lora is better"),
        (["--of", "difference", "--data", "1024"], "either may be better"),
        (["--of", "critical-size"], "finetuning examples (95% interval)"),
        (["--of", "exponents", "--method", "fmt"], "beta, of finetuning examples: 0.1"),
    ],
)
def test_every_interest_is_answered(pair, capsys, arguments, said):
    assert ask(pair, *arguments, "--runs", "1") == 0
    answer = capsys.readouterr().out.partition("Best next run")[0]
    assert said in answer


def test_a_table_of_data_and_losses_counts_examples(data_only, capsys):
    assert ask(data_only, "--of", "loss", "--data", "20k", "--runs", "1") == 0
    out = capsys.readouterr().out
    assert "examples so far" in out
    assert "model size" not in out.partition("How to read")[0]


def test_what_cannot_be_said_is_said_with_the_runs_to_begin_with(tmp_path, capsys):
    table = tmp_path / "few.csv"
    table.write_text("finetuning_examples,test_log_perplexity\n100,2.1\n300,1.9\n")
    plot = tmp_path / "plot.pdf"
    asked = ["--of", "loss", "--data", "20k", "--form", "multiplicative"]
    assert ask(table, *asked, "--plot", plot) == 0
    out = capsys.readouterr().out
    assert out.startswith("Nothing can be said yet about the loss of finetuning at 20K")
    assert "What to run first\n- finetuning: the " in out
    assert plot.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--of", "loss", "--data", "2k"], "--of loss takes --method; the table has fmt, lora"),
        (["--of", "loss", "--method", "lroa", "--data", "2k"], "did you mean `lora`?"),
        (["--of", "loss", "--method", "lora"], "add --data"),
        ([*LOSS, "--methods", "lora", "fmt"], "give --method or --methods, not both"),
        (["--of", "difference", "--method", "lora", "--data", "2k"], "takes --methods A B"),
        (["--of", "critical-size", "--data", "2k"], "about all data sizes: leave --data out"),
        (["--of", "exponents", "--method", "lora", "--model", "8B"], "the same everywhere"),
        ([*LOSS, "--noise", "0.5"], "did you mean 0.005, which is 0.5%?"),
        ([*LOSS, "--noise", "some"], "--noise is 'some', which is not a number"),
        ([*LOSS, "--base-model-noise", "30%"], "--base-model-noise 30% is 30% of the loss"),
        ([*LOSS, "--form", "additve"], "did you mean `additive`?"),
        ([*LOSS, "--runs", "0"], "--runs is '0'"),
        ([*LOSS, "--pretraining", "3B"], "the table has none"),
    ],
)
def test_mistakes_get_a_message(pair, capsys, arguments, said):
    assert ask(pair, *arguments) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err[:7]) == ("", "error: ")
    assert said in captured.err
