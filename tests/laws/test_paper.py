"""The paper's Table 5 against its Table 4, and critical sizes by the printed coefficients."""

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.laws.critical.crossing import compare
from finescale.laws.critical.published import recompute, rounded
from finescale.laws.forms import MULTIPLICATIVE
from finescale.laws.intervals.ensemble import Ensemble

PAPER = Path(__file__).parents[2] / "resources/paper"
TABLE4, TABLE5 = PAPER / "table4_coefficients.csv", PAPER / "table5_critical.csv"

TASKS = ("wmt14-en-de", "wmt19-en-zh", "mlsum")
PAIRS = ("fmt-vs-prompt", "fmt-vs-lora", "prompt-vs-lora")
FACTORS = ("llm_model_size", "pretraining_tokens")
DISAGREE = {("llm_model_size", "mlsum", pair) for pair in ("fmt-vs-lora", "prompt-vs-lora")}


@pytest.fixture(scope="module")
def columns():
    return {(c.factor, c.task, c.pair): c for c in recompute(TABLE4, TABLE5)}


def test_sixteen_columns_agree_and_two_do_not(columns):
    assert columns.keys() == set(product(FACTORS, TASKS, PAIRS))
    assert {key for key, column in columns.items() if not column.agrees} == DISAGREE


def test_how_the_two_disagree(columns):
    """H of one is off by more than a factor of 40; gamma of the other has another sign."""
    lora = columns["llm_model_size", "mlsum", "fmt-vs-lora"]
    assert lora.log10_h[0] - lora.printed_log10_h[1] > np.log10(40)
    prompt = columns["llm_model_size", "mlsum", "prompt-vs-lora"]
    assert prompt.gamma[1] <= 1e-12 < 2 < prompt.printed_gamma[0]
    assert prompt.log10_h[0] - prompt.printed_log10_h[1] > 9


def test_one_slope_explains_both_numbers_where_they_agree(columns):
    """Stricter, by other arithmetic: beta1 - beta2 = ln(A1/A2)/ln H = (alpha2 - alpha1)/gamma."""
    laws = {(row["factor"], row["task"], row["method"]): row for row in rows(TABLE4)}
    for (factor, task, pair), column in columns.items():
        one, two = (
            {
                name: rounded(float(laws[factor, task, method][name]))
                for name in ("A", "alpha", "beta")
            }
            for method in pair.split("-vs-")
        )
        amounts = divide(one["A"], two["A"])
        slopes = [
            minus(one["beta"], two["beta"]),
            divide(minus(two["alpha"], one["alpha"]), column.printed_gamma),
            divide(tuple(np.log10(amounts)), column.printed_log10_h),
        ]
        common = max(low for low, _ in slopes) <= min(high for _, high in slopes)
        assert common == ((factor, task, pair) not in DISAGREE), (factor, task, pair)


def minus(one, two):
    return one[0] - two[1], one[1] - two[0]


def divide(one, two):
    values = [a / b for a, b in product(one, two)]
    return min(values), max(values)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("value", "interval"),
    [
        (120_000.0, (115_000, 125_000)),
        (0.4, (0.395, 0.405)),
        (23, (22.5, 23.5)),
        (-0.0015, (-0.00155, -0.00145)),
        (1.0, (0.95, 1.05)),
        (1000.0, (950, 1050)),
        (3.7e14, (3.65e14, 3.75e14)),
    ],
)
def test_what_a_printed_number_stands_for(value, interval):
    assert rounded(value) == pytest.approx(interval, rel=1e-12)


@given(st.floats(1e-20, 1e20), st.sampled_from([-1, 1]), st.integers(1, 5))
def test_the_interval_holds_what_was_rounded(value, sign, digits):
    printed = float(f"{sign * value:.{digits - 1}e}")
    low, high = rounded(printed, digits)
    assert low - abs(low) * 1e-12 <= sign * value <= high + abs(high) * 1e-12


CRITICAL = {  # by the printed coefficients: model size, roots over D from 1 to 1e20
    ("wmt14-en-de", "fmt-vs-prompt", 1e9): [2.41e5, 5.0e16],
    ("wmt14-en-de", "fmt-vs-prompt", 1.6e10): "prompt",
    ("wmt14-en-de", "fmt-vs-lora", 1e9): "lora",
    ("wmt14-en-de", "fmt-vs-lora", 1.6e10): "lora",
    ("wmt14-en-de", "prompt-vs-lora", 1e9): [1.09e3],
    ("wmt14-en-de", "prompt-vs-lora", 1.6e10): [4.41e4],
    ("wmt19-en-zh", "fmt-vs-prompt", 1e9): [1.76e5],
    ("wmt19-en-zh", "fmt-vs-prompt", 1.6e10): "prompt",
    ("wmt19-en-zh", "fmt-vs-lora", 1e9): [2.06e5],
    ("wmt19-en-zh", "fmt-vs-lora", 1.6e10): "lora",
    ("wmt19-en-zh", "prompt-vs-lora", 1e9): [6.55e4],
    ("wmt19-en-zh", "prompt-vs-lora", 1.6e10): [1.71e4],
    ("mlsum", "fmt-vs-prompt", 1e9): [37.7, 5.0e17],
    ("mlsum", "fmt-vs-prompt", 1.6e10): [2.18e12],
    ("mlsum", "fmt-vs-lora", 1e9): [88.4, 1.58e16],
    ("mlsum", "fmt-vs-lora", 1.6e10): [1.61e11],
    ("mlsum", "prompt-vs-lora", 1e9): "lora",
    ("mlsum", "prompt-vs-lora", 1.6e10): "lora",
}


@pytest.mark.parametrize(("task", "pair", "x"), CRITICAL)
def test_critical_sizes_by_the_printed_coefficients(task, pair, x):
    laws = {
        row["method"]: Ensemble(
            MULTIPLICATIVE, {name: float(row[name]) for name in MULTIPLICATIVE.parameters}
        )
        for row in rows(TABLE4)
        if (row["factor"], row["task"]) == ("llm_model_size", task)
    }
    methods = pair.split("-vs-")
    first, second = (laws[method] for method in methods)
    (found,) = compare(first, second, at={"X": x}, fitted=(1, 1e20), searched=(1, 1e20))
    expected = CRITICAL[task, pair, x]
    if isinstance(expected, str):
        assert not found.crossings
        assert methods[("first", "second").index(found.better)] == expected
    else:
        assert [one.size for one in found.crossings] == pytest.approx(expected, rel=1e-2)
