"""Metrics and languages that cannot be scored are refused by name."""

import subprocess
import sys

import pytest

from finescale.errors import UserError
from finescale.metrics import LOG_PERPLEXITY, METRICS, TITLES, check_metrics


@pytest.mark.parametrize(
    ("metrics", "language", "said"),
    [
        (["blue"], "de", "unknown metric `blue`; did you mean `bleu`?"),
        (["chrf", "meteor"], "de", "unknown metric `meteor` .known: bleu, bleurt, chrf, "),
        ([], "de", "no metric to score; known: bleu, chrf, "),
        (["chrf"], "xx", "no name for language 'xx'; known: de, en, "),
        (["chrf", "bleurt"], "de", "`bleurt` needs the files of BLEURT-20.* or score .* by `chrf`"),
    ],
)
def test_what_cannot_be_scored_is_named(metrics, language, said):
    with pytest.raises(UserError, match=said):
        check_metrics(metrics, language, learned=False)


@pytest.mark.parametrize("language", ["de", "zh", None])
def test_all_metrics_may_be_asked_for_together(language):
    check_metrics(METRICS, language, learned=True)


def test_every_metric_has_a_title():
    assert TITLES.keys() == {*METRICS, LOG_PERPLEXITY}
    assert len(set(TITLES.values())) == len(TITLES)


def test_planning_with_the_names_loads_no_metric():
    heavy = "sacrebleu", "rouge_score", "py3langid", "torch"
    code = f"import sys, finescale.metrics; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
