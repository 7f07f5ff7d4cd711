"""Claims about what tuned models write: abilities kept or lost, and scores against perplexity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from finescale.figures.correlations import Row, correlations
from finescale.figures.scored import ScoredRun, TaskScores
from finescale.figures.style import FACTOR_TITLES, method_title
from finescale.laws.intervals.resampling import case_weights, generator
from finescale.laws.points import at_base
from finescale.report.verdicts import (
    CONTRADICTED,
    NOT_DECIDED,
    SUPPORTED,
    Claim,
    Finding,
    Part,
    above,
    measured,
    missing,
)

PET_METHODS = {"prompt": "prompt tuning", "lora": "LoRA"}
ABILITIES = ("zero-shot", "one-shot", "five-shot")
KEPT = 0.9  # of the score before finetuning: what counts as kept
ABLE = 0.5  # of the test scores of tuned models: who scores less has little to lose
RESAMPLES = 1000
FEWEST = 6  # models: of fewer, even if all agree, the chance is 1 / 2^5 > 2.5% that they do so
NO_SCORES = "this study has no scores of such suites"


@dataclass(frozen=True)
class SuiteScores:
    """The scores of one task's models on one suite."""

    suite: str
    scores: TaskScores

    def runs(self, method: str) -> list[ScoredRun]:
        """The models of a method that wrote something, of its usual PET size."""
        return [
            run
            for run in self.scores.runs
            if run.point.method == method
            and run.score is not None
            and at_base([run.point], ["pet_parameter_size"], self.scores.base)
        ]

    def names(self, method: str) -> tuple[str, str]:
        """The task and what is compared."""
        return self.scores.title, f"{self.suite}, {method_title(method)}"


def ability_is_kept(suites: Sequence[SuiteScores]) -> Claim:
    """PET against FMT, and each against the model before finetuning where it was asked too."""
    asked = [one for one in suites if one.suite in ABILITIES]
    share = "score as a share of the score before finetuning"
    parts = (
        Part(
            "PET models score higher than FMT models, zero-shot and few-shot.",
            "score of the PET method over that of FMT, same base models and data",
            tuple(_against_fmt(one, method) for one, method in product(asked, PET_METHODS)),
            borders=(1.0,),
            reason=NO_SCORES,
        ),
        Part(
            f"PET models keep at least {KEPT:.0%} of the score before finetuning.",
            share,
            tuple(_kept(suites, asked, tuple(PET_METHODS))),
            borders=(KEPT,),
            reason=NO_SCORES,
        ),
        Part(
            f"FMT models keep less than {KEPT:.0%} of the score before finetuning.",
            share,
            tuple(_kept(suites, asked, ("fmt",), lost=True)),
            borders=(KEPT,),
            reason=NO_SCORES,
        ),
    )
    title = "PET keeps zero- and few-shot ability, FMT loses it"
    return Claim(title, "Section 5, Figures 6 and 11 to 14", parts)


def _against_fmt(one: SuiteScores, method: str) -> Finding:
    """Over models of the same base model, data and seed."""
    fmt = {_twin(run): run.score for run in one.runs("fmt")}
    pairs = [(run.score, fmt[_twin(run)]) for run in one.runs(method) if _twin(run) in fmt]
    return _share(one.names(method), pairs, 1.0, nothing="the FMT models score nothing")


def _twin(run: ScoredRun) -> tuple:
    point = run.point
    return (
        point.nominal_size,
        point.pretraining_tokens,
        point.finetuning_examples,
        point.seed,
    )


def _kept(
    suites: Sequence[SuiteScores],
    asked: Sequence[SuiteScores],
    methods: Sequence[str],
    lost: bool = False,
) -> Iterator[Finding]:
    """The share kept, by task, suite and method, where base models were asked too."""
    for one, method in product(asked, methods):
        if not one.scores.baselines:
            continue
        if reason := _nothing_to_lose(one, suites):
            yield missing(*one.names(method), reason)
            continue
        pairs = [
            (run.score, base.score)
            for run in one.runs(method)
            if (base := one.scores.baseline(run)) and base.score is not None
        ]
        nothing = "the models score nothing before finetuning"
        yield _share(one.names(method), pairs, KEPT, nothing=nothing, below=lost)


def _nothing_to_lose(one: SuiteScores, suites: Sequence[SuiteScores]) -> str:
    """Why an ability cannot be kept or lost: nobody knows that the base models had it."""
    before = [base.score for base in one.scores.baselines.values() if base.score is not None]
    tuned = [
        run.score
        for other in suites
        if (other.suite, other.scores.task) == ("test", one.scores.task)
        for run in other.scores.runs
        if run.score is not None
    ]
    if not tuned:
        return "no test scores, which would tell whether the models could do it before"
    if not before or np.mean(before) < ABLE * np.mean(tuned):
        score, goal = (f"{np.mean(scores or 0):.2g}" for scores in (before, tuned))
        return f"no ability to keep: {score} before finetuning, tuned models score {goal} on tests"
    return ""


def _share(
    names: tuple[str, str], pairs: Sequence[tuple], border: float, nothing: str, below: bool = False
) -> Finding:
    """The mean of the first scores over that of the second, a pair a model.

    The claim is that it is above the border, or below it.
    """
    if len(pairs) < FEWEST:
        return missing(*names, f"{len(pairs)} models to compare; {FEWEST} are needed")
    scores, others = np.array(pairs, float).T
    weights = case_weights(len(pairs), RESAMPLES, generator("report", str(len(pairs))))
    if not (weights @ others > 0).all():
        return missing(*names, nothing)
    shares = (weights @ scores) / (weights @ others)
    holds = above(shares, border)
    return measured(
        *names, float(scores.sum() / others.sum()), shares, 1 - holds if below else holds
    )


def perplexity_follows_score(suites: Sequence[SuiteScores]) -> Claim:
    """Pearson r of test log-perplexity with the score; negative, as more is better in the score."""
    rows = correlations([one.scores for one in suites if one.suite == "test"])
    part = Part(
        "A model of lower test log-perplexity writes better: their correlation is negative.",
        "Pearson's r of test log-perplexity with the score, as in Table 7",
        tuple(map(_correlation, rows)),
        reason=NO_SCORES,
    )
    return Claim("Perplexity follows the score", "Appendix, Table 7", (part,))


def _correlation(row: Row) -> Finding:
    names = row.task.title, f"{FACTOR_TITLES[row.factor]}, {method_title(row.method)}"
    if row.found is None:
        return missing(*names, row.reason)
    # the wider of two intervals, since the bootstrap of few pairs is too narrow
    low = min(row.found.fisher[0], row.found.bootstrap[0])
    high = max(row.found.fisher[1], row.found.bootstrap[1])
    verdict = SUPPORTED if high < 0 else CONTRADICTED if low > 0 else NOT_DECIDED
    return Finding(*names, verdict, row.found.r, (low, high))
