"""Claims about which of two methods is better, and from which finetuning size on."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from finescale.counts import format_count, format_rough
from finescale.figures.pairs import CriticalPair
from finescale.figures.style import FACTOR_TITLES
from finescale.laws.critical.crossing import SEARCHED
from finescale.laws.intervals.ensemble import Ensemble
from finescale.report.verdicts import (
    CONTRADICTED,
    ENOUGH,
    NOT_DECIDED,
    SUPPORTED,
    Claim,
    Finding,
    Part,
    measured,
    missing,
)

ALIKE = 2.0  # critical sizes within this factor of each other count as one


def lora_against_prompt(pairs: Sequence[CriticalPair]) -> Claim:
    """Which is better for the base model at the ends of the finetuning data both were fitted to."""
    found = [_at_both_ends(pair) for pair in _first_of_each_task(pairs, ("prompt", "lora"))]
    quantity = "log-perplexity of {} less that of {} (nats per target token)"
    none = "no task has both methods"
    parts = (
        Part(
            "With the fewest finetuning examples prompt tuning is better than LoRA.",
            quantity.format("LoRA", "prompt tuning"),
            tuple(few for few, _ in found),
            reason=none,
        ),
        Part(
            "With the most finetuning examples LoRA is better than prompt tuning.",
            quantity.format("prompt tuning", "LoRA"),
            tuple(many for _, many in found),
            reason=none,
        ),
    )
    return Claim("Prompt tuning for little data, LoRA for more", "Section 4", parts)


def _first_of_each_task(
    pairs: Iterable[CriticalPair], methods: tuple[str, str]
) -> list[CriticalPair]:
    """The comparison over model size, or over pretraining size where a task has no other."""
    by_task: dict[str, CriticalPair] = {}
    for pair in pairs:
        if pair.methods == methods and (pair.laws or pair.task not in by_task):
            kept = by_task.setdefault(pair.task, pair)
            if kept.laws is None:
                by_task[pair.task] = pair
    return list(by_task.values())


def _at_both_ends(pair: CriticalPair) -> tuple[Finding, Finding]:
    """LoRA less prompt at the smallest size, prompt less LoRA at the largest."""
    if pair.laws is None:
        few, many = (missing(pair.task, end, pair.reason) for end in ("fewest", "most"))
        return few, many
    few, many = (
        measured(pair.task, f"{format_count(size)} examples", sign * gap, sign * resamples)
        for sign, size in zip((1, -1), pair.fitted, strict=True)
        for gap, resamples in [_gap(*pair.laws, X=pair.base, D=size)]
    )
    return few, many


def _gap(prompt: Ensemble, lora: Ensemble, **at: float) -> tuple[float, np.ndarray]:
    """Log-perplexity of LoRA less that of prompt tuning, and so for the resamples of both, (R,)."""
    gap = float(lora.predict(**at) - prompt.predict(**at))
    if not (prompt.resamples and lora.resamples):
        return gap, np.array([])
    return gap, lora.predict_resamples(**at) - prompt.predict_resamples(**at)


@dataclass(frozen=True)
class Size:
    """The critical size of one task with its interval; `above` is the method better above it.

    Where one method is better everywhere, and nearly all resamples say so, its critical size lies
    below the searched range. `sure`: nearly all resamples have this critical size.
    """

    task: str
    above: str
    size: float
    interval: tuple[float, float]
    sure: bool = True


def critical_size_depends_on_task(pairs: Sequence[CriticalPair]) -> Claim:
    """Whether the intervals of two tasks exclude a common critical size, at the base model."""
    groups: dict[tuple[str, str], list[CriticalPair]] = {}
    for pair in pairs:
        groups.setdefault((pair.factor, pair.title), []).append(pair)
    findings = [
        compare_sizes(f"{title} ({FACTOR_TITLES[factor]})", [_critical_size(p) for p in group])
        for (factor, title), group in groups.items()
    ]
    part = Part(
        "The finetuning size above which another method is better differs between tasks by more"
        f" than a factor of {ALIKE:g}.",
        "largest critical size of a task over the smallest",
        tuple(findings),
        borders=(ALIKE,),
        ratio=True,
        reason="no task compares two methods",
    )
    return Claim("The critical size depends on the task", "Section 4, Figure 5, Table 5", (part,))


def _critical_size(pair: CriticalPair) -> Size | None:
    """None where there are no laws, no resamples, or no agreement on whether the laws meet."""
    for found in pair.compare([pair.base]):
        if found.better and found.shares.get(found.better, 0) >= ENOUGH:
            return Size(pair.task, pair.method(found.better), 0, (0, SEARCHED[0]))
        for one in found.crossings:
            if one.interval:
                sure = (one.share or 0) >= ENOUGH
                return Size(pair.task, pair.method(one.better_above), one.size, one.interval, sure)
    return None


def compare_sizes(subject: str, sizes: Sequence[Size | None]) -> Finding:
    """The ratio of the largest to the smallest, as far apart or as close as intervals allow."""
    known = [size for size in sizes if size]
    if len(known) < 2:
        return missing("all tasks", subject, "fewer than two tasks have a critical size")
    where = "\n".join(f"{size.task} {_words(size)}" for size in known)
    if len({size.above for size in known}) > 1:
        opposite = len({size.above for size in known if size.sure}) > 1
        reason = f"in some tasks one method is better above, in others the other:\n{where}"
        return Finding("all tasks", subject, SUPPORTED if opposite else NOT_DECIDED, reason=reason)
    lows, highs = zip(*(size.interval for size in known), strict=True)
    values = [max(size.size, SEARCHED[0]) for size in known]
    apart = max(1.0, max(lows) / max(min(highs), SEARCHED[0]))
    far = max(highs) / min(lows) if min(lows) > 0 else math.inf
    verdict = SUPPORTED if apart > ALIKE else CONTRADICTED if far <= ALIKE else NOT_DECIDED
    return Finding(
        "all tasks", subject, verdict, max(values) / min(values), (apart, far), reason=where
    )


def _words(size: Size) -> str:
    low, high = (_bound(value) for value in size.interval)
    return f"{_bound(size.size)} [{low}, {high}]"


def _bound(size: float) -> str:
    if size < SEARCHED[0]:
        return f"<{format_count(SEARCHED[0])}"
    if size > SEARCHED[1]:
        return f">{format_count(SEARCHED[1])}"
    return format_rough(size)
