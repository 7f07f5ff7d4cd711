"""The one exception that a user is meant to read."""


class UserError(Exception):
    """A mistake that the user can mend: the message says what, where, and what to do.

    Programs print the message alone, without a traceback, and exit with status 1.
    """
