"""Cuts aligned pages into clean translation pairs, and says why the others are dropped."""

import re
from collections import Counter
from dataclasses import dataclass

from .language import count_words, is_language, letter_share, words
from .pages import Page

MIN_ENGLISH_WORDS = 3
MAX_CHARACTERS = 600
MIN_LETTER_SHARE = 0.6
MAX_SHARED_WORDS = 0.6  # of the English words, found again in the "translation"
# Bounds of characters (zh: characters plus words, against English words) of target per source.
LENGTH_RATIO = {"zh": (0.6, 5.0)}
OTHER_LENGTH_RATIO = (0.45, 2.4)
MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|&#?\w+;|\\n|%[A-Z_]{4,}|\$\[\w+\]|<\?>|\$\w+\{")


@dataclass(frozen=True)
class Segment:
    """One paragraph in English and another language."""

    page: str
    key: str
    english: str
    other: str


def normalise(text: str) -> str:
    """The form in which texts are compared: letters and digits alone, case folded, digits as 0."""
    return re.sub(r"[\W_]", "", re.sub(r"\d", "0", text.casefold()))


def drop_reason(english: str, other: str, language: str) -> str | None:
    """Why the pair is no clean translation pair, or None if it is one."""
    if sum(bool(words(token)) for token in english.split()) < MIN_ENGLISH_WORDS:
        return "short"
    if max(len(english), len(other)) > MAX_CHARACTERS:
        return "long"
    if MARKUP.search(english) or MARKUP.search(other):
        return "markup"
    if min(letter_share(english), letter_share(other)) < MIN_LETTER_SHARE:
        return "code"
    if normalise(english) == normalise(other):
        return "untranslated"
    if not (is_language(english, "en") and is_language(other, language)):
        return "language"
    if _shared_words(english, other) > MAX_SHARED_WORDS:
        return "untranslated"
    return None if _has_fair_length(english, other, language) else "length ratio"


def _shared_words(english: str, other: str) -> float:
    ours, theirs = words(english), set(words(other))
    return sum(word in theirs for word in ours) / len(ours)


def _has_fair_length(english: str, other: str, language: str) -> bool:
    if language in LENGTH_RATIO:
        low, high = LENGTH_RATIO[language]
        return low <= count_words(other, language) / count_words(english, "en") <= high
    low, high = OTHER_LENGTH_RATIO
    return low <= len(other) / len(english) <= high


def align(english: Page, other: Page | None, language: str, drops: Counter[str]) -> list[Segment]:
    """Clean pairs of the blocks with the same key, in the order of the English page."""
    theirs = {block.key: block.text for block in other.blocks} if other else {}
    segments = []
    for block in english.blocks:
        if block.key not in theirs:
            drops["not aligned"] += 1
        elif reason := drop_reason(block.text, theirs[block.key], language):
            drops[reason] += 1
        else:
            segments.append(Segment(english.name, block.key, block.text, theirs[block.key]))
    return segments
