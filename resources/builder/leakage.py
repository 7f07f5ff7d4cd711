"""Finds text that was already seen on pages of another role."""

import re
from collections.abc import Iterable

from .pairs import normalise

MAX_SHARED_NGRAMS = 0.7
WORDS, CHARACTERS = 5, 8  # n of the word n-grams, and of the character n-grams for Chinese
MIN_WORDS = 3  # shorter texts ("Syntax", "File menu") may be on any page


def is_long(text: str) -> bool:
    """Whether `text` has three words (Chinese: characters) and so can be told from others."""
    return len(re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+", text)) >= MIN_WORDS


def ngrams(text: str, language: str) -> set[str]:
    """Word 5-grams of `text`, or character 8-grams if it is Chinese; empty for shorter texts."""
    if language == "zh":
        characters = normalise(text)
        return {characters[i : i + CHARACTERS] for i in range(len(characters) - CHARACTERS + 1)}
    tokens = re.findall(r"\w+", re.sub(r"\d", "0", text.casefold()))
    return {" ".join(tokens[i : i + WORDS]) for i in range(len(tokens) - WORDS + 1)}


class SeenText:
    """An index of texts, asked whether another text equals or nearly repeats them."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._ngrams: dict[str, set[str]] = {}

    def add(self, texts: Iterable[str], language: str) -> None:
        """Index `texts`, which are in `language`."""
        grams = self._ngrams.setdefault(language, set())
        for text in texts:
            self._texts.add(normalise(text))
            grams |= ngrams(text, language)

    def has_equal(self, text: str) -> bool:
        """Whether an indexed text of any language equals `text` after normalisation."""
        return normalise(text) in self._texts

    def has_near(self, text: str, language: str) -> bool:
        """Whether the indexed texts of `language` hold at least 70 % of the n-grams of `text`."""
        own = ngrams(text, language)
        shared = len(own & self._ngrams.get(language, set()))
        return bool(own) and shared / len(own) >= MAX_SHARED_NGRAMS

    def has(self, text: str, language: str) -> bool:
        """Equal or near."""
        return self.has_equal(text) or self.has_near(text, language)
