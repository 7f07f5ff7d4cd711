"""The one exception that a user is meant to read, and how its messages are put."""

import difflib
from collections.abc import Iterable

MOST_SHOWN = 10  # mistakes in one message


class UserError(Exception):
    """A mistake that the user can mend: the message says what, where, and what to do.

    Programs print the message alone, without a traceback, and exit with status 1.
    """


def refuse_mistakes(name: str, mistakes: Iterable[str]) -> None:
    """Raise UserError when there are mistakes in the file `name`, with a line for each."""
    lines = list(dict.fromkeys(mistakes))
    if lines:
        more = [f"and {len(lines) - MOST_SHOWN} more"] if len(lines) > MOST_SHOWN else []
        raise UserError("\n  ".join([f"{name}:", *lines[:MOST_SHOWN], *more]))


def suggestion(given: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: the likely one, or all of them."""
    known = sorted(known)
    if not known:
        return ": there is none"
    close = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else f" (known: {', '.join(known)})"
