"""A table whose answers are known."""

import random
from pathlib import Path

import pytest

SIZES = (10**8, 3 * 10**8, 10**9, 3 * 10**9)
EXAMPLES = (100, 300, 1000, 3000, 10_000)
LAWS = {"fmt": (40.0, 0.15), "lora": (20.0, 0.05)}  # A and beta: equal at 2^10 examples


def loss(method: str, size: float, examples: float) -> float:
    """The law behind the table."""
    coefficient, beta = LAWS[method]
    return coefficient * size**-0.2 * examples**-beta + 1


@pytest.fixture(scope="session")
def pair(tmp_path_factory) -> Path:
    """Two methods that are equally good at 1,024 examples, with 0.1% of noise."""
    noise = random.Random(1)
    rows = [
        f"{method},{size},{examples},{seed},{loss(method, size, examples) * scatter!r}"
        for method in LAWS
        for size in SIZES
        for examples in EXAMPLES
        for seed in (0, 1)
        for scatter in [1 + noise.gauss(0, 1e-3)]
    ]
    path = tmp_path_factory.mktemp("tables") / "pair.csv"
    header = "method,model_parameters,finetuning_examples,seed,test_log_perplexity"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def data_only(tmp_path_factory) -> Path:
    """Finetuning data and losses, nothing else."""
    noise = random.Random(2)
    rows = [f"{n},{(2 * n**-0.3 + 1.5) * (1 + noise.gauss(0, 1e-3))!r}" for n in EXAMPLES]
    path = tmp_path_factory.mktemp("tables") / "plain.csv"
    path.write_text("\n".join(["finetuning_examples,test_log_perplexity", *rows]) + "\n")
    return path
