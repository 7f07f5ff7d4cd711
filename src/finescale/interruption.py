"""Signals that ask a program to stop soon: a scheduler's warning, or its time limit.

Before training there is nothing to lose, so the program stops at once. From then on the signal is
noted: training stops between two steps with its state saved, and what comes after it goes on to
its end. SIGINT is not heeded here: it stops a program wherever it is.
"""

import os
import signal
import sys
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

_received: int = 0
_training = False


class Interrupted(SystemExit):
    """Leaves the program with a status that says: try again later."""

    def __init__(self) -> None:
        super().__init__(os.EX_TEMPFAIL)


def watch() -> None:
    """Heed the signals from now on."""
    for number in SIGNALS:
        signal.signal(number, _note)


def training_starts() -> None:
    """From now on a signal is noted and nothing more."""
    global _training
    _training = True


def received() -> int:
    """The number of the signal that came; 0 for none."""
    return _received


def leave(number: int, what: str) -> NoReturn:
    """Say by which signal and how, unless `what` is empty; then stop."""
    if what:
        line = f"interrupted by {signal.Signals(number).name} {what}\n"
        os.write(sys.stderr.fileno(), line.encode())  # print may be what was interrupted
    raise Interrupted


def _note(number: int, frame: object) -> None:
    global _received
    _received = number
    if not _training:
        leave(number, "before training: nothing is lost")
