"""What every format is given, and what it gives: columns of text, some thousand rows at a time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finescale.errors import UserError

# Lists of one length: `text`, or `source` and `target`; maybe `id`, `source_language`,
# `target_language`. None and blank texts are empty.
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Raw:
    """A raw file, or the two that make a pair, and how to read it.

    `names` are what messages call the files, `languages` the codes of source and target, `scratch`
    is an empty folder, `documents` says that documents are wanted, not examples. What a format
    leaves out itself it counts in `left_out`, and gives no row.
    """

    reading: Mapping[str, Any]
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    languages: tuple[str, str] | None
    scratch: Path
    documents: bool = False
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def path(self) -> Path:
        return self.paths[0]

    @property
    def name(self) -> str:
        return self.names[0]

    def fill(self, pattern: str) -> str:
        """A pattern with the data set's codes of the languages for `{source}` and `{target}`."""
        for side, place in enumerate(("{source}", "{target}")):
            if place in pattern:
                if self.languages is None:
                    raise UserError(
                        f"{self.name}: {pattern!r} needs a language for {place}: give the data set "
                        "`languages: [source, target]`"
                    )
                language = self.languages[side]
                codes = self.reading.get("codes", {})
                pattern = pattern.replace(place, codes.get(language, language))
        return pattern

    def columns(self) -> dict[str, Any]:
        """The reading's columns, names filled in."""
        return {
            field: self.fill(column) if isinstance(column, str) else column
            for field, column in self.reading["columns"].items()
        }
