"""The ids training needs to know of a vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Vocabulary:
    """Special ids of a tokenizer, and the ordinary ids a prompt may start from.

    `mode_tokens` maps UL2's mode tokens, [NLU] [S2S] [NLG], to ids; it may be empty.
    """

    size: int
    sep: int
    sentinels: tuple[int, ...]
    pad: int = 0
    eos: int = 1
    bos: int = 2
    mode_tokens: Mapping[str, int] = field(default_factory=dict)
    content_ids: np.ndarray | None = None

    @classmethod
    def of(cls, tokenizer: Any) -> "Vocabulary":
        """The vocabulary of a `finescale.tokens` tokenizer."""
        return cls(
            size=tokenizer.vocab_size,
            sep=tokenizer.sep,
            sentinels=tuple(tokenizer.sentinels),
            pad=tokenizer.pad,
            eos=tokenizer.eos,
            bos=tokenizer.bos,
            mode_tokens=dict(tokenizer.mode_tokens),
            content_ids=tokenizer.content_ids(),
        )
