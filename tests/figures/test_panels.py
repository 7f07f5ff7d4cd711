"""Labels that do not overlap, and a loss axis that follows the points."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from finescale.figures.panels import (
    Dot,
    Panel,
    Series,
    draw_panel,
    fit_loss_axis,
    spread,
    tick_places,
)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_spread_keeps_order_and_distance(wanted):
    heights = spread(wanted, 0.1)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for below, above in pairwise(order):
        assert heights[above] - heights[below] >= 0.1 - 1e-9
    assert max(heights) <= 1 + 1e-9


def test_spread_leaves_labels_alone_that_have_room():
    assert spread([0.8, 0.1, 0.5], 0.1) == [0.8, 0.1, 0.5]


def test_a_far_off_law_does_not_press_the_points_together():
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (3.0,), True))
    panel = Panel(("title",), (Series("a", dots, lambda x: x),))
    axes = Figure().subplots()
    draw_panel(axes, panel)
    assert axes.get_ylim()[1] > 100
    fit_loss_axis(axes, [panel])
    low, high = axes.get_ylim()
    assert low <= 2.0
    assert high == pytest.approx(3.5)


def test_fitted_points_are_circles_held_out_ones_triangles_and_the_law_is_solid():
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (1.9,), True))
    axes = Figure().subplots()
    draw_panel(axes, Panel(("title",), (Series("a", dots, lambda x: 0 * x + 2, (50.0,)),)))
    markers = {line.get_marker(): line.get_xdata() for line in axes.lines}
    assert markers["o"] == [10.0]
    assert markers["^"] == [100.0]
    assert markers["x"] == [50.0]
    assert [line.get_linestyle() for line in axes.lines if line.get_marker() == "None"] == ["-"]


def test_single_seeds_are_shown_with_their_range():
    axes = Figure().subplots()
    draw_panel(axes, Panel((), (Series("a", (Dot(10.0, (2.0, 2.3, 2.1), False),)),)))
    (seeds,) = (line for line in axes.lines if line.get_marker() == "_")
    assert list(seeds.get_ydata()) == [2.0, 2.3, 2.1]
    extents = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert [list(line.get_ydata()) for line in extents] == [[2.0, 2.3]]


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([64, 256, 1024, 4096], [4096, 1024, 256, 64]),
        ([100, 95, 10, 100], [100, 10]),
        ([5.0], [5.0]),
        ([], []),
    ],
)
def test_ticks_are_measured_values_with_room(values, places):
    assert tick_places(values) == places
