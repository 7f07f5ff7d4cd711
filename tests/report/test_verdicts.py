"""From shares of resamples to verdicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.report.verdicts import (
    CONTRADICTED,
    NOT_DECIDED,
    SUPPORTED,
    Claim,
    Finding,
    Part,
    decide,
    measured,
    missing,
)

OPPOSITE = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, NOT_DECIDED: NOT_DECIDED}
VERDICTS = st.lists(st.sampled_from(list(OPPOSITE)), max_size=9)


def part(*verdicts: str) -> Part:
    return Part("", "", tuple(Finding("t", "s", verdict, 0.0) for verdict in verdicts))


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (1.0, SUPPORTED),
        (0.975, SUPPORTED),
        (0.97, NOT_DECIDED),
        (0.03, NOT_DECIDED),
        (0.025, CONTRADICTED),
        (0.0, CONTRADICTED),
    ],
)
def test_a_comparison_decides_at_the_ends_of_a_95_per_cent_interval(share, verdict):
    assert decide(share) == verdict


def test_a_measured_finding_has_the_share_above_zero_and_the_central_interval():
    resamples = np.arange(-10, 30) + 0.5  # 30 of 40 are above 0
    found = measured("t", "s", 3.0, resamples)
    assert (found.share, found.verdict, found.estimate) == (0.75, NOT_DECIDED, 3.0)
    assert found.interval == pytest.approx(tuple(np.percentile(resamples, [2.5, 97.5])))


def test_no_difference_at_all_is_no_contradiction():
    assert measured("t", "s", 0.0, np.zeros(40)).verdict == NOT_DECIDED


def test_what_holds_may_be_something_else_than_a_sign():
    found = measured("t", "s", 0.0, np.zeros(40), np.ones(40, bool))
    assert (found.share, found.verdict) == (1.0, SUPPORTED)


def test_without_resamples_nothing_is_decided():
    found = measured("t", "s", 3.0, np.array([]))
    assert (found.verdict, found.interval, found.share) == (NOT_DECIDED, None, None)
    assert "no resamples" in found.reason


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), NOT_DECIDED),
        ((SUPPORTED,), SUPPORTED),
        ((SUPPORTED, NOT_DECIDED), SUPPORTED),
        ((SUPPORTED, NOT_DECIDED, NOT_DECIDED), NOT_DECIDED),
        ((SUPPORTED, SUPPORTED, SUPPORTED, CONTRADICTED), NOT_DECIDED),
        ((CONTRADICTED, CONTRADICTED, NOT_DECIDED), CONTRADICTED),
    ],
)
def test_half_of_the_comparisons_decide_unless_one_objects(verdicts, expected):
    assert part(*verdicts).verdict == expected


@given(VERDICTS)
def test_the_opposite_comparisons_give_the_opposite_verdict(verdicts):
    turned = part(*(OPPOSITE[verdict] for verdict in verdicts))
    assert turned.verdict == OPPOSITE[part(*verdicts).verdict]


@given(VERDICTS)
def test_comparisons_that_could_not_be_made_do_not_count(verdicts):
    plain = part(*verdicts)
    more = Part("", "", (*plain.findings, missing("t", "s", "why"), missing("t", "s", "why")))
    assert (more.verdict, more.counts) == (plain.verdict, plain.counts)


def test_the_median_of_comparisons_has_an_interval_row_by_row():
    rows = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [-1.0, 5.0, 4.0]])
    findings = [measured("t", "s", row[0], row) for row in rows]
    middle, bounds = Part("", "", (*findings, missing("t", "s", "why"))).median
    assert middle == 1.0
    assert bounds == pytest.approx(tuple(np.percentile([1.0, 5.0, 4.0], [2.5, 97.5])))


def test_without_resamples_there_is_no_median():
    assert part(SUPPORTED).median is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([SUPPORTED, SUPPORTED], SUPPORTED),
        ([SUPPORTED, NOT_DECIDED], NOT_DECIDED),
        ([SUPPORTED, CONTRADICTED], CONTRADICTED),
        ([NOT_DECIDED, CONTRADICTED], CONTRADICTED),
    ],
)
def test_a_claim_stands_with_all_parts_and_falls_with_any(parts, expected):
    assert Claim("", "", tuple(part(verdict) for verdict in parts)).verdict == expected
