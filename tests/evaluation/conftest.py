"""Tiny models that have learned something by heart, the slow way to decode, and tiny records."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from finescale.models import TunedModel, attach, build_decoder
from finescale.tokens import Tokenizer, train_tokenizer
from tests.tokens.conftest import sentences

if TYPE_CHECKING:
    from tests.evaluation.tiny_study import Study

SIZE = {"layers": 2, "heads": 2, "head_dim": 8, "ffn_dim": 32, "model_dim": 16}
VOCABULARY, PAD, EOS, BOS, SEP = 40, 0, 1, 2, 4
METHODS = {
    "base": ("fmt", None),
    "fmt": ("fmt", None),
    "lora": ("lora", 4),
    "prompt": ("prompt", 3),
}


def examples(method: str) -> list[tuple[list[int], list[int]]]:
    """Prompts of 2 to 9 ids and the 1 to 8 ids each model has to learn after them."""
    rng = np.random.default_rng(sorted(METHODS).index(method))
    sources = [rng.integers(5, VOCABULARY, rng.integers(0, 8)).tolist() for _ in range(24)]
    targets = [rng.integers(5, VOCABULARY, rng.integers(0, 8)).tolist() for _ in range(24)]
    prompts = [[BOS, *source, SEP] for source in sources]
    return [(p, [*t, EOS]) for p, t in zip(prompts, targets, strict=True)]


def learn(model: TunedModel, pairs: list[tuple[list[int], list[int]]], steps: int) -> None:
    """Fit the targets after their prompts."""
    rows = [torch.tensor([*prompt, *target]) for prompt, target in pairs]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    wanted = ids.clone()
    for row, (prompt, _) in zip(wanted, pairs, strict=True):
        row[: len(prompt)] = PAD
    optimizer = torch.optim.Adam(model.trainable().values(), lr=0.01)
    for _ in range(steps):
        logits = model.logits(model(ids[:, :-1]))
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=PAD
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(scope="session")
def base_weights() -> dict[str, torch.Tensor]:
    decoder = build_decoder(SIZE, VOCABULARY, seed=1)
    learn(attach(decoder, "fmt"), examples("base"), steps=150)
    return decoder.state_dict()


@pytest.fixture(scope="session")
def models(base_weights: dict[str, torch.Tensor]) -> dict[str, TunedModel]:
    """The base model, and each method's model tuned on other examples."""
    made = {}
    for name, (method, size) in METHODS.items():
        decoder = build_decoder(SIZE, VOCABULARY, seed=1)
        decoder.load_state_dict(base_weights)
        made[name] = attach(decoder, method, size, seed=2)
        if name != "base":
            learn(made[name], examples(name), steps=150)
    return made


@pytest.fixture(scope="session")
def one_by_one() -> Callable[..., tuple[list[int], bool]]:
    """Greedy decoding of one prompt, everything computed anew for each id."""

    @torch.inference_mode()
    def decode(model, prompt, limit, stop=frozenset({EOS})):
        ids = list(prompt)
        for _ in range(limit):
            new = int(model.logits(model(torch.tensor([ids]))[:, -1]).argmax())
            if new in stop:
                return ids[len(prompt) :], True
            ids.append(new)
        return ids[len(prompt) :], False

    return decode


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train_tokenizer(sentences(400), 500, 0.9995, 8))
    return Tokenizer(path)


def record(number: int, source: str, target: str, pair: str = "en-de") -> dict[str, str]:
    languages = dict(zip(("source_language", "target_language"), pair.split("-"), strict=True))
    return {"id": str(number), "source": source, "target": target, **languages}


def parallel(count: int, seed: int, pair: str = "en-de") -> list[dict[str, str]]:
    """Examples of random sentences; ids from 1000 * seed on."""
    texts = sentences(2 * count, seed)
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return [record(1000 * seed + i, s, t, pair) for i, (s, t) in enumerate(pairs)]


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> "Study":
    from tests.evaluation.tiny_study import Study

    return Study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def base(study: "Study") -> str:
    return study.base()
