"""Languages: their names, and which one a text is in.

py3langid (Lui and Baldwin 2012, "langid.py") is a naive Bayes classifier over byte n-grams: its
model is in the package, and the same text has the same answer everywhere. Choosing among a few
languages instead of all that it knows makes short texts far safer.
"""

from functools import lru_cache
from typing import Any

from finescale.errors import UserError

LANGUAGE_NAMES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "pl": "Polish",
    "tr": "Turkish",
    "zh": "Chinese",
}


@lru_cache(maxsize=4)
def _identifier(languages: tuple[str, ...]) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    if unknown := sorted(set(languages) - set(identifier.labels)):
        raise UserError(f"py3langid does not know the languages {', '.join(unknown)}")
    identifier.set_languages(languages)
    return identifier


def identify(text: str, languages: tuple[str, ...] = tuple(LANGUAGE_NAMES)) -> str | None:
    """The most likely of some languages; None where nothing tells: no letters, or letters of no
    language. UserError when py3langid does not know a language."""
    if not any(map(str.isalpha, text)):
        return None
    ranked = _identifier(languages).rank(text)
    return ranked[0][0] if ranked[0][1] > ranked[-1][1] else None
