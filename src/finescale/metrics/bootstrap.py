"""Bootstrap intervals over segments, from each segment's sufficient statistics.

Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation". A resample draws as
many segments as there are, with replacement; which ones depends on the number of segments and a
label alone. Every model, metric and stage that has the same segments has the same resamples, so
differences between two models can be taken resample by resample (paired).
"""

from functools import lru_cache

import numpy as np

from finescale.corpora import generator

SEED = 0
LEVEL = 0.95
BLOCK = 64  # resamples that are summed at a time, which bounds the memory


@lru_cache(maxsize=8)
def draws(segments: int, resamples: int, label: str = "") -> np.ndarray:
    """How often each resample holds each segment, (resamples, segments)."""
    random = generator(SEED, f"bootstrap {label}")
    counts = np.empty((resamples, segments), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(random.integers(segments, size=segments), minlength=segments)
    return counts


def resampled_sums(statistics: np.ndarray, resamples: int, label: str = "") -> np.ndarray:
    """The sums of statistics, (segments, k), over each resample: (resamples, k)."""
    counts = draws(len(statistics), resamples, label)
    blocks = (counts[start : start + BLOCK] for start in range(0, resamples, BLOCK))
    return np.concatenate([block.astype(float) @ statistics for block in blocks])


def interval(scores: np.ndarray) -> tuple[float, float]:
    """The central 95% of resampled scores, (resamples,), by percentiles."""
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
