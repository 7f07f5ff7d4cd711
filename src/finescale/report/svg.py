"""matplotlib's SVG files as parts of a page: small, and safe beside each other."""

import re
from html import escape

# Coordinates have six digits after the point, in units of 1/72 inch: two can be seen.
NUMBER = re.compile(r"-?\d+\.\d{3,}")
GEOMETRY = re.compile(r'(?<=\s)(d|x|y|x1|y1|x2|y2|width|height|transform)="([^"]*)"')
SCALE = re.compile(r"scale\([^)]*\)")
IDENTIFIER = re.compile(r'\bid="([^"]+)"')
REFERENCE = re.compile(r'(?<=")#([^"]+)(?=")|url\(#([^)]+)\)')
SIZE = re.compile(r'<svg[^>]*?\swidth="([\d.]+)pt"\s+height="([\d.]+)pt"', re.DOTALL)


def inline(svg: str, prefix: str, title: str) -> str:
    """The `<svg>` element of a file for a page that holds others.

    Identifiers get a prefix, since they must be unique on a page; those that nothing refers to go,
    and with them the declarations, the metadata and the digits that nobody sees.
    """
    text = svg[svg.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # a style sheet inside would hold for the whole page
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>\s*", "", text, flags=re.DOTALL)
    text = _with_own_identifiers(text, prefix)
    text = GEOMETRY.sub(lambda found: f'{found[1]}="{_rounded(found[2])}"', text)
    text = re.sub(r">\s+<", "><", text)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox="{_view_box(text)}" role="img" aria-label="{escape(title)}"'
        ' stroke-linejoin="round" stroke-linecap="butt">'
    )
    return opening + text[text.index(">") + 1 :]


def width(svg: str) -> float:
    """Width of a drawing in points."""
    found = SIZE.search(svg)
    return float(found[1]) if found else 0.0


def _view_box(text: str) -> str:
    found = re.search(r'viewBox="([^"]+)"', text)
    return found[1] if found else ""


def _with_own_identifiers(text: str, prefix: str) -> str:
    used = {found[1] or found[2] for found in REFERENCE.finditer(text)}
    names = {name: f"{prefix}-{i}" for i, name in enumerate(sorted(used))}
    text = IDENTIFIER.sub(
        lambda found: f'id="{names[found[1]]}"' if found[1] in names else "", text
    )
    return REFERENCE.sub(
        lambda found: f"#{names[found[1]]}" if found[1] else f"url(#{names[found[2]]})", text
    )


def _rounded(value: str) -> str:
    """Coordinates with two digits after the point; scales keep theirs."""
    kept = SCALE.findall(value)
    pieces = SCALE.split(" ".join(value.split()))
    rounded = [NUMBER.sub(lambda number: f"{float(number[0]):.2f}", piece) for piece in pieces]
    return "".join(piece + scale for piece, scale in zip(rounded, [*kept, ""], strict=True))
