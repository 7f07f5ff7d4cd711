"""Drawing a table as a figure: ruled as in print, columns as wide as their words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import wrap

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath

FONT_SIZE = 7.5  # points
LINE_HEIGHT = 11.0  # points
ROW_GAP = 3.0  # points between rows
COLUMN_GAP = 14.0  # points
MARGIN = 8.0  # points
DASH = "–"  # for no value
WIDEST_CELL = 46  # characters before a cell is wrapped


@dataclass(frozen=True)
class Block:
    """A table: a caption, a header row and rows of words. A rule follows the rows in `rules`."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    rules: tuple[int, ...] = ()


@cache
def _width(text: str, bold: bool) -> float:
    """Printed width in points, the space before the first letter included."""
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return TextPath((0, 0), text, size=FONT_SIZE, prop=font).get_extents().x1 + 1 if text else 0.0


def _lines(cell: str) -> list[str]:
    return [line for part in cell.split("\n") for line in wrap(part, WIDEST_CELL) or [""]]


def typeset(blocks: Sequence[Block]) -> Figure:
    """Set the blocks one below the other on a page that just holds them."""
    widths = [_column_widths(block) for block in blocks]
    page_width = 2 * MARGIN + max(_total(row) for row in widths)
    page_width = max(page_width, 2 * MARGIN + max(_width(block.caption, True) for block in blocks))
    height = sum(_height(block) for block in blocks)
    figure = Figure(figsize=(page_width / 72, height / 72))
    pen = _Pen(figure, page_width, height)
    for block, row in zip(blocks, widths, strict=True):
        _set_block(pen, block, row)
    return figure


def _column_widths(block: Block) -> list[float]:
    columns = zip(block.header, *block.rows, strict=True)
    return [
        max(_width(line, index == 0) for index, cell in enumerate(column) for line in _lines(cell))
        for column in columns
    ]


def _total(widths: Sequence[float]) -> float:
    return sum(widths) + COLUMN_GAP * (len(widths) - 1)


def _row_height(row: Sequence[str]) -> float:
    return max(len(_lines(cell)) for cell in row) * LINE_HEIGHT + ROW_GAP


def _height(block: Block) -> float:
    rows = sum(_row_height(row) for row in (block.header, *block.rows))
    return rows + 1.6 * LINE_HEIGHT + 2 * MARGIN


class _Pen:
    """Writes from the top of a page downwards, in points."""

    def __init__(self, figure: Figure, width: float, height: float):
        self.figure, self.width, self.height = figure, width, height
        self.down = MARGIN

    def text(self, x: float, y: float, words: str, bold: bool = False) -> None:
        self.figure.text(
            x / self.width,
            1 - (self.down + y) / self.height,
            words,
            size=FONT_SIZE,
            weight="bold" if bold else "normal",
            va="baseline",
        )

    def rule(self, length: float, thickness: float) -> None:
        y = 1 - self.down / self.height
        ends = [MARGIN / self.width, (MARGIN + length) / self.width]
        self.figure.add_artist(Line2D(ends, [y, y], color="black", linewidth=thickness))


def _set_block(pen: _Pen, block: Block, widths: Sequence[float]) -> None:
    length = _total(widths)
    pen.text(MARGIN, LINE_HEIGHT, block.caption, bold=True)
    pen.down += 1.6 * LINE_HEIGHT
    pen.rule(length, 0.9)
    _set_row(pen, block.header, widths, bold=True)
    pen.rule(length, 0.5)
    for index, row in enumerate(block.rows):
        _set_row(pen, row, widths, bold=False)
        if index in block.rules:
            pen.rule(length, 0.3)
    pen.rule(length, 0.9)
    pen.down += 2 * MARGIN


def _set_row(pen: _Pen, row: Sequence[str], widths: Sequence[float], bold: bool) -> None:
    x = MARGIN
    for cell, width in zip(row, widths, strict=True):
        for number, line in enumerate(_lines(cell), start=1):
            pen.text(x, number * LINE_HEIGHT - 1, line, bold)
        x += width + COLUMN_GAP
    pen.down += _row_height(row)
