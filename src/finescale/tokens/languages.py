"""Names of languages, as prompts write them."""

from finescale.corpora.languages import LANGUAGE_NAMES
from finescale.errors import UserError


def language_name(code: str) -> str:
    """The English name of a language code."""
    if code not in LANGUAGE_NAMES:
        raise UserError(f"no name for language {code!r}; known: {', '.join(LANGUAGE_NAMES)}")
    return LANGUAGE_NAMES[code]
