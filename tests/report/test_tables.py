"""Tables from CSV files."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.report.tables import Shown, in_words, tables_of, with_interval


def test_a_value_and_its_bounds_are_one_column():
    (table,) = tables_of("method,alpha,alpha_low,alpha_high\nfmt,0.15,0.12,0.19\nlora,-0.2,,\n")
    assert table.headings == ("Method", "α")
    assert table.rows == (
        (Shown("FMT"), Shown("0.150 [0.120, 0.190]", 0.15)),
        (Shown("LoRA"), Shown("−0.2", -0.2)),
    )
    assert table.numeric == (False, True)


def test_bounds_without_a_name_belong_to_the_column_before_them():
    (table,) = tables_of("x,finetuning_examples,low,high,share\n254272.0,31.4,1.26,inf,0.97\n")
    assert table.headings == ("X", "Finetuning data size", "Share of resamples")
    assert [cell.text for cell in table.rows[0]] == ["254K", "31 [1.3, ∞]", "0.97"]


def test_bounds_without_a_value_are_a_column():
    (table,) = tables_of("r,fisher_low,fisher_high\n0.5,0.25,0.75\n,,\n")
    assert table.headings == ("R", "95% by Fisher’s z")
    assert table.rows[0][1] == Shown("[0.25, 0.75]", 0.25)
    assert table.rows[1][1] == Shown("")


def test_empty_columns_are_left_out_and_empty_cells_stay():
    (table,) = tables_of("a,b,c\n1,,\n,,x\n")
    assert table.headings == ("A", "C")
    assert table.rows == ((Shown("1", 1.0), Shown("")), (Shown(""), Shown("x")))
    assert table.numeric == (True, False)


def test_kinds_of_rows_without_a_common_column_are_tables_of_their_own():
    first, second = tables_of("record,a,b,c\ntask,1,x,\ngrid,,,7\ntask,2,y,\n")
    assert (first.headings, second.headings) == (("A", "B"), ("C",))
    assert (len(first.rows), len(second.rows)) == (2, 1)


def test_kinds_with_a_common_column_stay_together():
    (table,) = tables_of("record,a,b\ncrossing,1,2\nnone,1,\n")
    assert table.headings == ("Laws", "A", "B")


def test_words_of_the_program_are_words_of_people():
    (table,) = tables_of("factor,ok\npretraining_tokens,True\npet_parameter_size,False\n")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Pretraining data size", "yes"],
        ["PET parameter size", "no"],
    ]


def test_a_header_alone_is_no_table():
    assert tables_of("a,b\n") == []


def test_whole_numbers_stay_whole_and_others_have_three_digits():
    (table,) = tables_of("a,b,c,d\n12345678,0.123456789,-12345.6,1.96e-07\n")
    assert [cell.text for cell in table.rows[0]] == ["12345678", "0.123", "−12346", "1.96e−07"]


def test_numbers_with_commas_are_sorted_as_numbers_and_lists_are_no_numbers():
    (table,) = tables_of('a,b\n"8,192",64;180\n"12,345,678","1,2"\n')
    assert table.rows[0] == (Shown("8,192", 8192.0), Shown("64, 180"))
    assert table.rows[1] == (Shown("12,345,678", 12345678.0), Shown("1,2"))


def test_tasks_are_called_by_their_titles():
    (table,) = tables_of("task\nhelp\n", {"help": "Help pages"})
    assert table.rows == ((Shown("Help pages"),),)


def test_reasons_are_in_words():
    reason = (
        "no beta and E: the points cannot tell pretraining_tokens.A, llm_model_size.alpha apart"
    )
    assert in_words(reason) == (
        "no β and E: the points cannot tell A of pretraining data size, α of LLM model size apart"
    )
    assert in_words("alphabet") == "alphabet"


@pytest.mark.parametrize(
    ("value", "low", "high", "count", "text"),
    [
        (-0.033, -0.048, 0.013, False, "−0.033 [−0.048, 0.013]"),
        (8.2, 1.0, math.inf, False, "8.2 [1.0, ∞]"),
        (0.5, -math.inf, math.inf, False, "0.50 [−∞, ∞]"),
        (160.7, 0.0, 451_079.9, True, "160 [0, 450K]"),
    ],
)
def test_intervals(value, low, high, count, text):
    assert with_interval(value, low, high, count=count) == text


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_every_interval_has_words(value, low, high):
    assert with_interval(value, low, high).endswith("]")
