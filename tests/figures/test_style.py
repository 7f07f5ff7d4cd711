"""Numbers as people read them, colours that stay apart, files that never change."""

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

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


def drawn(folder, stamp):
    folder.mkdir()
    with styled(stamp):
        figure = Figure(figsize=(3.37, 2.113), layout="constrained")
        axes = figure.subplots(1, 2)
        (line,) = axes[0].plot([1, 2, 3])
        axes[1].set_title("a title")
        figure.legend([line], ["a line"], loc="outside lower center")
        figure.suptitle("all of it")
        save(figure, folder, "figure")
    return imread(folder / "figure.png")


def test_a_stamp_stands_above_a_drawing_that_stays_as_it_is(tmp_path):
    plain = drawn(tmp_path / "plain", "")
    stamped = drawn(tmp_path / "stamped", "preview: 3 of 5")
    strip, below = stamped[: -len(plain)], stamped[-len(plain) :]
    assert (below == plain).all()
    assert strip.min() < 0.5  # something is written there
    edges = (strip[0], strip[-1], strip[:, 0], strip[:, -1])
    assert all((edge == 1).all() for edge in edges)  # whole, not cut
    svgs = [(tmp_path / name / "figure.svg").read_text() for name in ("plain", "stamped")]
    assert ["preview: 3 of 5" in svg for svg in svgs] == [False, True]


def test_a_stamp_wider_than_its_drawing_is_not_cut(tmp_path):
    with styled("preview: 1,000 of 10,000 runs, 20 of 30 base models"):
        save(Figure(figsize=(0.5, 0.5)), tmp_path, "figure")
    picture = imread(tmp_path / "figure.png")
    assert picture.shape[1] > 200
    assert (picture[:, -1] == 1).all()


def test_a_stamp_ends_with_its_context(tmp_path):
    with pytest.raises(ZeroDivisionError), styled("preview"):
        raise ZeroDivisionError
    with styled():
        save(Figure(figsize=(1, 1)), tmp_path, "figure")
    assert "preview" not in (tmp_path / "figure.svg").read_text()
