"""Numbers as people read them, colours that stay apart, files that never change."""

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from finescale.figures.style import (
    format_deviations,
    format_loss,
    save,
    sequential,
    styled,
)


def test_losses_are_not_finer_than_measurable():
    assert format_loss(3e-7) == "<0.0001"
    assert format_loss(0.0048) == "0.0048"
    assert format_deviations(3e-7, 0.5) == r"$\Delta_e$ <0.0001,  $\Delta_h$ = 0.50"


def luminance(colour):
    red, green, blue = to_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_colours_rise_in_lightness_and_stay_dark_enough_on_white(count):
    shades = [luminance(colour) for colour in sequential(count)]
    assert shades == sorted(set(shades))
    assert shades[-1] < 0.75


def test_files_hold_neither_date_nor_version(tmp_path):
    with styled():
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([1, 2])
        save(figure, tmp_path, "figure")
    for suffix in ("pdf", "png", "svg"):
        content = (tmp_path / f"figure.{suffix}").read_bytes()
        for word in (b"CreationDate", b"Matplotlib v", b"<dc:date>"):
            assert word not in content
    pdf = (tmp_path / "figure.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf  # TrueType outlines, which editors keep as text
    assert b"/Type3" not in pdf
