"""A card as a page of Markdown."""

import re
from collections.abc import Iterable, Iterator

from finescale.cards import rows
from finescale.cards.rows import Card, Row

SPECIAL = re.compile(r"([\\`*_\[\]<>|#&~])")


def markdown(card: Card) -> str:
    """The whole page."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Card) -> Iterator[str]:
    most = card["most_tokens"]
    yield f"# {_escaped(card['title'])}: data card"
    yield ""
    yield (
        f"Task `{card['task']}`. Models read `{card['template']}`, at most {most['source']} tokens "
        f"of it, and learn at most {most['target']} tokens of the target."
    )
    yield from _section("Examples", rows.SIZES, rows.size_rows(card))
    yield from _section("Lengths", rows.LENGTHS, rows.length_rows(card))
    yield from _section("Cleaning", "", rows.cleaning_rows(card))
    yield from _section("Overlap", rows.RULE, rows.overlap_rows(card))
    yield from ("", *(f"- {_escaped(said)}" for said in rows.overlap_sentences(card)))
    yield from ("", rows.MEANING)
    yield from _section("Raw files", "", rows.file_rows(card))
    yield from _samples(card)


def _section(title: str, about: str, found: Iterable[Row]) -> Iterator[str]:
    table = rows.without_empty(list(found))
    if table:
        yield from ("", f"## {title}", "")
        if about:
            yield from (about, "")
        yield from _table(table)


def _table(table: list[Row]) -> Iterator[str]:
    names = list(table[0])
    numeric = [all(isinstance(row[name], int | float | None) for row in table) for name in names]
    yield f"| {' | '.join(map(_escaped, names))} |"
    yield f"|{'|'.join('---:' if right else '---' for right in numeric)}|"
    for row in table:
        yield f"| {' | '.join(_cell(row[name]) for name in names)} |"


def _cell(value: int | float | str | None) -> str:
    if value is None:
        return "–"
    return _escaped(value) if isinstance(value, str) else f"{value:,}"


def _samples(card: Card) -> Iterator[str]:
    yield from ("", "## Samples")
    for one in card["sets"]:
        yield from ("", f"### {_escaped(rows.title_of(one))}")
        for sample in one["samples"]:
            pair = f"{sample['source_language']}-{sample['target_language']}"
            yield from ("", f"{_escaped(sample['id'])}, {_escaped(pair)}", "")
            yield f"> {_escaped(sample['source'])}"
            yield ">"
            yield f"> → {_escaped(sample['target'])}"


def _escaped(text: str) -> str:
    """Text in which nothing is taken for Markdown, in one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
