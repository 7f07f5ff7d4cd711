"""Columns between tabs. Quotes are text like any other."""

from collections.abc import Iterator
from operator import itemgetter

from finescale.corpora.formats.lines import blocks, streams
from finescale.corpora.formats.raw import Columns, Raw
from finescale.errors import UserError, suggestion

MOST_WRONG = 0.01  # share of rows with another number of columns: more is a mistake of ours


def read_tsv(raw: Raw) -> Iterator[Columns]:
    """`tsv`: every row has as many columns as the first.

    Rows that have not are left out and counted as `columns`, as the makers of data sets with stray
    tabs do; blank lines are empty records. UserError when more than one in a hundred is so.
    """
    for stream, name in streams(raw):
        table = _Table(raw, name)
        for lines in blocks(stream, name):
            yield table.columns(lines)
        table.finish()


class _Table:
    def __init__(self, raw: Raw, name: str) -> None:
        self.raw, self.name = raw, name
        self.chosen: dict[str, int] = {}
        self.width = self.rows = self.wrong = self.first_wrong = 0
        self.header = bool(raw.reading.get("header"))

    def columns(self, lines: list[str]) -> Columns:
        """The chosen columns of some lines."""
        if not self.width:
            self._start(next((line for line in lines if line.strip()), ""))
            if self.header and self.width:
                lines = self._after_header(lines)
        rows = [line.split("\t") for line in lines]
        if any(len(row) != self.width for row in rows):
            rows = list(self._well_formed(rows))
        self.rows += len(lines)
        return {field: list(map(itemgetter(at), rows)) for field, at in self.chosen.items()}

    def _after_header(self, lines: list[str]) -> list[str]:
        at = next(number for number, line in enumerate(lines) if line.strip())
        self.rows += at + 1
        return [*lines[:at], *lines[at + 1 :]]

    def _start(self, first: str) -> None:
        names = first.split("\t")
        for field, column in self.raw.columns().items():
            if self.header and isinstance(column, str):
                if column not in names:
                    known = suggestion(column, names)
                    raise UserError(f"{self.name} has no column {column!r}{known}")
                self.chosen[field] = names.index(column)
            elif isinstance(column, int):
                self.chosen[field] = column
            else:
                raise UserError(
                    f"{self.name}: column {column!r}: without `header: true` columns are numbers"
                )
        if first.strip():
            self.width = len(names)
            if max(self.chosen.values()) >= self.width:
                raise UserError(
                    f"{self.name}: column {max(self.chosen.values())} was asked for, the first row "
                    f"has {self.width}, numbered from 0"
                )

    def _well_formed(self, rows: list[list[str]]) -> Iterator[list[str]]:
        for number, row in enumerate(rows, start=self.rows + 1):
            if len(row) == self.width:
                yield row
            elif row == [""] or not self.width:
                yield [""] * (max(self.chosen.values()) + 1)
            else:
                self.raw.left_out["columns"] += 1
                self.wrong += 1
                self.first_wrong = self.first_wrong or number

    def finish(self) -> None:
        """Refuse a file that is no such table."""
        if self.wrong > MOST_WRONG * self.rows:
            raise UserError(
                f"{self.name}: {self.wrong} of {self.rows} lines have not the {self.width} columns "
                f"of the first; line {self.first_wrong} is one of them"
            )
