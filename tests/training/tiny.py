"""Tiny settings and data for training tests, and a program that trains on them.

`python tiny.py pretrain|finetune OUT RESUME [BASE]` saves its state after every step.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finescale.training.finetune import Data, finetune
from finescale.training.pretrain import Streams, pretrain
from finescale.training.vocabulary import Vocabulary

SIZE = {"layers": 1, "heads": 2, "head_dim": 8, "ffn_dim": 32, "model_dim": 16}
VOCABULARY = Vocabulary(
    size=80, sep=4, sentinels=tuple(range(5, 13)), content_ids=np.arange(20, 80)
)
PRETRAINING = {
    "model": SIZE,
    "tokens": 4 * 32 * 20,
    "schedule_tokens": 4 * 32 * 20,
    "context": 32,
    "batch_sequences": 4,
    "learning_rate": 0.05,
    "final_learning_rate": 0.005,
    "warmup_steps": 2,
    "parameter_scaling": True,
    "objective": {
        "causal": 0.6,
        "prefix": 0.2,
        "span_corruption": [{"share": 0.2, "density": 0.15, "mean_span": 3}],
        "mode_tokens": False,
    },
    "validation": {"sequences": 6, "logged_checkpoints": 5},
    "precision": "fp32",
    "seed": 3,
}
FINETUNING = {
    "task": "tiny",
    "method": "lora",
    "pet_parameter_size": 2,
    "finetuning_examples": 20,
    "seed": 1,
    "batch_examples": 8,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "warmup_steps": 0,
    "max_steps": 12,
    "max_epochs": None,
    "parameter_scaling": False,
    "dev": {
        "first_step": 2,
        "growth": None,
        "interval": 3,
        "patience": 4,
        "min_epochs": 1,
        "max_examples": None,
    },
    "test": {"max_examples": 10},
    "precision": "fp32",
}
METHODS = {
    "fmt": {"method": "fmt", "pet_parameter_size": None, "learning_rate": 0.001},
    "lora": {"method": "lora", "pet_parameter_size": 2, "learning_rate": 0.01},
    "prompt": {"method": "prompt", "pet_parameter_size": 3, "learning_rate": 0.3},
}


@dataclass
class Examples:
    """Encoded examples in memory."""

    sources: list[np.ndarray]
    targets: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.sources)


def stream(tokens: int, seed: int) -> np.ndarray:
    """Ids 20 ... 79, each followed by one of three others."""
    followers = np.random.default_rng(0).integers(20, 80, (80, 3))
    rng = np.random.default_rng(seed)
    ids = [20]
    while len(ids) < tokens:
        ids.append(int(followers[ids[-1], rng.integers(3)]))
    return np.array(ids, dtype=np.uint16)


def examples(count: int, seed: int) -> Examples:
    """Examples of different lengths; each target ends with the end of sequence."""
    rng = np.random.default_rng(seed)
    text = stream(count * 20, seed).reshape(count, 20)
    cuts = [np.sort(rng.choice(np.arange(1, 20), 2, replace=False)) for _ in range(count)]
    return Examples(
        [row[:source] for row, (source, _) in zip(text, cuts, strict=True)],
        [np.append(row[source:end], 1) for row, (source, end) in zip(text, cuts, strict=True)],
    )


def streams() -> Streams:
    return Streams(train=stream(1500, seed=1), validation=stream(400, seed=2))


def data() -> Data:
    subset = np.random.default_rng(5).permutation(30)[:20]
    return Data(
        examples(30, seed=3), subset, examples(9, seed=4), [examples(15, 5), examples(7, 6)]
    )


def pretrain_tiny(out: Path, resume: Path, seconds: float = 60.0, **changes) -> dict:
    """`pretrain`, with folders made and parameters changed; `on` is hardware and company."""
    predecessor, on = changes.pop("predecessor", None), changes.pop("on", ())
    _make(out, resume)
    parameters = PRETRAINING | changes
    return pretrain(parameters, streams(), VOCABULARY, out, resume, predecessor, seconds, *on)


def finetune_tiny(base: Path, out: Path, resume: Path, seconds: float = 60.0, **changes) -> dict:
    """`finetune`, with folders made and parameters changed."""
    used, on = changes.pop("data", None) or data(), changes.pop("on", ())
    _make(out, resume)
    parameters = FINETUNING | changes
    return finetune(parameters, base, used, VOCABULARY, out, resume, "pretrain/0", seconds, *on)


def _make(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":  # longer than elsewhere: there must be time to kill it
    kind, out, resume, *base = sys.argv[1:]
    if kind == "pretrain":
        tokens = 4 * 32 * 200
        pretrain_tiny(Path(out), Path(resume), seconds=0, tokens=tokens, schedule_tokens=tokens)
    else:
        finetune_tiny(Path(base[0]), Path(out), Path(resume), seconds=0, max_steps=150)
