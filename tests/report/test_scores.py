"""The claims about what models write, on made-up scores."""

import numpy as np
import pytest

from finescale.figures.scored import ScoredRun, TaskScores
from finescale.report.scores import SuiteScores, ability_is_kept, perplexity_follows_score
from finescale.report.verdicts import CONTRADICTED, NOT_DECIDED, SUPPORTED

SIZES = (100, 200, 400, 800)
TWO = (64, 256)  # data sizes


@pytest.fixture
def table(made_up):
    """Scores of each method by model size; `base` are those before finetuning."""

    def run(method, size, score, **more):
        point = made_up.point(method, nominal_size=size, **more)
        return ScoredRun(point, score, None, None)

    def make(examples=(64,), suite="one-shot", base=(), seeds=(0,), losses=SIZES, **scores):
        runs = [
            run(method, size, score, finetuning_examples=count, seed=seed, loss=loss)
            for method, values in scores.items()
            for size, score, loss in zip(SIZES, values, losses, strict=False)
            for count in examples
            for seed in seeds
        ]
        baselines = {
            (size, 8000): run("", size, score) for size, score in zip(SIZES, base, strict=False)
        }
        about = {"task": "help", "title": "Help", "metric": "chrf", "model_size_as": "nominal"}
        task = TaskScores(**about, base=made_up.BASE, runs=tuple(runs), baselines=baselines)
        return SuiteScores(suite, task)

    return make


def test_kept_and_lost_abilities(table):
    suite = table(TWO, base=(20, 22, 24, 26), fmt=(5, 6, 7, 8), prompt=(20, 21, 24, 27))
    found = ability_is_kept([suite, table(suite="test", fmt=(30, 40))])
    above, kept, lost = found.parts
    assert [f.estimate for f in above.findings if f.made] == [pytest.approx(92 / 26)]
    assert [f.reason for f in above.findings if not f.made] == ["0 models to compare; 6 are needed"]
    assert kept.findings[0].estimate == pytest.approx(92 / 92)
    assert lost.findings[0].estimate == pytest.approx(26 / 92)
    assert [part.verdict for part in found.parts] == [SUPPORTED] * 3
    assert found.verdict == SUPPORTED


def test_fmt_that_keeps_its_ability_contradicts(table):
    same = (20, 22, 24, 26)
    suite = table(TWO, base=same, fmt=same, prompt=same, lora=same)
    found = ability_is_kept([suite, table(suite="test", fmt=same)])
    assert [part.verdict for part in found.parts] == [NOT_DECIDED, SUPPORTED, CONTRADICTED]


def test_who_could_not_do_it_before_keeps_and_loses_nothing(table):
    suite = table(TWO, base=(4, 5, 6, 5), fmt=(20, 21, 22, 23), lora=(1, 2, 3, 4))
    found = ability_is_kept([suite, table(suite="test", fmt=(10, 11))])
    reasons = {f.reason for part in found.parts[1:] for f in part.findings}
    assert reasons == {"no ability to keep: 5 before finetuning, tuned models score 10 on tests"}
    assert [part.verdict for part in found.parts[1:]] == [NOT_DECIDED] * 2
    suite = table(TWO, base=(6, 5, 6, 5), lora=(1, 2, 3, 4))
    found = ability_is_kept([suite, table(suite="test", fmt=(10, 11))])
    assert found.parts[1].verdict == CONTRADICTED


def test_without_test_scores_nobody_knows_what_base_models_could_do(table):
    found = ability_is_kept([table(TWO, base=(4, 5, 6, 5), fmt=(1, 2, 3, 4))])
    assert found.parts[2].findings[0].reason.startswith("no test scores")


def test_zero_shot_has_no_score_before_finetuning(table):
    found = ability_is_kept([table(TWO, "zero-shot", fmt=(5, 6, 7), lora=(9, 8, 9))])
    assert [len(part.findings) for part in found.parts] == [2, 0, 0]


def test_seeds_and_data_sizes_are_compared_with_their_likes(table):
    one = table((64, 256, 1024), fmt=(1, 1, 1, 1), seeds=(0, 1))
    other = table(TWO, lora=(2, 2, 2, 2), seeds=(1,))
    both = TaskScores(**vars(one.scores) | {"runs": one.scores.runs + other.scores.runs})
    lora = ability_is_kept([SuiteScores("one-shot", both)]).parts[0].findings[1]
    assert (lora.estimate, *lora.interval) == pytest.approx((2, 2, 2))


def test_models_that_wrote_nothing_or_have_another_pet_size_do_not_count(table, made_up):
    one = table(TWO, fmt=(1, None, 1, 1), lora=(2, 2, 2, 2))
    other = ScoredRun(
        made_up.point("lora", nominal_size=100, finetuning_examples=64, pet_parameter_size=16),
        99.0,
        None,
        None,
    )
    both = TaskScores(**vars(one.scores) | {"runs": (*one.scores.runs, other)})
    lora = ability_is_kept([SuiteScores("one-shot", both)]).parts[0].findings[1]
    assert (lora.estimate, *lora.interval) == pytest.approx((2, 2, 2))


def test_models_that_scored_nothing_before_lose_nothing(table):
    nothing = table(TWO, base=(0, 0, 0), fmt=(0, 0, 0))
    found = ability_is_kept([nothing, table(suite="test", fmt=(0, 0))])
    assert found.parts[2].findings[0].reason == "the models score nothing before finetuning"
    assert found.parts[2].verdict == NOT_DECIDED


def test_the_test_suite_says_nothing_of_abilities_and_others_nothing_of_perplexity(table):
    assert not any(part.findings for part in ability_is_kept([table(suite="test", fmt=(1,))]).parts)
    assert not perplexity_follows_score([table(fmt=(1,))]).parts[0].findings


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ((1.0, 1.49, 2.1, 2.31), SUPPORTED),
        ((3.0, 2.51, 1.9, 1.69), CONTRADICTED),
        ((1.0, 3.0, 1.5, 3.6), NOT_DECIDED),  # r of four pairs: Fisher's interval has 0
    ],
)
def test_the_claim_about_perplexity_is_table_7(table, scores, verdict):
    losses = (4.0, 3.5, 2.9, 2.7)
    claim = perplexity_follows_score([table(suite="test", fmt=scores, losses=losses)])
    finding, *others = claim.parts[0].findings
    assert finding.subject == "LLM model size, FMT"
    assert finding.estimate == pytest.approx(np.corrcoef(losses, scores)[0, 1])
    assert (finding.verdict, claim.verdict) == (verdict, verdict)
    assert not any(other.made for other in others)
    assert all(other.reason for other in others)


def test_equal_scores_have_no_correlation(table):
    claim = perplexity_follows_score([table(suite="test", fmt=(1, 1, 1, 1))])
    assert claim.parts[0].findings[0].reason == "all alike"
