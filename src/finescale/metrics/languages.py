"""Whether a text is in the language it should be in, of those that prompts can name."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from finescale.corpora.languages import LANGUAGE_NAMES, identify


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
