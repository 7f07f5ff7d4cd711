"""Counts as people write and read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.counts import format_bytes, format_count, format_rough, parse_count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("50000", 50_000),
        ("8e9", 8_000_000_000),
        ("8.03B", 8_030_000_000),
        ("50k", 50_000),
        ("1.5 M", 1_500_000),
        ("2T", 2_000_000_000_000),
        ("4.0", 4),
    ],
)
def test_counts_as_people_write_them(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "B", "8e3k", "1.5", "0.5k5", "eight", "-8B", "infk"])
def test_what_is_no_count(text):
    with pytest.raises(ValueError, match="is "):
        parse_count(text)


@given(st.integers(1, 10**15), st.sampled_from(["{}", "{:.17e}", "{}.0", "  {}e0"]))
def test_any_count_is_read_back(count, spelling):
    assert parse_count(spelling.format(count)) == count


@pytest.mark.parametrize("text", ["50,000", "50.000", "50 000", "50'000"])
def test_separators_are_explained(text):
    with pytest.raises(ValueError, match="write it without separators: 50000"):
        parse_count(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4, "4"),
        (64, "64"),
        (1440, "1440"),
        (8000, "8K"),
        (97_344, "97.3K"),
        (999_900, "1M"),
        (1_638_400, "1.64M"),
        (1e9, "1B"),
        (283e9, "283B"),
        (2e12, "2T"),
    ],
)
def test_counts(value, text):
    assert format_count(value) == text


@given(st.integers(1, 999), st.sampled_from([10**3, 10**6, 10**9, 10**12]))
def test_what_is_shown_can_be_typed(digits, unit):
    assert parse_count(format_count(digits * unit)) == digits * unit


@pytest.mark.parametrize(
    ("value", "text"), [(241.8, "240"), (5.14, "5.1"), (97_345.0, "97K"), (1.5e9, "1.5B")]
)
def test_an_estimate_has_two_digits(value, text):
    assert format_rough(value) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1234567, "1.23 MB"), (999.6e9, "1 TB")],
)
def test_sizes_on_disk(size, text):
    assert format_bytes(size) == text
