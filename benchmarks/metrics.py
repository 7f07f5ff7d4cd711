"""How long scoring takes, and how often the language identifier is right on known text.

    python benchmarks/metrics.py results/store/corpus/*/test.jsonl

Each file is a test set of a study (`make demo` makes some). Its targets are scored as outputs
against themselves with their words shuffled. Reach: BLEU, chrF and both RougeL of 1,000 segments,
without bootstrap, in at most 5 s CPU, imports and reading included.
"""

import json
import random
import sys
import time
from collections import defaultdict
from pathlib import Path

METRICS = ["bleu", "chrf", "rougeL_ascii", "rougeL_unicode"]
SEGMENTS = 1000
SHORT = 20  # characters; a Chinese one counts for three


def main() -> None:
    """Print a row for each test set, then the identifier's accuracy on all of them."""
    texts = defaultdict(set)
    for path in map(Path, sys.argv[1:]):
        with path.open(encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        for record in records:
            for side in ("source", "target"):
                texts[record[f"{side}_language"]].add(record[side])
        print(path.parent.name, timings(records[:SEGMENTS]))
    for language, known in sorted(texts.items()):
        print(language, accuracy(sorted(known), language))


def timings(records: list[dict]) -> str:
    """CPU seconds of scoring test records, the first time with all imports."""
    start = time.process_time()
    from finescale.metrics.scoring import Outputs, Scorer

    outputs = Outputs([record | {"output": shuffled(record["target"])} for record in records])
    for record in outputs.records:
        record |= {"reference": record["target"], "cut_source": False, "ended": True}
    target = records[0]["target_language"]
    scorer = Scorer(METRICS, target, resamples=0)
    segments = scorer.segments(outputs)
    scorer.row(outputs, segments)
    scored = time.process_time()
    Scorer(METRICS, target, resamples=1000).row(outputs, segments)
    resampled = time.process_time()
    return (
        f"{len(records)} segments ({target}): {scored - start:.2f} s CPU, "
        f"{resampled - scored:.2f} s more for 1,000 resamples"
    )


def shuffled(text: str) -> str:
    """The words of a text, or its characters where there are none, in another order."""
    words = text.split(" ") if " " in text else list(text)
    random.Random(0).shuffle(words)
    return " ".join(words)


def accuracy(texts: list[str], language: str) -> str:
    """Share of texts that the identifier puts in their language."""
    from finescale.metrics.languages import identify

    start = time.process_time()
    right = [identify(text) == language for text in texts]
    each = (time.process_time() - start) / len(texts)
    weight = 3 if language == "zh" else 1
    short = [
        is_right for text, is_right in zip(texts, right, strict=True) if len(text) * weight < SHORT
    ]
    words = f"{sum(right) / len(right):.1%} of {len(right)} texts"
    if short:
        words += f", {sum(short) / len(short):.1%} of {len(short)} below {SHORT} characters"
    return f"{words}; {each * 1e6:.0f} µs each"


if __name__ == "__main__":
    main()
