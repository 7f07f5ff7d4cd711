"""Names of languages, as prompts write them."""

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


def language_name(code: str) -> str:
    """The English name of a language code."""
    if code not in LANGUAGE_NAMES:
        raise UserError(f"no name for language {code!r}; known: {', '.join(LANGUAGE_NAMES)}")
    return LANGUAGE_NAMES[code]
