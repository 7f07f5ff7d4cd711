"""BLEU and chrF by sacrebleu, RougeL by rouge-score: of each segment, and of a whole corpus.

A corpus score is a function of sums over segments: n-gram counts for BLEU (Papineni et al. 2002)
and chrF (Popovic 2015), the segments' own scores for RougeL (Lin 2004), whose corpus score is
their mean. These sums are kept, so a bootstrap never reads the texts again.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

# sacrebleu's tokenizers by target language; all other languages have the one of the WMT, 13a
BLEU_TOKENIZERS = {"zh": "zh"}
HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
UNICODE_TOKEN = re.compile(rf"[{HAN}]|[^\W{HAN}]+")


@dataclass(frozen=True)
class Scored:
    """A metric's score of each segment, and what its corpus score is made from."""

    segments: np.ndarray  # (segments,)
    statistics: np.ndarray  # (segments, k)
    corpus: Callable[[np.ndarray], float]  # sums of statistics, (k,) -> the corpus score


def mean_of(segments: np.ndarray) -> Scored:
    """A metric whose corpus score is the mean over segments."""
    statistics = np.stack([segments, np.ones_like(segments)], axis=1)
    return Scored(segments, statistics, lambda sums: float(sums[0] / sums[1]))


def _by_sacrebleu(
    of_corpus: Any, of_segment: Any, outputs: Sequence[str], references: Sequence[str]
) -> Scored:
    statistics = of_corpus._extract_corpus_statistics(outputs, [references])
    scores = [of_segment._compute_score_from_stats(row).score for row in statistics]

    def corpus(sums: np.ndarray) -> float:
        return of_corpus._compute_score_from_stats(sums.tolist()).score

    return Scored(np.array(scores), np.array(statistics), corpus)


def _bleu(target_language: str | None, *, segment: bool) -> BLEU:
    """sacrebleu's BLEU; of a single segment it leaves out the orders that the segment lacks."""
    tokenizer = BLEU_TOKENIZERS.get(target_language or "", "13a")
    return BLEU(tokenize=tokenizer, effective_order=segment)


def bleu(outputs: Sequence[str], references: Sequence[str], target_language: str | None) -> Scored:
    """BLEU, 0 to 100."""
    of_corpus = _bleu(target_language, segment=False)
    return _by_sacrebleu(of_corpus, _bleu(target_language, segment=True), outputs, references)


def chrf(outputs: Sequence[str], references: Sequence[str]) -> Scored:
    """chrF2 of characters up to 6-grams, 0 to 100."""
    return _by_sacrebleu(CHRF(), CHRF(), outputs, references)


class UnicodeTokenizer:
    """Lower-cased words of any script; each Chinese character is one.

    rouge-score's own tokenizer keeps a-z and 0-9 alone: it takes "Größe" and "Grüße" for the same
    words, and Chinese for no words.
    """

    def tokenize(self, text: str) -> list[str]:
        return UNICODE_TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def rouge_l(
    outputs: Sequence[str], references: Sequence[str], tokenizer: UnicodeTokenizer | None = None
) -> Scored:
    """RougeL's F1, 0 to 1, with rouge-score's own tokenizer unless another is given."""
    from rouge_score.rouge_scorer import RougeScorer  # takes a second: it imports nltk

    scorer = RougeScorer(["rougeL"], tokenizer=tokenizer)
    pairs = zip(references, outputs, strict=True)
    return mean_of(np.array([scorer.score(*pair)["rougeL"].fmeasure for pair in pairs], float))


def signatures(target_language: str | None) -> dict[str, Any]:
    """How each of these metrics is computed: sacrebleu's signatures, rouge-score's tokenizers."""
    rouge = f"rouge-score {version('rouge-score')}, F1, mean over segments"
    return {
        "bleu": _signature(_bleu(target_language, segment=False)),
        "bleu of segments": _signature(_bleu(target_language, segment=True)),
        "chrf": _signature(CHRF()),
        "rougeL_ascii": f"{rouge}, its own tokenizer: [a-z0-9]+ of the lower-cased text",
        "rougeL_unicode": f"{rouge}, \\w+ of the lower-cased NFC text, each Han character a token",
    }


def _signature(metric: Any) -> str:
    metric.num_refs = 1
    return metric.get_signature().format()
