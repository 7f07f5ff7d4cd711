"""Makes summarization documents of help pages: the page without its lead -> the lead sentence."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .language import is_language, letter_share, words
from .pages import Page
from .pairs import MARKUP

MAX_DOCUMENT_CHARACTERS = 1_500  # the small models of the demo read far less
MIN_DOCUMENT_WORDS = 30
MAX_BLOCKS_BEFORE_LEAD = 2  # title and subtitle: a later paragraph is no lead
MIN_SUMMARY_WORDS, MAX_SUMMARY_WORDS = 4, 50
# A full stop ends a sentence before white space and a capital, unless an abbreviation precedes it.
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-ZÀ-ÖØ-Þ¿¡„“\"«(0-9])")
# A single letter is one too: "e.g.", "z. B.", "p. ex.".
_ABBREVIATION = re.compile(r"\b(?:[^\W\d_]|bzw|usw|etc|vgl|ca|Nr|ej|ex|cf|vs)\.$")


@dataclass(frozen=True)
class Summary:
    """One document and its summary, in one language."""

    page: str
    language: str
    document: str
    lead: str


def first_sentence(text: str) -> str:
    """`text` up to its first full stop (or ! or ?), abbreviations passed over."""
    for match in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text[: match.end()]):
            return text[: match.end()]
    return text


def summarise(
    page: Page, language: str, english: set[str], is_held_out: Callable[[str], bool]
) -> Summary | str:
    """The summary that `page` gives, or the reason why it gives none.

    The document is the page's title, the rest of its first paragraph and all further text, one
    block a line, cut after a whole line within 1,500 characters. Left out are lines that are
    still in English (equal to one of `english`, the blocks of the English page; empty for English
    itself) and lines that `is_held_out` knows from a page of another split.
    """
    place = next((i for i, b in enumerate(page.blocks) if b.kind == "paragraph"), None)
    if place is None or place > MAX_BLOCKS_BEFORE_LEAD:
        return "no opening paragraph"
    texts = [block.text for block in page.blocks]
    lead = first_sentence(texts[place])
    if defect := _lead_defect(lead, texts[place] in english, language):
        return defect
    if is_held_out(lead):
        return "lead of a held-out page"
    texts[place] = texts[place][len(lead) :].strip()
    document = _join([t for t in texts if t and t not in english and not is_held_out(t)])
    if len(words(document)) < MIN_DOCUMENT_WORDS:
        return "short document"
    if not is_language(document, language):
        return "document in another language"
    return Summary(page.name, language, document, lead)


def _lead_defect(lead: str, is_english: bool, language: str) -> str | None:
    if not MIN_SUMMARY_WORDS <= len(words(lead)) <= MAX_SUMMARY_WORDS:
        return "lead too short or too long"
    if lead[-1] not in ".!?":
        return "lead is no sentence"
    if MARKUP.search(lead) or letter_share(lead) < 0.6:
        return "lead is code or markup"
    if is_english or not is_language(lead, language):
        return "lead untranslated"
    return None


def _join(lines: list[str]) -> str:
    kept: list[str] = []
    length = 0
    for line in lines:
        length += len(line) + 1
        if length > MAX_DOCUMENT_CHARACTERS and kept:
            break
        kept.append(line[:MAX_DOCUMENT_CHARACTERS])
    return "\n".join(kept)
