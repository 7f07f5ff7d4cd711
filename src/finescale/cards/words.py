"""Texts as they are compared and counted: normalised, and split into words."""

import re
from typing import NamedTuple

DIGIT = re.compile(r"\d")
# One character of a script that is written without spaces is a word by itself: Han, Japanese kana,
# Thai, Lao, Myanmar and Khmer.
UNSPACED = (
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003ffff"
)
# Marks that belong to the letter before them, which regular expressions do not count as letters:
# accents, the points of Hebrew and Arabic, the vowel signs of the scripts of India.
MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff"
# Most texts have none of them, and are split by a simpler rule in half the time.
SPECIAL = re.compile("[\u0300-\U0010ffff]")
SIMPLE_WORD = re.compile(r"[^\W_]+")
WORD = re.compile(rf"[{UNSPACED}]|(?:[^\W_{UNSPACED}]|[{MARKS}])+")


class Text(NamedTuple):
    """One text: the form in which it is compared with others, and its words."""

    normal: str
    words: list[str]


def compared(text: str) -> Text:
    """Fold the case, make digits 0 and white space single; punctuation counts in `normal` alone."""
    normal = " ".join(DIGIT.sub("0", text.casefold()).split())
    word = WORD if SPECIAL.search(normal) else SIMPLE_WORD
    return Text(normal, word.findall(normal))
