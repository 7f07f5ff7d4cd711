"""Labels that do not overlap, and a loss axis that follows the points."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from finescale.figures.panels import (
    BAND_ROOM,
    MARGIN,
    Dot,
    Panel,
    Series,
    draw_panel,
    fit_loss_axis,
    label_series,
    spread,
    tick_places,
)
from finescale.figures.style import sequential


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
    assert low < 2.0
    margin = MARGIN * 1.5
    assert (low, high) == pytest.approx((2.0 - margin, 3.5 + margin))


def flat_band(low, high):
    return lambda x: (np.full_like(x, low), np.full_like(x, high))


@pytest.mark.parametrize(
    ("band", "shown"),
    [((1.9, 3.1), (1.9, 3.1)), ((-50.0, 70.0), (2.0 - BAND_ROOM, 3.0 + BAND_ROOM))],
)
def test_the_loss_axis_follows_a_band_as_far_as_there_is_room(band, shown):
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (3.0,), False))
    panel = Panel((), (Series("a", dots, lambda x: 0 * x + 2.5, band=flat_band(*band)),))
    axes = Figure().subplots()
    draw_panel(axes, panel)
    fit_loss_axis(axes, [panel])
    margin = MARGIN * (shown[1] - shown[0])
    assert axes.get_ylim() == pytest.approx((shown[0] - margin, shown[1] + margin))


def test_a_band_without_numbers_leaves_the_axis_to_the_points():
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (3.0,), False))
    panel = Panel((), (Series("a", dots, lambda x: 0 * x + 2.5, band=flat_band(np.nan, np.inf)),))
    axes = Figure().subplots()
    draw_panel(axes, panel)
    fit_loss_axis(axes, [panel])
    assert axes.get_ylim() == pytest.approx((2 - MARGIN * 1.15, 3.15 + MARGIN * 1.15))


def test_a_band_is_pale_and_lies_beneath_points_and_law():
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (1.9,), False))
    axes = Figure().subplots()
    draw_panel(axes, Panel((), (Series("a", dots, lambda x: 0 * x + 2, band=flat_band(1, 3)),)))
    (shade,) = axes.collections
    assert shade.get_alpha() <= 0.1
    heights = shade.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1, 3)
    places = shade.get_paths()[0].vertices[:, 0]
    assert (places.min(), places.max()) == pytest.approx((10, 100))
    edges = [line for line in axes.lines if line.get_alpha() is not None]
    assert [set(line.get_ydata()) for line in edges] == [{1.0}, {3.0}]
    others = [line for line in axes.lines if line not in edges]
    below = max(artist.get_zorder() for artist in (shade, *edges))
    assert below < min(line.get_zorder() for line in others)


def test_titles_side_by_side_begin_at_one_height():
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (1.9,), False))
    panels = [
        Panel(("one", "two", "three"), (Series("a", dots),)),
        Panel(("one",), (Series("a", dots),)),
        Panel(("one",), (Series("a", dots),), failure="law not identified: few points"),
    ]
    figure = Figure()
    tops = []
    for axes, panel in zip(figure.subplots(1, 3), panels, strict=True):
        draw_panel(axes, panel, 3)
        (title,) = (child for child in axes.get_children() if "one" in getattr(child, "_text", ""))
        tops.append(title.get_window_extent().y1)
    assert tops == pytest.approx([tops[0]] * 3, abs=1)  # pixel
    assert panels[2].lines == ["one", "law not identified: few points"]


def test_fitted_points_are_circles_held_out_ones_triangles_and_the_law_is_solid():
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (1.9,), True))
    axes = Figure().subplots()
    draw_panel(axes, Panel(("title",), (Series("a", dots, lambda x: 0 * x + 2, (50.0,)),)))
    markers = {line.get_marker(): line.get_xdata() for line in axes.lines}
    assert markers["o"] == [10.0]
    assert markers["^"] == [100.0]
    assert markers["x"] == [50.0]
    assert [line.get_linestyle() for line in axes.lines if line.get_marker() == "None"] == ["-"]


def test_diverged_runs_at_one_place_can_be_told_apart():
    """Two sizes at 50 examples, of one of them two seeds, and a size alone at 70."""
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (1.9,), False))
    diverged = [(50.0,), (50.0, 50.0, 70.0), ()]
    panel = Panel((), tuple(Series(str(x), dots, diverged=x) for x in diverged))
    axes = Figure().subplots()
    draw_panel(axes, panel)
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [line.get_xdata()[0] for line in crosses] == [50, 50, 70]
    first, second, alone = (line.get_window_extent().extents for line in crosses)
    assert second[3] < first[1]  # below it, without touching it
    assert alone[3] == first[3]
    (count,) = axes.texts
    assert count.get_text() == "2×"
    assert count.xy == (50, crosses[1].get_ydata()[0])
    assert count.get_color() == crosses[1].get_color() == sequential(3)[1]


def test_a_series_of_which_all_runs_diverged_is_named_at_its_crosses():
    dots = (Dot(10.0, (2.0,), False), Dot(100.0, (1.9,), False))
    panel = Panel((), (Series("small", dots), Series("large", (), diverged=(10.0, 100.0))))
    figure = Figure()
    axes = figure.subplots()
    draw_panel(axes, panel)
    label_series(figure, axes, panel)
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    crosses = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "x"]
    assert set(crosses) == {heights["large"]}
    assert 0 < heights["small"] < heights["large"]


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
