"""Learning rates and evaluation steps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.training.schedule import Schedule, even_steps, geometric_steps, regular_steps


def test_cosine_goes_from_peak_to_final():
    schedule = Schedule("cosine", peak=0.01, final=0.001, steps=100)
    assert schedule.rate(0) == pytest.approx(0.01)
    assert schedule.rate(50) == pytest.approx(0.0055)
    assert schedule.rate(25) == pytest.approx(0.0055 + 0.0045 * math.cos(math.pi / 4))
    assert schedule.rate(100) == pytest.approx(0.001)


def test_warm_up_reaches_the_peak_and_the_rest_follows():
    schedule = Schedule("cosine", peak=1.0, final=0.1, steps=110, warmup_steps=10)
    assert [schedule.rate(step) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert schedule.rate(60) == pytest.approx(0.55)


def test_constant():
    schedule = Schedule("constant", peak=0.3, final=0.03, steps=10)
    assert {schedule.rate(step) for step in range(10)} == {0.3}


def test_steps_of_the_demo():
    expected = [4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256]
    assert sorted(geometric_steps(4, 2**0.5, 256)) == expected
    assert sorted(regular_steps(21, 64)) == [21, 42, 63, 64]
    assert sorted(even_steps(4, 10)) == [2, 5, 8, 10]


@given(
    first=st.integers(1, 50),
    growth=st.floats(1.01, 4),
    interval=st.integers(1, 50),
    last=st.integers(1, 500),
)
def test_the_last_step_is_always_looked_at_and_none_beyond(first, growth, interval, last):
    for steps in (
        geometric_steps(first, growth, last),
        regular_steps(interval, last),
        even_steps(interval, last),
    ):
        assert max(steps) == last
        assert min(steps) >= 1
    assert len(even_steps(interval, last)) == min(interval, last)


def test_steps_must_grow():
    with pytest.raises(ValueError, match="never end"):
        geometric_steps(4, 1.0, 256)
