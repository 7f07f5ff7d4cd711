"""Drawings inside a page."""

import re
import xml.etree.ElementTree as ET

import pytest
from matplotlib.figure import Figure

from finescale.figures.style import styled
from finescale.report.svg import inline


@pytest.fixture(scope="module")
def svg(tmp_path_factory) -> str:
    """A figure of the study's style: text, markers, a clipped line and a band."""
    path = tmp_path_factory.mktemp("svg") / "figure.svg"
    with styled():
        axes = Figure(figsize=(3, 2)).subplots()
        axes.plot([1, 2, 3], [1.23456, 5.4321, 3.3333], "o-")
        axes.fill_between([1, 2, 3], [1, 2, 3], [2, 3, 4.7], alpha=0.1)
        axes.set_title("A title")
        axes.figure.savefig(path)
    return path.read_text()


def geometry(text: str) -> list[str]:
    return re.findall(r'\s(?:d|x|y|transform)="([^"]*)"', text)


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def test_it_is_one_small_element_that_says_what_it_is(svg):
    made = inline(svg, "one", 'Figure "1" & more')
    root = ET.fromstring(made)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == 'Figure "1" & more'
    assert (root.get("role"), root.get("viewBox")) == ("img", "0 0 216 144")
    assert len(made) < 0.8 * len(svg)


def test_every_reference_resolves_and_nothing_else_has_an_identifier(svg):
    made = inline(svg, "one", "")
    identifiers = re.findall(r'\bid="([^"]+)"', made)
    references = set(re.findall(r'"#([^"]+)"|url\(#([^)]+)\)', made))
    assert identifiers
    assert len(identifiers) == len(set(identifiers))
    assert {one or other for one, other in references} == set(identifiers)
    assert all(name.startswith("one-") for name in identifiers)


def test_two_drawings_share_no_identifier(svg):
    one, two = (set(re.findall(r'\bid="([^"]+)"', inline(svg, name, ""))) for name in "ab")
    assert not one & two


def test_no_style_sheet_and_no_foreign_address_gets_out(svg):
    made = inline(svg, "one", "")
    assert "<style" not in made
    assert set(re.findall(r'https?://[^"]+', made)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_it_draws_the_same(svg):
    before, after = geometry(svg[svg.index("</metadata>") :]), geometry(inline(svg, "one", ""))
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert re.sub(r"[-\d.e\s]", "", old) == re.sub(r"[-\d.e\s]", "", new)
        assert numbers(new) == pytest.approx(numbers(old), abs=0.00501)


def test_scales_keep_their_digits(svg):
    scale = re.search(r"scale\([^)]*\)", svg)[0]
    assert scale in inline(svg, "one", "")
