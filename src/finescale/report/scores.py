"""Claims about what tuned models write: abilities kept or lost, and scores against perplexity."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from finescale.figures.style import method_title
from finescale.laws import Point
from finescale.laws.resampling import case_weights, generator
from finescale.report.verdicts import Claim, Finding, Part, measured, missing

PET_METHODS = ("prompt", "lora")
ABILITIES = ("zero-shot", "one-shot", "five-shot")
KEPT = 0.9  # of the score before finetuning: what counts as kept
RESAMPLES = 1000
FEWEST = 3  # models, without which nothing is resampled
NO_SCORES = "this study has no scores of such suites"

BASE_MODEL = ("nominal_size", "pretraining_tokens")
RUN = ("method", *BASE_MODEL, "pet_parameter_size", "finetuning_examples", "seed")

Key = tuple[Any, ...]


@dataclass(frozen=True)
class ScoreTable:
    """The scores of one task and suite: the metric that figures show, of every model."""

    task: str
    title: str
    suite: str
    rows: Sequence[Mapping[str, Any]]  # labels and `score`; those of models that wrote something

    @classmethod
    def read(cls, path: Path, shown: Mapping[str, str]) -> "ScoreTable":
        """From scores.csv; `shown` has the task, its title, the suite and the metric (`score`)."""
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                {name: _value(row[name]) for name in RUN} | {"score": float(row[shown["score"]])}
                for row in csv.DictReader(file)
                if row["status"] == "ok" and row[shown["score"]]
            ]
        return cls(shown["task"], shown["title"], shown["suite"], rows)

    def by_key(self, method: str | None, key: Callable[[Mapping[str, Any]], Key]) -> dict[Key, Any]:
        """Mean score of a method's models by `key`; of the models before finetuning for None."""
        groups: dict[Key, list[float]] = {}
        for row in self.rows:
            if row["method"] == method:
                groups.setdefault(key(row), []).append(row["score"])
        return {key: float(np.mean(scores)) for key, scores in groups.items()}


def _value(text: str) -> str | int | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else text


def labels(*names: str) -> Callable[[Any], Key]:
    """The values of a row or a point under these names."""

    def key(item: Any) -> Key:
        return tuple(
            item[name] if isinstance(item, Mapping) else getattr(item, name) for name in names
        )

    return key


def ability_is_kept(tables: Sequence[ScoreTable]) -> Claim:
    """PET against FMT, and each against the model before finetuning where it was asked too."""
    asked = [table for table in tables if table.suite in ABILITIES]
    parts = (
        Part(
            "PET models score higher than FMT models, zero-shot and few-shot.",
            "score of the PET method less that of FMT, same base model and data",
            tuple(_above_fmt(table, method) for table, method in product(asked, PET_METHODS)),
            reason=NO_SCORES,
        ),
        Part(
            f"PET models keep at least {KEPT:.0%} of the score before finetuning.",
            "score as a share of the score before finetuning",
            tuple(_kept(asked, PET_METHODS, keeps=True)),
            border=KEPT,
            reason=NO_SCORES,
        ),
        Part(
            f"FMT models keep less than {KEPT:.0%} of the score before finetuning.",
            "score as a share of the score before finetuning",
            tuple(_kept(asked, ("fmt",), keeps=False)),
            border=KEPT,
            reason=NO_SCORES,
        ),
    )
    title = "PET keeps zero- and few-shot ability, FMT loses it"
    return Claim(title, "Section 5, Figures 6 and 11 to 14", parts)


def _above_fmt(table: ScoreTable, method: str) -> Finding:
    names = table.title, f"{table.suite}, {method_title(method)}"
    same = labels(*BASE_MODEL, "finetuning_examples", "seed")
    return _paired(names, table.by_key(method, same), table.by_key("fmt", same))


def _paired(
    names: tuple[str, str], first: Mapping[Key, float], second: Mapping[Key, float]
) -> Finding:
    gaps = np.array([first[key] - second[key] for key in first if key in second])
    if len(gaps) < FEWEST:
        return missing(*names, f"{len(gaps)} pairs of models; {FEWEST} are needed")
    return measured(*names, float(gaps.mean()), weights(len(gaps), *names) @ gaps)


def weights(models: int, *names: str) -> np.ndarray:
    """Resamples of models as weights that sum to 1, (R, models)."""
    return case_weights(models, RESAMPLES, generator("report", *names)) / models


def _kept(
    tables: Iterable[ScoreTable], methods: Sequence[str], *, keeps: bool
) -> Iterable[Finding]:
    """The share kept, by task, suite and method, where base models were asked too."""
    for table, method in product(tables, methods):
        before = table.by_key(None, labels(*BASE_MODEL))
        if not before:
            continue
        names = table.title, f"{table.suite}, {method_title(method)}"
        after = table.by_key(method, labels(*BASE_MODEL, "finetuning_examples", "seed"))
        pairs = np.array(
            [(score, before[key[:2]]) for key, score in after.items() if key[:2] in before]
        )
        if len(pairs) < FEWEST:
            yield missing(*names, f"{len(pairs)} models; {FEWEST} are needed")
            continue
        drawn = weights(len(pairs), *names) @ pairs
        if not (drawn[:, 1] > 0).all():
            yield missing(*names, "the models score nothing before finetuning")
            continue
        share = drawn[:, 0] / drawn[:, 1]
        estimate = float(pairs[:, 0].sum() / pairs[:, 1].sum())
        yield measured(*names, estimate, share, (share >= KEPT) == keeps)


def perplexity_follows_score(tables: Sequence[ScoreTable], points: Sequence[Point]) -> Claim:
    """Pearson r of test log-perplexity with the score; negative, as more is better in the score."""
    findings = [
        _correlation(table, method, points)
        for table in tables
        if table.suite == "test"
        for method in dict.fromkeys(row["method"] for row in table.rows if row["method"])
    ]
    part = Part(
        "A model of lower test log-perplexity writes better: their correlation is negative.",
        "Pearson's r of test log-perplexity with the score",
        tuple(findings),
        reason=NO_SCORES,
    )
    return Claim("Perplexity follows the score", "Appendix, Table 7", (part,))


def _correlation(table: ScoreTable, method: str, points: Sequence[Point]) -> Finding:
    names = table.title, method_title(method)
    run = labels(*RUN)
    losses = {
        run(point): point.test_log_perplexity
        for point in points
        if point.task == table.task and point.test_log_perplexity is not None
    }
    pairs = np.array(
        [
            (losses[run(row)], row["score"])
            for row in table.rows
            if row["method"] == method and run(row) in losses
        ]
    )
    if len(pairs) < FEWEST:
        return missing(*names, f"{len(pairs)} models; {FEWEST} are needed")
    own = pearson(np.full((1, len(pairs)), 1 / len(pairs)), *pairs.T)
    if not np.isfinite(own[0]):
        return missing(*names, "all models have the same score or log-perplexity")
    drawn = pearson(weights(len(pairs), *names), *pairs.T)
    drawn = drawn[np.isfinite(drawn)]
    return measured(*names, float(own[0]), drawn, drawn < 0)


def pearson(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r under each row of weights, which sum to 1, (R,); nan without variance."""
    x, y = x - (weights @ x)[:, None], y - (weights @ y)[:, None]
    products = (weights * x * y).sum(1), (weights * x * x).sum(1), (weights * y * y).sum(1)
    covariance, variance_x, variance_y = products
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / np.sqrt(variance_x * variance_y)
