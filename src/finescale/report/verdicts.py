"""How comparisons become verdicts.

A comparison (one task, one method) supports a claim where the claim holds for so many of its
resamples that the central 95% lie on the claim's side, and contradicts it where they lie on the
other. A part of a claim is supported where at least half of its comparisons support it and none
contradicts it, and contradicted the other way round; comparisons that could not be made do not
count. A claim stands with all its parts and falls with any of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finescale.laws import interval
from finescale.laws.intervals.ensemble import LEVEL

SUPPORTED, CONTRADICTED, NOT_DECIDED = "supported", "contradicted", "not decided"
ENOUGH = (1 + LEVEL) / 2  # share of the resamples


@dataclass(frozen=True)
class Finding:
    """One comparison: a number with its interval, and the share of resamples that agree.

    A comparison that could not be made has a `reason` in place of numbers.
    """

    task: str  # its title
    subject: str
    verdict: str
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    share: float | None = None
    reason: str = ""
    resamples: np.ndarray | None = None

    @property
    def made(self) -> bool:
        """Whether there was something to compare."""
        return self.estimate is not None or self.verdict != NOT_DECIDED


def measured(
    task: str,
    subject: str,
    estimate: float,
    resamples: np.ndarray,
    holds: np.ndarray | None = None,
) -> Finding:
    """A finding from the resamples of its number, (R,); `holds` says where the claim is true.

    Unless given, the claim is that the number is above 0.
    """
    if not resamples.size:
        reason = "no resamples, so no interval"
        return Finding(task, subject, NOT_DECIDED, estimate, reason=reason)
    share = float(np.mean(above(resamples) if holds is None else holds))
    low, high = map(float, interval(resamples))
    return Finding(task, subject, decide(share), estimate, (low, high), share, resamples=resamples)


def above(resamples: np.ndarray, border: float = 0.0) -> np.ndarray:
    """1 for the resamples above a border, 0 for those below it; one on the border counts half."""
    return (1 + np.sign(resamples - border)) / 2


def missing(task: str, subject: str, reason: str) -> Finding:
    """A comparison that could not be made."""
    return Finding(task, subject, NOT_DECIDED, reason=reason)


def decide(share: float) -> str:
    """The verdict of one comparison."""
    if share >= ENOUGH:
        return SUPPORTED
    return CONTRADICTED if share <= 1 - ENOUGH else NOT_DECIDED


@dataclass(frozen=True)
class Part:
    """One statement of a claim with its comparisons.

    `quantity` says what the numbers are; at a border they begin or end to speak for the claim.
    """

    statement: str
    quantity: str
    findings: tuple[Finding, ...]
    borders: tuple[float, ...] = (0.0,)
    ratio: bool = False  # of two sizes, best seen on a logarithmic axis
    reason: str = ""  # why there are no comparisons

    @property
    def counts(self) -> Counter[str]:
        """How many of the comparisons that could be made have each verdict."""
        return Counter(finding.verdict for finding in self.findings if finding.made)

    @property
    def verdict(self) -> str:
        """What half of the comparisons say or more, unless one says the opposite."""
        counts = self.counts
        for verdict, opposite in ((SUPPORTED, CONTRADICTED), (CONTRADICTED, SUPPORTED)):
            if counts[verdict] and 2 * counts[verdict] >= counts.total() and not counts[opposite]:
                return verdict
        return NOT_DECIDED

    @property
    def median(self) -> tuple[float, tuple[float, float]] | None:
        """The median of the comparisons that were made, with its interval from all resamples."""
        made = [one for one in self.findings if one.resamples is not None]
        rows = [one.resamples for one in made if one.resamples is not None]
        if len({row.size for row in rows}) != 1:
            return None
        low, high = map(float, interval(np.median(rows, axis=0)))
        middle = np.median([one.estimate for one in made if one.estimate is not None])
        return float(middle), (low, high)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and what a study says about it."""

    title: str
    paper: str  # where and how the paper says it
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> str:
        """Supported if all parts are, contradicted if any is."""
        return joined([part.verdict for part in self.parts])


def joined(verdicts: Sequence[str]) -> str:
    """The verdict of a claim from those of its parts."""
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return SUPPORTED if set(verdicts) == {SUPPORTED} else NOT_DECIDED
