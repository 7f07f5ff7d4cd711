"""Learning rates over steps, and the steps at which something is looked at."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then constant, or a cosine from `peak` to `final` over `steps` steps."""

    kind: str  # constant or cosine
    peak: float
    final: float
    steps: int
    warmup_steps: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of step 0, 1, ..., steps - 1."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        if self.kind == "constant":
            return self.peak
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.final + (self.peak - self.final) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def geometric_steps(first: int, growth: float, last: int) -> set[int]:
    """first * growth^k, rounded, below `last`; and `last`."""
    if growth <= 1:
        raise ValueError(f"steps that grow by {growth} never end")
    steps, value = {last}, float(first)
    while round(value) < last:
        steps.add(round(value))
        value *= growth
    return steps


def regular_steps(interval: int, last: int) -> set[int]:
    """Every `interval` steps, and `last`."""
    return {*range(interval, last, interval), last}


def even_steps(count: int, last: int) -> set[int]:
    """`count` evenly spaced steps, `last` among them; fewer if there are fewer steps."""
    return {max(1, round(last * k / count)) for k in range(1, count + 1)}
