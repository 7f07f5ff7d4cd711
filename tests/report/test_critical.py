"""The claims about which method is better, and from where on."""

import math

import numpy as np
import pytest

from finescale.figures.pairs import CriticalPair
from finescale.report.critical import (
    Size,
    compare_sizes,
    critical_size_depends_on_task,
    lora_against_prompt,
)
from finescale.report.verdicts import CONTRADICTED, NOT_DECIDED, SUPPORTED

PAIR = ("prompt", "lora")


def pair(made_up, first, second, methods=PAIR, task="Help", **more):
    """Two laws A D^-beta, given as A, beta and the spread of log A over 40 resamples."""
    ensembles = tuple(
        made_up.law(
            A=a, beta=beta, resamples={"A": a * np.exp(np.linspace(-spread, spread, 40))}
        ).ensemble
        for a, beta, spread in (first, second)
    )
    plain = {"laws": ensembles, "x": (10.0,), "base": 10.0, "fitted": (10.0, 1000.0)}
    return CriticalPair(task, "llm_model_size", methods, **plain | more)


def test_prompt_is_better_below_and_lora_above(made_up):
    found = lora_against_prompt([pair(made_up, (1, 0.1, 0), (2, 0.3, 0))])
    few, many = (part.findings[0] for part in found.parts)
    assert few.estimate == pytest.approx(2 * 10**-0.3 - 10**-0.1)
    assert many.estimate == pytest.approx(1000**-0.1 - 2 * 1000**-0.3)
    assert (few.subject, many.subject) == ("10 examples", "1K examples")
    assert found.verdict == SUPPORTED


def test_lora_better_everywhere_contradicts_the_first_half(made_up):
    found = lora_against_prompt([pair(made_up, (2, 0.1, 0), (1, 0.3, 0))])
    assert [part.verdict for part in found.parts] == [CONTRADICTED, SUPPORTED]
    assert found.verdict == CONTRADICTED


def test_a_task_counts_once_and_by_laws_where_it_has_some(made_up):
    lost = CriticalPair("Help", "llm_model_size", PAIR, reason="Prompt: too few points")
    known = pair(made_up, (1, 0.1, 0), (2, 0.3, 0))
    assert len(lora_against_prompt([known, known]).parts[0].findings) == 1
    assert lora_against_prompt([lost, known]).verdict == SUPPORTED
    (finding,) = lora_against_prompt([lost]).parts[0].findings
    assert finding.reason == "Prompt: too few points"


def test_critical_sizes_of_two_tasks_that_are_far_apart(made_up):
    """A1 D^-b1 = A2 D^-b2 at D = (A2 / A1)^(1 / (b2 - b1)): at 2^10 and at 2^5."""
    pairs = [
        pair(made_up, (1, 0.1, 0.01), (2, 0.2, 0.01), task="One"),
        pair(made_up, (1, 0.1, 0.01), (2, 0.3, 0.01), task="Two"),
    ]
    (part,) = critical_size_depends_on_task(pairs).parts
    (finding,) = part.findings
    assert finding.estimate == pytest.approx(32)
    assert part.verdict == SUPPORTED
    assert "One 1K [" in finding.reason and "Two 32 [" in finding.reason


def size(task, low, high, above="fmt", sure=True):
    return Size(task, above, math.sqrt(low * high), (low, high), sure)


@pytest.mark.parametrize(
    ("sizes", "bounds", "verdict"),
    [
        ([size("a", 10, 20), size("b", 50, 80)], (2.5, 8), SUPPORTED),
        ([size("a", 10, 20), size("b", 30, 80)], (1.5, 8), NOT_DECIDED),
        ([size("a", 10, 20), size("b", 15, 80)], (1.0, 8), NOT_DECIDED),
        ([size("a", 10, 12), size("b", 11, 15)], (1.0, 1.5), CONTRADICTED),
        ([size("a", 0.5, math.inf), size("b", 50, 80)], (1.0, math.inf), NOT_DECIDED),
        ([size("a", 10, 20), None, size("b", 50, 80), size("c", 15, 60)], (2.5, 8), SUPPORTED),
        ([Size("a", "fmt", 0, (0, 1)), size("b", 50, 80)], (50, math.inf), SUPPORTED),
    ],
)
def test_intervals_say_how_far_apart_critical_sizes_are(sizes, bounds, verdict):
    found = compare_sizes("FMT vs LoRA", sizes)
    assert found.interval == pytest.approx(bounds)
    assert found.verdict == verdict


def test_opposite_directions_differ_where_both_are_sure():
    one, other = size("a", 10, 20), size("b", 10, 20, above="lora")
    assert compare_sizes("", [one, other]).verdict == SUPPORTED
    unsure = size("b", 10, 20, above="lora", sure=False)
    assert compare_sizes("", [one, unsure]).verdict == NOT_DECIDED


def test_one_task_has_nothing_to_be_compared_with():
    found = compare_sizes("", [size("a", 10, 20), None])
    assert not found.made
    assert found.reason == "fewer than two tasks have a critical size"


def test_a_method_that_is_better_everywhere_has_its_critical_size_below_all(made_up):
    pairs = [
        pair(made_up, (1, 0.1, 0.01), (2, 0.2, 0.01), task="One"),
        pair(made_up, (2, 0.1, 0.01), (1, 0.3, 0.01), task="Two"),
    ]
    (finding,) = critical_size_depends_on_task(pairs).parts[0].findings
    assert finding.verdict == SUPPORTED
    assert "Two <1 [<1, 1]" in finding.reason
