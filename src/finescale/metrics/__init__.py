"""Scores of generated text: BLEU, chrF, RougeL, language, a learned metric; bootstrap intervals.

Importing the room is cheap: a plan checks the names of metrics with it. What a metric needs is
imported where it is computed, and torch for the learned one alone.
"""

from finescale.metrics.names import LABELS, LOG_PERPLEXITY, METRICS, TITLES, check_metrics

__all__ = ["LABELS", "LOG_PERPLEXITY", "METRICS", "TITLES", "check_metrics"]
