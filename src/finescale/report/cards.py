"""The tables of a data card, as the page shows them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from finescale.cards import rows
from finescale.cards.rows import Card, Row
from finescale.report.tables import Shown, Table


@dataclass(frozen=True)
class CardTable:
    """A table of a card, and how to read it."""

    title: str
    about: str
    table: Table


def card_tables(card: Card) -> Iterator[CardTable]:
    """The tables that have rows, what matters most first."""
    found = (
        ("Overlap", rows.RULE, rows.overlap_rows(card)),
        ("Examples", rows.SIZES, rows.size_rows(card)),
        ("Lengths", rows.LENGTHS, rows.length_rows(card)),
        ("Cleaning", "", rows.cleaning_rows(card)),
        ("Raw files and licences", "", rows.file_rows(card)),
    )
    for title, about, made in found:
        kept = rows.without_empty(list(made))
        if kept:
            yield CardTable(title, about, _table(kept))


def _table(found: list[Row]) -> Table:
    headings = tuple(name[0].upper() + name[1:] for name in found[0])
    return Table(headings, tuple(tuple(_cells(row.values())) for row in found))


def _cells(values: Iterable[int | float | str | None]) -> Iterator[Shown]:
    for value in values:
        if value is None or isinstance(value, str):
            yield Shown(value or "")
        else:
            yield Shown(f"{value:,}", value)
