"""From the stored outputs of a model to its row of scores.

A corpus score belongs to one pair of languages. Where the sources are in several languages, as in
zero-shot translation and multilingual summaries, the score is the mean of the languages' scores.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finescale.metrics import languages, text
from finescale.metrics.bootstrap import LEVEL, interval, resampled_sums
from finescale.metrics.text import Scored

Learned = Callable[[Sequence[str], Sequence[str]], np.ndarray]  # references, candidates -> scores
SHARES = ("empty", "unended", "cut_source")


@dataclass(frozen=True)
class Outputs:
    """What one model wrote for the examples of a suite."""

    records: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "Outputs":
        with path.open("rb") as lines:
            return cls([json.loads(line) for line in lines])

    def column(self, name: str) -> list[Any]:
        return [record[name] for record in self.records]

    def by_source_language(self) -> dict[str, np.ndarray]:
        """Indices of the records of each source language."""
        found = np.array(self.column("source_language"))
        return {str(language): np.flatnonzero(found == language) for language in np.unique(found)}

    def shares(self) -> dict[str, float]:
        """Share of outputs without text, of those that met the length limit, of cut sources."""
        flags = {
            "empty": [not record["output"].strip() for record in self.records],
            "unended": [not record["ended"] for record in self.records],
            "cut_source": self.column("cut_source"),
        }
        return {f"{name}_share": float(np.mean(flags[name])) for name in SHARES}


class Scorer:
    """Scores the models of one task and suite by the same metrics."""

    def __init__(
        self,
        metrics: Sequence[str],
        target_language: str | None,
        resamples: int,
        learned: Learned | None = None,
    ) -> None:
        self.metrics = metrics
        self.target_language = target_language
        self.resamples = resamples
        self.learned = learned

    @property
    def columns(self) -> list[str]:
        """The columns of `row`."""
        scores = [f"{name}{end}" for name in self.metrics for end in ("", "_low", "_high")]
        return ["examples", *scores, *(f"{name}_share" for name in SHARES)]

    def segments(self, outputs: Outputs) -> dict[str, Scored]:
        """Every metric on every segment."""
        return {name: self._scored(name, outputs) for name in self.metrics}

    def _scored(self, name: str, outputs: Outputs) -> Scored:
        given, references = outputs.column("output"), outputs.column("reference")
        match name:
            case "bleu":
                return text.bleu(given, references, self.target_language)
            case "chrf":
                return text.chrf(given, references)
            case "rougeL_ascii":
                return text.rouge_l(given, references)
            case "rougeL_unicode":
                return text.rouge_l(given, references, text.UnicodeTokenizer())
            case "wrong_language":
                targets = outputs.column("target_language")
                return text.mean_of(languages.in_wrong_language(given, targets))
            case _:
                assert self.learned is not None, f"no model for {name}"
                return text.mean_of(self.learned(references, given))

    def row(self, outputs: Outputs, segments: Mapping[str, Scored]) -> dict[str, Any]:
        """The corpus scores with their intervals, if any are asked for, and the shares."""
        row: dict[str, Any] = {"examples": len(outputs.records)}
        groups = outputs.by_source_language()
        for name, scored in segments.items():
            row[name] = corpus_score(scored, groups)
            if self.resamples:
                resampled = resampled_scores(scored, groups, self.resamples)
                row[f"{name}_low"], row[f"{name}_high"] = interval(resampled)
        return row | outputs.shares()

    def signatures(self) -> dict[str, Any]:
        """How each metric was computed, for the record."""
        known = text.signatures(self.target_language)
        known["wrong_language"] = languages.description()
        known["bleurt"] = "BLEURT-20, raw output, mean over segments"
        wanted = {
            name: signature
            for name, signature in known.items()
            if name.removesuffix(" of segments") in self.metrics
        }
        return wanted | {
            "average": "mean over source languages of their corpus scores",
            "interval": f"bootstrap over segments, {self.resamples} resamples, central {LEVEL:.0%}",
        }


def corpus_score(scored: Scored, groups: Mapping[str, np.ndarray]) -> float:
    """The corpus score, averaged over the source languages."""
    sums = [scored.statistics[group].sum(axis=0) for group in groups.values()]
    return float(np.mean([scored.corpus(one) for one in sums]))


def resampled_scores(
    scored: Scored, groups: Mapping[str, np.ndarray], resamples: int
) -> np.ndarray:
    """The corpus score of each resample, (resamples,); each source language is drawn for itself."""
    scores = [
        [scored.corpus(sums) for sums in resampled_sums(scored.statistics[group], resamples, name)]
        for name, group in groups.items()
    ]
    return np.mean(scores, axis=0)
