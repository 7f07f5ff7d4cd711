"""The members of plain text."""

from collections import Counter
from collections.abc import Iterable

from .language import is_language, letter_share
from .leakage import SeenText, is_long
from .pages import Page
from .pairs import MARKUP, MIN_LETTER_SHARE, normalise
from .records import Record, text
from .site import Site


class PretrainingText:
    """Makes the text of one language, page by page, without repeating a line.

    A line that a finetuning page has too, whether or not it became an example, is dropped; so is
    one that nearly repeats a text of a dev or test page.
    """

    def __init__(self, site: Site, language: str) -> None:
        self.language = language
        self._finetuning: SeenText = site.index(("train",), (language,))
        self._held_out = site.held_out["train"]
        self._written: set[str] = set()

    def build(
        self, pages: Iterable[Page], english: dict[str, Page], drops: Counter[str]
    ) -> list[Record]:
        """A document a page; `english` are the pages that `pages` were translated from."""
        records = []
        for page in pages:
            original = english[page.name].blocks if self.language != "en" else ()
            lines = self._lines(page, {block.text for block in original}, drops)
            if lines:
                records.append(text(page.name, lines))
        return records

    def _lines(self, page: Page, english: set[str], drops: Counter[str]) -> list[str]:
        lines = []
        for block in page.blocks:
            if reason := self._drop_reason(block.text, english):
                drops[reason] += 1
            else:
                self._written.add(normalise(block.text))
                lines.append(block.text)
        return lines

    def _drop_reason(self, line: str, english: set[str]) -> str | None:
        if not is_long(line):
            return "short"
        if MARKUP.search(line):
            return "markup"
        if letter_share(line) < MIN_LETTER_SHARE:
            return "code"
        if line in english:
            return "untranslated"
        if not is_language(line, self.language):
            return "language"
        if normalise(line) in self._written:
            return "duplicate"
        if self._finetuning.has_equal(line):
            return "finetuning text"
        return "held-out text" if self._held_out.has(line, self.language) else None
