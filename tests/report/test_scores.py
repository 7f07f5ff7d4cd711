"""The claims about what models write, on made-up scores."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.report.scores import (
    ScoreTable,
    ability_is_kept,
    pearson,
    perplexity_follows_score,
)
from finescale.report.verdicts import CONTRADICTED, NOT_DECIDED, SUPPORTED

SHOWN = {"task": "help", "title": "Help", "suite": "one-shot", "score": "chrf"}
SIZES = (100, 200, 400, 800)


def row(method, size, score, examples=64, seed=0):
    base = {"nominal_size": size, "pretraining_tokens": 8000, "score": score}
    if method is None:
        rest = dict.fromkeys(("method", "pet_parameter_size", "finetuning_examples", "seed"))
    else:
        pet = None if method == "fmt" else 4
        rest = {"method": method, "pet_parameter_size": pet}
        rest |= {"finetuning_examples": examples, "seed": seed}
    return base | rest


def table(suite="one-shot", **scores):
    """Scores of a method by model size; `base` are those before finetuning."""
    rows = [
        row(None if method == "base" else method, size, score)
        for method, values in scores.items()
        for size, score in zip(SIZES, values, strict=False)
    ]
    return ScoreTable("help", "Help", suite, rows)


def test_scores_are_read_with_their_labels_and_the_metric_shown(tmp_path):
    columns = ["method", "nominal_size", "pretraining_tokens", "pet_parameter_size"]
    columns += ["finetuning_examples", "seed", "baseline", "status", "examples", "bleu", "chrf"]
    lines = [
        ["lora", 100, 8000, 4, 64, 0, False, "ok", 9, 1.5, 20.25],
        ["", 100, 8000, "", "", "", True, "ok", 9, 1.0, 10.5],
        ["fmt", 100, 8000, "", 64, 0, False, "diverged", 0, "", ""],
    ]
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])
    read = ScoreTable.read(tmp_path / "scores.csv", SHOWN)
    assert (read.task, read.title, read.suite) == ("help", "Help", "one-shot")
    assert list(read.rows) == [row("lora", 100, 20.25), row(None, 100, 10.5)]


def test_kept_and_lost_abilities():
    found = ability_is_kept(
        [table(base=(20, 22, 24, 26), fmt=(5, 6, 7, 8), prompt=(20, 21, 24, 27))]
    )
    above, kept, lost = found.parts
    assert [f.estimate for f in above.findings if f.made] == [pytest.approx(23 - 6.5)]
    assert [f.reason for f in above.findings if not f.made] == ["0 pairs of models; 3 are needed"]
    assert kept.findings[0].estimate == pytest.approx(92 / 92)
    assert lost.findings[0].estimate == pytest.approx(26 / 92)
    assert [part.verdict for part in found.parts] == [SUPPORTED] * 3
    assert found.verdict == SUPPORTED


def test_fmt_that_keeps_its_ability_contradicts():
    same = (20, 22, 24, 26)
    found = ability_is_kept([table(base=same, fmt=same, prompt=same, lora=same)])
    above, kept, lost = (part.verdict for part in found.parts)
    assert (above, kept, lost) == (CONTRADICTED, SUPPORTED, CONTRADICTED)


def test_zero_shot_has_no_score_before_finetuning():
    found = ability_is_kept([table("zero-shot", fmt=(5, 6, 7), lora=(9, 8, 9))])
    assert [len(part.findings) for part in found.parts] == [2, 0, 0]


def test_seeds_and_data_sizes_are_compared_with_their_likes():
    rows = [
        row("fmt", size, 1.0, examples, seed)
        for size in SIZES
        for examples in (64, 256)
        for seed in (0, 1)
    ]
    rows += [row("lora", size, 2.0, 64, 1) for size in SIZES]
    found = ability_is_kept([ScoreTable("help", "Help", "one-shot", rows)])
    lora = found.parts[0].findings[1]
    assert (lora.estimate, lora.interval) == (1.0, (1.0, 1.0))


def test_models_that_scored_nothing_before_lose_nothing():
    found = ability_is_kept([table(base=(0, 0, 0), fmt=(0, 0, 0))])
    assert found.parts[2].findings[0].reason == "the models score nothing before finetuning"
    assert found.parts[2].verdict == NOT_DECIDED


def test_the_test_suite_says_nothing_of_abilities_and_others_nothing_of_perplexity(made_up):
    assert not any(part.findings for part in ability_is_kept([table("test", fmt=(1,))]).parts)
    assert not perplexity_follows_score([table(fmt=(1,))], [made_up.point()]).parts[0].findings


def test_perplexity_is_joined_with_scores_run_by_run(made_up):
    losses = (4.0, 3.5, 2.9, 2.7)
    scores = (1.0, 2.0, 3.5, 3.6)
    points = [
        made_up.point(nominal_size=size, finetuning_examples=64, loss=loss)
        for size, loss in zip(SIZES, losses, strict=True)
    ]
    points += [made_up.point("fmt", 99.0, task="other", nominal_size=100, finetuning_examples=64)]
    points += [made_up.point("fmt", None, nominal_size=900, finetuning_examples=64)]
    claim = perplexity_follows_score([table("test", fmt=scores)], points)
    (finding,) = claim.parts[0].findings
    assert finding.estimate == pytest.approx(np.corrcoef(losses, scores)[0, 1])
    assert (finding.verdict, claim.verdict) == (SUPPORTED, SUPPORTED)


def test_equal_scores_have_no_correlation(made_up):
    points = [made_up.point(nominal_size=s, finetuning_examples=64, loss=s) for s in SIZES]
    claim = perplexity_follows_score([table("test", fmt=(1, 1, 1, 1))], points)
    assert "same score" in claim.parts[0].findings[0].reason


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(-50, 50), st.integers(-50, 50)),
        min_size=3,
        max_size=8,
    )
)
def test_a_weight_counts_as_so_many_copies(rows):
    counts, x, y = (np.array(column, float) for column in zip(*rows, strict=True))
    many_x, many_y = (np.repeat(values, counts.astype(int)) for values in (x, y))
    ours = pearson((counts / counts.sum())[None], x, y)[0]
    if np.ptp(x) and np.ptp(y):
        assert ours == pytest.approx(np.corrcoef(many_x, many_y)[0, 1], abs=1e-9)
    else:
        assert not np.isfinite(ours)
