"""Rows of scores: shares, averages over source languages, intervals."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.metrics import METRICS, text
from finescale.metrics.bootstrap import draws, interval
from finescale.metrics.scoring import Outputs, Scorer, resampled_scores

TEXT_METRICS = ["bleu", "chrf", "rougeL_ascii", "rougeL_unicode", "wrong_language"]


def record(output, reference, source="en", target="de", **more):
    given = {"id": "1", "source": "s", "reference": reference, "output": output}
    languages = {"source_language": source, "target_language": target}
    return {**given, **languages, "cut_source": False, "ended": True, **more}


@pytest.fixture
def outputs():
    """French and Turkish sources, two and three of them."""
    return Outputs(
        [
            record("Das Haus hat eine rote Tür.", "Das Haus hat eine Tür.", "fr"),
            record("Le fichier est ouvert.", "Die Datei ist offen.", "tr", cut_source=True),
            record("", "Klicken Sie auf Öffnen.", "tr", ended=False),
            record("Das Fenster ist offen.", "Das Fenster ist geschlossen.", "fr", ended=False),
            record(" \n", "Öffnen", "tr"),
        ]
    )


def test_shares_of_outputs_that_are_empty_or_cut(outputs):
    row = Scorer(["chrf"], "de", 0).row(outputs, {})
    assert row == {
        "examples": 5,
        "empty_share": 2 / 5,
        "unended_share": 2 / 5,
        "cut_source_share": 1 / 5,
    }


def test_a_score_is_the_mean_over_source_languages(outputs):
    scorer = Scorer(TEXT_METRICS, "de", 0)
    together = scorer.row(outputs, scorer.segments(outputs))
    apart = []
    for language in ("fr", "tr"):
        own = Outputs([one for one in outputs.records if one["source_language"] == language])
        apart.append(scorer.row(own, scorer.segments(own)))
    for name in TEXT_METRICS:
        assert together[name] == pytest.approx(np.mean([row[name] for row in apart]))
    assert together["wrong_language"] == pytest.approx((0 + 1 / 3) / 2)
    assert apart[0]["chrf"] != pytest.approx(apart[1]["chrf"])


def test_each_source_language_is_resampled_for_itself(outputs):
    scored = text.chrf(outputs.column("output"), outputs.column("reference"))
    groups = outputs.by_source_language()
    assert {name: group.tolist() for name, group in groups.items()} == {
        "fr": [0, 3],
        "tr": [1, 2, 4],
    }
    found = resampled_scores(scored, groups, 6)
    for resample in range(6):
        scores = []
        for name, group in groups.items():
            counts = draws(len(group), 6, name)[resample]
            scores.append(scored.corpus(counts @ scored.statistics[group]))
        assert found[resample] == pytest.approx(np.mean(scores))


def test_the_row_has_its_columns_and_the_interval_of_the_resamples(outputs):
    scorer = Scorer(TEXT_METRICS, "de", 50)
    segments = scorer.segments(outputs)
    row = scorer.row(outputs, segments)
    assert list(row) == scorer.columns
    for name, scored in segments.items():
        expected = interval(resampled_scores(scored, outputs.by_source_language(), 50))
        assert (row[f"{name}_low"], row[f"{name}_high"]) == expected
        assert expected[0] <= expected[1]


def test_the_learned_metric_gets_references_first(outputs):
    def learned(references, candidates):
        assert references == outputs.column("reference")
        assert candidates == outputs.column("output")
        return np.array([-0.5, 0.0, 0.5, 1.0, 1.5])

    scorer = Scorer(["bleurt"], "de", 0, learned)
    assert scorer.row(outputs, scorer.segments(outputs))["bleurt"] == pytest.approx(
        np.mean([0.25, 2 / 3])
    )


@given(st.lists(st.tuples(st.text(), st.text(min_size=1)), min_size=1, max_size=4))
def test_every_text_has_a_score(pairs):
    scorer = Scorer(TEXT_METRICS, "zh", 3)
    outputs = Outputs([record(*pair) for pair in pairs])
    segments = scorer.segments(outputs)
    row = scorer.row(outputs, segments)
    for name in TEXT_METRICS:
        most = 100 if name in ("bleu", "chrf") else 1
        values = [*segments[name].segments, row[name], row[f"{name}_low"], row[f"{name}_high"]]
        assert all(0 <= value <= most * (1 + 1e-9) for value in values)


def test_outputs_are_read_line_by_line(tmp_path):
    path = tmp_path / "outputs.jsonl"
    records = [record("a\u2028b", "c"), record("", "d")]
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))
    assert Outputs.read(path).records == records


def test_signatures_are_those_of_the_metrics_asked_for():
    signatures = Scorer(["bleu", "rougeL_unicode"], "zh", 100).signatures()
    assert list(signatures) == ["bleu", "bleu of segments", "rougeL_unicode", "average", "interval"]
    assert "tok:zh" in signatures["bleu"]
    assert ("eff:no" in signatures["bleu"], "eff:yes" in signatures["bleu of segments"]) == (1, 1)
    assert "100 resamples, central 95%" in signatures["interval"]
    assert set(METRICS) < set(Scorer(METRICS, None, 0).signatures())
