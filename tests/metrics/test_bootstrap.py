"""Intervals from sums of statistics are those of scoring resampled texts anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from finescale.metrics import text
from finescale.metrics.bootstrap import BLOCK, draws, interval, resampled_sums

RESAMPLES = BLOCK + 5  # more than one block


def naive(metric, outputs, references, counts):
    """The corpus score of each resample, from its texts."""
    scores = []
    for row in counts:
        chosen = np.repeat(np.arange(len(outputs)), row)
        resample = [outputs[i] for i in chosen], [[references[i] for i in chosen]]
        scores.append(metric.corpus_score(*resample).score)
    return scores


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_resampled_scores_are_those_of_the_resampled_texts(metric, corpus):
    language, references, outputs = corpus
    if metric == "bleu":
        ours = text.bleu(outputs, references, language)
        theirs = BLEU(tokenize={"de": "13a", "zh": "zh"}[language])
    else:
        ours, theirs = text.chrf(outputs, references), CHRF()
    sums = resampled_sums(ours.statistics, RESAMPLES, "label")
    counts = draws(len(outputs), RESAMPLES, "label")
    expected = naive(theirs, outputs, references, counts)
    assert [ours.corpus(one) for one in sums] == pytest.approx(expected, rel=1e-12)
    assert len(set(expected)) > 5


def test_resampled_means_are_means_of_resamples():
    values = np.array([0.0, 0.25, 1.0, 0.5])
    ours = text.mean_of(values)
    sums = resampled_sums(ours.statistics, RESAMPLES)
    expected = [np.repeat(values, row).mean() for row in draws(4, RESAMPLES)]
    assert [ours.corpus(one) for one in sums] == pytest.approx(expected)


@given(segments=st.integers(1, 300), label=st.sampled_from(["de", "fr"]))
def test_a_resample_has_as_many_segments_as_there_are(segments, label):
    counts = draws(segments, 7, label)
    assert counts.shape == (7, segments)
    assert (counts.sum(axis=1) == segments).all()


def test_resamples_depend_on_number_and_label_alone():
    first = draws(50, 20, "de").copy()
    draws.cache_clear()
    np.random.default_rng(3).random(9)
    assert (draws(50, 20, "de") == first).all()
    assert (draws(50, 30, "de")[:20] == first).all()  # more resamples go on from fewer
    assert (draws(50, 20, "fr") != first).any()


def test_every_segment_is_as_likely():
    counts = draws(20, 5000)
    assert counts.mean(axis=0) == pytest.approx(np.ones(20), abs=0.06)  # 4 standard errors
    assert counts.var() == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_a_mean_is_the_one_of_theory():
    values = np.random.default_rng(0).normal(size=400)
    ours = text.mean_of(values)
    low, high = interval([ours.corpus(one) for one in resampled_sums(ours.statistics, 4000)])
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_without_variation_there_is_no_width():
    ours = text.mean_of(np.full(9, 0.5))
    assert interval([ours.corpus(one) for one in resampled_sums(ours.statistics, 10)]) == (0.5, 0.5)
