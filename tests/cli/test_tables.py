"""Tables that people and programs read."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.cli.tables import text_table, to_json


def test_a_table_has_names_above_and_numbers_at_the_right():
    rows = [
        {"method": "lora", "loss": 2.345678, "examples": 1440, "critical": "52K [31K, 90K]"},
        {"method": "a-long-name", "loss": None, "examples": 64, "critical": "none"},
    ]
    assert text_table(rows).splitlines() == [
        "method        loss  examples  critical",
        "-----------  -----  --------  --------------",
        "lora         2.346      1440  52K [31K, 90K]",
        "a-long-name      -        64  none",
    ]


def test_a_wide_table_is_not_cut():
    row = {f"column {number}": "x" * 30 for number in range(8)}
    assert all(line.count("x" * 30) == 8 for line in text_table([row]).splitlines()[2:])


@dataclass
class Inner:
    values: np.ndarray
    pair: tuple[float, float]


@dataclass
class Outer:
    name: str
    inner: Inner
    by_method: dict[str, np.float64]


class Named:
    def to_json(self):
        return {"is": math.nan}


def test_results_become_json():
    result = Outer("fit", Inner(np.array([1.5, np.nan]), (-math.inf, 2.0)), {"fmt": np.float64(3)})
    assert json.loads(to_json([result, Named(), None, True])) == [
        {
            "name": "fit",
            "inner": {"values": [1.5, None], "pair": [None, 2.0]},
            "by_method": {"fmt": 3.0},
        },
        {"is": None},
        None,
        True,
    ]


def test_what_has_no_json_is_not_made_up():
    with pytest.raises(TypeError, match="not JSON serializable"):
        to_json({"thing": object()})


@given(st.recursive(st.floats() | st.integers(), st.lists))
def test_json_holds_no_word_that_other_programs_refuse(value):
    def refuse(word):
        raise AssertionError(word)

    json.loads(to_json({"value": value}), parse_constant=refuse)
