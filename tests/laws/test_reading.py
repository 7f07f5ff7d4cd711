"""Tables of points as people write them, and what they are told about their mistakes."""

import math
from dataclasses import replace

import pytest

from finescale.errors import UserError
from finescale.laws.points import COLUMNS, Point, write_points
from finescale.laws.reading import WORST_LOSS, read_points

FULL = Point(
    study="demo",
    task="help",
    method="lora",
    family="en-de",
    nominal_size=10_000,
    model_parameters=12_000,
    non_embedding_parameters=6_000,
    pretraining_tokens=800_000,
    pet_parameter_size=4,
    finetuning_examples=100,
    seed=0,
    split="held-out",
    status="ok",
    dev_log_perplexity=2.5,
    test_log_perplexity=1 / 3,
    target_tokens=1000,
    digest="0" * 64,
)


@pytest.fixture
def table(tmp_path):
    """Write bytes or text to a file and give its path."""

    def write(content):
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def refusal(table):
    """What the reader says about a table, after the name of the file."""

    def said(content):
        with pytest.raises(UserError) as caught:
            read_points(table(content))
        name, _, message = str(caught.value).partition("mine.csv")
        assert name.endswith("/")
        return message.removeprefix(":")

    return said


def test_written_points_read_back(tmp_path):
    failed = {"status": "base diverged", "model_parameters": None, "target_tokens": None}
    losses = {"dev_log_perplexity": None, "test_log_perplexity": None}
    points = [
        FULL,
        replace(FULL, method="fmt", pet_parameter_size=None, split="fit"),
        replace(FULL, seed=1, **failed, **losses),
    ]
    write_points(tmp_path / "points.csv", points)
    assert read_points(tmp_path / "points.csv") == points


def test_two_columns_are_enough_and_the_rest_has_defaults(table):
    points = read_points(table("test_log_perplexity,finetuning_examples\n2.5,100\n2.25,200\n"))
    assert points == [
        Point(finetuning_examples=100, test_log_perplexity=2.5),
        Point(finetuning_examples=200, test_log_perplexity=2.25),
    ]
    defaults = points[0]
    assert (defaults.task, defaults.seed, defaults.split, defaults.status) == ("", 0, "fit", "ok")
    assert defaults.nominal_size is None
    assert defaults.pet_parameter_size is None


PLAIN = "method,finetuning_examples,test_log_perplexity\nlora,100,2.5\nmine,8000000000,2\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.replace("8000000000", "8e9"),
        PLAIN.replace("8000000000", "8B"),
        PLAIN.replace("8000000000", " 8000000000.0 "),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ", ").replace("mine", '"mine"'),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\n\n") + ",,\n",
        PLAIN.replace("method,", "method,remark,").replace("\nlora,", '\nlora,"a, b",')
        .replace("\nmine,", "\nmine,c,"),
        PLAIN.replace("method,", ",method,").replace("\nl", "\n0,l").replace("\nm", "\n1,m"),
    ],
)  # fmt: skip
def test_what_other_programs_write_is_read_alike(table, content):
    assert read_points(table(content)) == [
        Point(method="lora", finetuning_examples=100, test_log_perplexity=2.5),
        Point(method="mine", finetuning_examples=8_000_000_000, test_log_perplexity=2.0),
    ]


@pytest.mark.parametrize("nothing", ["", "NA", "nan", "None", "null"])
def test_a_value_that_does_not_exist(table, nothing):
    header = "method,pet_parameter_size,finetuning_examples,test_log_perplexity\n"
    points = read_points(table(f"{header}lora,4,50,2.5\nfmt,{nothing},50,2.4\n"))
    assert [point.pet_parameter_size for point in points] == [4, None]


def test_the_losses_of_a_failed_run_are_not_read(table):
    rows = "status,finetuning_examples,test_log_perplexity\ndiverged,50,inf\nok,50,2\n"
    failed, ok = read_points(table(rows))
    assert (failed.status, failed.test_log_perplexity) == ("diverged", None)
    assert ok.test_log_perplexity == 2.0


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("split", "test", "split is 'test', not one of: fit, held-out"),
        ("status", "failed", "status is 'failed', not one of: ok, diverged, base diverged"),
        ("seed", "one", "seed is 'one', which is not a number"),
        ("finetuning_examples", "", "finetuning_examples is ''"),
        ("finetuning_examples", "nan", "is 'nan', which is not a positive number"),
        ("finetuning_examples", "1e999", "is '1e999', which is not a positive number"),
        ("finetuning_examples", "0", "is '0', which is not a positive number"),
        ("finetuning_examples", "-5", "is '-5', which is not a positive number"),
        ("finetuning_examples", "many", "is 'many', which is not a number"),
        ("finetuning_examples", "50,000", "is '50,000'; write it without separators: 50000"),
        ("finetuning_examples", "1.234.567", "write it without separators: 1234567"),
        ("finetuning_examples", "50 000", "write it without separators: 50000"),
        ("model_parameters", "7.24", "is '7.24', which is not a whole number"),
        ("test_log_perplexity", "", "which is not a number"),
        ("test_log_perplexity", "2,5", "'2,5', which is not a number; write a decimal point"),
        ("test_log_perplexity", "nan", "needs a positive number"),
        ("test_log_perplexity", "inf", "needs a positive number"),
        ("test_log_perplexity", "0", "needs a positive number"),
        ("test_log_perplexity", "-1", "needs a positive number"),
    ],
)
def test_a_bad_value_is_named_with_its_line(refusal, tmp_path, column, value, words):
    write_points(tmp_path / "good.csv", [FULL, replace(FULL, seed=1)])
    lines = (tmp_path / "good.csv").read_text().splitlines()
    row = lines[2].split(",")
    row[COLUMNS.index(column)] = f'"{value}"'
    said = refusal("\n".join([*lines[:2], ",".join(row)]) + "\n")
    assert said.startswith(f"\n  line 3: {column} ")
    assert words in said


def test_all_mistakes_are_said_at_once(refusal):
    said = refusal("seed,finetuning_examples,test_log_perplexity\n0,x,2\n1,50,0\n2,50\n3,60,2,1\n")
    assert said.splitlines() == [
        "",
        "  line 2: finetuning_examples is 'x', which is not a number",
        "  line 3: test_log_perplexity is 0; a run with status ok needs a positive number"
        " (a run that failed has status diverged)",
        "  line 4: 2 cells, but the header names 3",
        "  line 5: 4 cells, but the header names 3; are there thousands separators?",
    ]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("method,seed", "  no column `finetuning_examples` (how many examples the model was"),
        ("method,seed", "  no column `test_log_perplexity` (nats per target token)"),
        ("examples,test_log_perplexity", "finetuned on); is it `examples`? Then rename that"),
        ("Finetuning Examples,test_log_perplexity", "is it `Finetuning Examples`? Then rename"),
        ("finetuning_exmples,test_log_perplexity", "is it `finetuning_exmples`? Then rename"),
        ("finetuning_examples,eval_loss", "per target token); is it `eval_loss`? Then rename that"),
        ("finetuning_examples,nll,loss", "per target token); is it `nll` or `loss`? Then rename"),
        (
            "finetuning_examples,perplexity",
            "`perplexity`: laws are fitted to its natural logarithm",
        ),
        ("finetuning_examples,test_ppl", "but `test_ppl`: laws are fitted"),
        (
            "rank,finetuning_examples,test_log_perplexity",
            "rename `rank` if that is it, else remove",
        ),
        ("seeds,finetuning_examples,test_log_perplexity", "no column `seed`; rename `seeds` if"),
        ("model_size,finetuning_examples,test_log_perplexity", "no column `model_parameters`"),
        ("seed,seed,finetuning_examples,test_log_perplexity", "2 columns are called `seed`"),
    ],
)
def test_columns_are_explained(refusal, header, words):
    assert words in refusal(header + "\n" + ",".join("5" * (header.count(",") + 1)) + "\n")


def test_a_near_miss_is_none_beside_the_column_itself(table):
    header = "nominal_size,model_size,seed,seeds,perplexity,finetuning_examples,test_log_perplexity"
    (point,) = read_points(table(header + "\n1000,S,1,3,9,50,2.2\n"))
    assert (point.nominal_size, point.seed, point.test_log_perplexity) == (1000, 1, 2.2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("finetuning_examples,test_log_perplexity\n\n", "a header, but no rows below it"),
        (PLAIN.encode("utf-16"), "not UTF-8 text; export the table as CSV in UTF-8"),
        (PLAIN.replace("lora", '"lora"x"').encode() + b'"' + b"x" * 200_000, "line"),
    ],
)
def test_what_is_no_table(refusal, content, words):
    assert words in refusal(content)


def test_what_is_no_file(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.csv: No such file"):
        read_points(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="Is a directory"):
        read_points(tmp_path)


def test_runs_that_are_the_same_are_named_by_line(refusal):
    rows = "method,finetuning_examples,test_log_perplexity\nlora,50,2\nfmt,50,2\nlora,50,2.1\n"
    assert refusal(rows).splitlines()[1:] == [
        "  lines 2 and 4 are the same run: lora, finetuning_examples 50, seed 0; give repeated runs"
        " a seed each, or remove one"
    ]


@pytest.mark.parametrize("column", ["task", "family", "model_parameters", "pretraining_tokens"])
def test_runs_that_differ_in_one_coordinate_are_not_the_same(table, column):
    rows = f"{column},finetuning_examples,test_log_perplexity\n1,50,2\n2,50,2.1\n"
    assert len(read_points(table(rows))) == 2


def test_a_factor_that_some_runs_lack(refusal):
    header = "method,pretraining_tokens,pet_parameter_size,finetuning_examples,test_log_perplexity"
    rows = "fmt,1e6,,50,2\nlora,1e6,4,50,2\nlora,,,60,2\n"
    assert refusal(f"{header}\n{rows}").splitlines()[1:] == [
        "  line 4: pretraining_tokens is empty, but other runs have it",
        "  line 4: pet_parameter_size is empty, but other runs of lora have it",
    ]


def rows_of(losses) -> str:
    rows = [f"{50 + number},{loss}" for number, loss in enumerate(losses)]
    return "\n".join(["finetuning_examples,test_log_perplexity", *rows]) + "\n"


def test_perplexities_are_recognised_when_they_are_worse_than_guessing(refusal):
    said = refusal(rows_of([5.2, 9.9, 13.7, 18.2, 40]))
    assert "test_log_perplexity is 18.2 in line 5, more than 13.8 nats" in said
    assert "in 2 of 5 runs. If these are perplexities, take the natural logarithm" in said


def test_honest_losses_are_not_taken_for_perplexities(table):
    tiny_models = [math.log(60_000)] * 20
    few_outliers = [*[2.0] * 18, 2 * WORST_LOSS, 2 * WORST_LOSS]
    assert len(read_points(table(rows_of(tiny_models)))) == 20
    assert len(read_points(table(rows_of(few_outliers)))) == 20
