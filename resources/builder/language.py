"""Cheap checks that a text is in the language it should be in.

Not language identification: the question is only whether a translator left English behind, or a
text is code. Chinese and Hindi show by script, the others by frequent words.
"""

import re

# Frequent words that English does not have, and for English ones that the others do not have.
FREQUENT = {
    "en": "the of and to is are you can for with this that if it be by on from or when which not",
    "de": "der die das den dem des und ist sind sie zu ein eine einen einer mit für auf wenn oder "
    "von nicht wird werden können im zum zur als bei auch dieser diese dieses klicken wählen",
    "fr": "le la les des du et est sont vous un une pour dans sur avec par que qui ou si pas cette "
    "ce au aux être pouvez cliquez choisissez",
    "es": "el la los las del y es son un una para en con por que se si o no al este esta puede "
    "pulse elija haga seleccione como su",
    "tr": "ve bir bu için ile veya olarak de da daha olan gibi tıklayın seçin kullanılır eğer her "
    "değil ne en var ise içinde",
    "pl": "w i z na do jest są się lub nie aby przez o od jako można który która które dla po "
    "należy kliknij wybierz tego tej",
}
_FREQUENT = {language: frozenset(words.split()) for language, words in FREQUENT.items()}
_SCRIPTS = {"zh": re.compile(r"[\u3400-\u9fff]"), "hi": re.compile(r"[\u0900-\u097f]")}
MIN_SCRIPT_SHARE = {"zh": 0.3, "hi": 0.5}
_WORD = re.compile(r"[^\W\d_]+(?:[\u0900-\u097f]+[^\W\d_]*)*")
_UNIT = {"zh": re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")}


def words(text: str) -> list[str]:
    """The words of `text` in lower case: runs of letters (with the vowel signs of Hindi)."""
    return _WORD.findall(text.casefold())


def count_words(text: str, language: str) -> int:
    """Words; for Chinese its characters plus Latin words and numbers."""
    return len(_UNIT[language].findall(text)) if language in _UNIT else len(text.split())


def letter_share(text: str) -> float:
    """Letters (and combining marks) among the characters that are not white space."""
    visible = [c for c in text if not c.isspace()]
    letters = sum(c.isalpha() or "\u0900" <= c <= "\u097f" for c in visible)
    return letters / max(1, len(visible))


def is_language(text: str, language: str) -> bool:
    """Whether `text` passes as `language`. Short texts without a frequent word pass."""
    if language in _SCRIPTS:
        found = len(_SCRIPTS[language].findall(text))
        letters = sum(c.isalpha() or "\u0900" <= c <= "\u097f" for c in text)
        return letters > 0 and found / letters >= MIN_SCRIPT_SHARE[language]
    if any(len(script.findall(text)) > 2 for script in _SCRIPTS.values()):
        return False
    counts = {code: sum(w in frequent for w in words(text)) for code, frequent in _FREQUENT.items()}
    if language == "en":
        return counts["en"] >= max(counts.values()) or counts["en"] >= 2
    return counts[language] >= counts["en"]
