"""`finescale fit`, as a person or a shell script uses it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.cli import main

FINESCALE = Path(sys.executable).with_name("finescale")
EXAMPLE = Path(__file__).parents[2] / "resources" / "example_points.csv"
SIZES = (1_000_000, 3_000_000, 10_000_000, 30_000_000)
EXAMPLES = (100, 300, 1000, 3000, 10_000)


def loss(size: float, examples: float) -> float:
    """The law behind the table."""
    return 20 * size**-0.2 * examples**-0.1 + 1.5


@pytest.fixture
def table(tmp_path) -> Path:
    """Exact losses of one method over two factors; the largest data size is held out."""
    rows = [
        f"{task},{size},{examples},{'held-out' if examples == 10_000 else 'fit'},{value!r}"
        for task in ("a", "b")
        for size in SIZES
        for examples in EXAMPLES
        for value in [loss(size, examples)]
    ]
    path = tmp_path / "mine.csv"
    header = "task,model_parameters,finetuning_examples,split,test_log_perplexity"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_fit_finds_the_law_of_a_table(table, capsys):
    assert main(["fit", str(table), "--task", "a", "--resamples", "50"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a: 20 runs (4 held out) of finetuning\n")
    assert "multiplicative: L = A / (X^alpha D^beta) + E\n" in out
    row = re.search(r"^finetuning +model size +0\.2\d* \[.*\] +0\.1\d* \[.*\] +1\.5", out, re.M)
    assert row, out


@pytest.mark.parametrize("procedure", ["recommended", "paper"])
def test_fit_as_json(table, capsys, procedure):
    command = ["fit", str(table), "--task", "b", "--resamples", "0", "--json"]
    assert main([*command, "--procedure", procedure]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["task"], result["model_size_as"]) == ("b", "total")
    assert (result["objective"]["residuals"] == "raw") == (procedure == "paper")
    (law,) = [
        law
        for law in result["laws"]
        if (law["form"], law["factor"]) == ("multiplicative", "llm_model_size")
    ]
    truth = {"A": 20, "alpha": 0.2, "beta": 0.1, "E": 1.5}
    assert law["fit"]["parameters"] == pytest.approx(truth, rel=1e-3)
    assert law["deviation_held_out"] < 1e-6


def test_two_columns_give_a_law_over_data(tmp_path, capsys):
    rows = [f"{examples},{2 * examples**-0.3 + 1.5!r}" for examples in EXAMPLES]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["finetuning_examples,test_log_perplexity", *rows]) + "\n")
    assert main(["fit", str(path), "--resamples", "20"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("mine: 5 runs (0 held out) of finetuning\n")
    assert re.search(r"^finetuning +0\.30* \[.*\] +1\.50* \[", out, re.M), out
    assert "multiplicative" not in out


def test_fit_draws_its_laws(data_only, tmp_path, capsys):
    plot = tmp_path / "laws.pdf"
    assert main(["fit", str(data_only), "--resamples", "20", "--plot", str(plot)]) == 0
    assert capsys.readouterr().out.startswith("plain: 5 runs")
    assert plot.read_bytes().startswith(b"%PDF")


def test_failed_runs_are_counted_and_a_method_that_only_failed_has_no_law(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    rows = [f"lora,{examples},ok,{2 * examples**-0.3 + 1.5!r}" for examples in EXAMPLES]
    failed = [f"fmt,{examples},diverged," for examples in EXAMPLES]
    header = "method,finetuning_examples,status,test_log_perplexity"
    path.write_text("\n".join([header, *rows, *failed]) + "\n")
    assert main(["fit", str(path), "--resamples", "0"]) == 0
    out = capsys.readouterr().out
    assert "10 runs (0 held out, 5 diverged) of fmt, lora" in out
    assert not re.search("^fmt ", out, re.M)
    path.write_text("\n".join([header, *failed]) + "\n")
    assert main(["fit", str(path)]) == 1
    assert "no run has status ok" in capsys.readouterr().err


def test_the_example_is_fitted_without_escape_codes_when_piped():
    command = [FINESCALE, "fit", EXAMPLE, "--resamples", "10"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "131 runs (57 held out) of fmt, prompt, lora" in done.stdout
    assert "\x1b" not in done.stdout
    for form in ("single", "multiplicative", "additive"):
        assert f"\n{form}: L = " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "2 tasks: a, b; name one (--task)"),
        (["--task", "c"], "no points of task 'c'"),
        (["--task", "a", "--model-size-as", "nominal"], "needs the column nominal_size"),
    ],
)
def test_mistakes_get_a_message(table, capsys, arguments, said):
    assert main(["fit", str(table), *arguments]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err[:7]) == ("", "error: ")
    assert said in captured.err


def test_a_bad_table_gets_a_message(tmp_path, capsys):
    (tmp_path / "mine.csv").write_text("examples,perplexity\n100,9\n")
    assert main(["fit", str(tmp_path / "mine.csv")]) == 1
    message = capsys.readouterr().err
    assert "is it `examples`?" in message
    assert "natural logarithm" in message


def test_a_bad_option_is_named(table, capsys):
    with pytest.raises(SystemExit):
        main(["fit", str(table), "--resamples", "many"])
    assert "--resamples: 'many' is not a whole number" in capsys.readouterr().err
