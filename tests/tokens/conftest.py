"""A small tokenizer and the text it was trained on."""

from pathlib import Path

import numpy as np
import pytest

from finescale.tokens import Tokenizer, train_tokenizer

SENTINELS = 8


def sentences(count: int, seed: int = 0) -> list[str]:
    """Random sentences over 300 random words."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(list("abcdefghijklmno"), rng.integers(2, 7))) for _ in range(300)]
    return [" ".join(rng.choice(words, 10)) for _ in range(count)]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train_tokenizer(sentences(400), 500, 0.9995, SENTINELS))
    return Tokenizer(path)
