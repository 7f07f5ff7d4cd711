"""Which language a text is in.

py3langid (Lui and Baldwin 2012, "langid.py") is a naive Bayes classifier over byte n-grams: its
model is in the package, and the same text has the same answer everywhere. Choosing among the
languages that prompts can name instead of all that it knows makes short texts far safer.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from finescale.tokens.languages import LANGUAGE_NAMES


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(LANGUAGE_NAMES)
    return identifier


def identify(text: str) -> str | None:
    """The most likely language; None where nothing tells: no letters, or letters of no language."""
    if not any(map(str.isalpha, text)):
        return None
    ranked = _identifier().rank(text)
    return ranked[0][0] if ranked[0][1] > ranked[-1][1] else None


def in_wrong_language(texts: Sequence[str], targets: Sequence[str]) -> np.ndarray:
    """1.0 for each text that is in another language than its target, else 0.0.

    A text without a language, such as an empty one, is not in a wrong one.
    """
    found = [identify(text) for text in texts]
    return np.array([one not in (None, t) for one, t in zip(found, targets, strict=True)], float)


def description() -> dict[str, Any]:
    """What a share in the wrong language rests on, for the record."""
    return {
        "identifier": f"py3langid {version('py3langid')}",
        "languages": sorted(LANGUAGE_NAMES),
    }
