"""The tokenizer of a base model made elsewhere: a tokenizer.json, as transformers writes it."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finescale.errors import UserError
from finescale.store import Artifact
from finescale.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Fast

VOCABULARY = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
MODEL = "config.json"
OWN = "tokenizer.model"  # what `train_tokenizer` makes
NEWLINE = "\n"


def open_tokenizer(artifact: Artifact) -> "AnyTokenizer":
    """The tokenizer in an artifact of the stage of that name, its files checked."""
    names = [entry["name"] for entry in artifact.manifest["files"]]
    if OWN in names:
        return Tokenizer(artifact.file(OWN))
    for name in names:
        artifact.file(name)
    return PretrainedTokenizer(artifact.folder)


class PretrainedTokenizer:
    """A tokenizer in its own words; what finetuning needs and it lacks is stood in for.

    The end of a line (the id of a newline) is between source and target, eos begins a row where
    there is no bos, and pads where there is no pad. It has neither sentinels nor mode tokens.
    """

    mode_tokens: Mapping[str, int] = {}
    sentinels: tuple[int, ...] = ()

    def __init__(self, folder: Path):
        self._fast = _fast(folder / VOCABULARY)
        self._fast.no_truncation()  # files may ask for either
        self._fast.no_padding()
        self._settings = _read(folder / SETTINGS)
        self._model = _read(folder / MODEL)
        self._vocabulary = self._fast.get_vocab(with_added_tokens=True)
        self.vocab_size: int = max(self._vocabulary.values()) + 1
        self.eos = self._required("eos")
        self.bos = self._first("bos", self.eos)
        self.pad = self._first("pad", self.eos)
        self.unk = self._first("unk", -1)  # byte-level vocabularies know every text

    @cached_property
    def sep(self) -> int:
        """The id of a newline."""
        ids = self._fast.encode(NEWLINE, add_special_tokens=False).ids
        if not ids or self._fast.decode(ids[-1:]) != NEWLINE:
            raise UserError(
                f"{VOCABULARY} has no id for a newline, which stands between source and target"
            )
        return ids[-1]

    @cached_property
    def _joins(self) -> bool:
        """Whether a text starts with a space by itself, as SentencePiece has it."""
        return self._ids("b a") == self._ids("b") + self._ids("a")

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text, int32, without bos or eos."""
        return [np.array(ids, dtype=np.int32) for ids in self.encode_lists(texts)]

    def encode_lists(self, texts: list[str]) -> list[list[int]]:
        """The same as lists."""
        return [one.ids for one in self._fast.encode_batch(texts, add_special_tokens=False)]

    def encode_after(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text as it follows a word and a space."""
        spaced = [text if self._joins or not text else f" {text}" for text in texts]
        return self.encode(spaced)

    def newline(self) -> np.ndarray:
        """Ids of the end of a line."""
        return np.array([self.sep], dtype=np.int32)

    def line_ends(self) -> tuple[set[int], set[int]]:
        """The ids with which a line ends: without text before the end, and with some.

        A full stop and a newline can be one piece.
        """
        ids = list(self._vocabulary.values())
        texts = dict(zip(ids, self._fast.decode_batch([[i] for i in ids]), strict=True))
        ends = {i: text.partition(NEWLINE)[0] for i, text in texts.items() if NEWLINE in text}
        with_text = {i for i, before in ends.items() if before.strip()}
        return set(ends) - with_text, with_text

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids; special tokens are left out."""
        apart = (self.eos, self.bos, self.pad)  # special or not in the file
        kept = [int(i) for i in ids if int(i) not in apart]
        return self._fast.decode(kept, skip_special_tokens=True)

    def content_ids(self) -> np.ndarray:
        """All ids that stand for text: no special token, no single byte."""
        added = self._fast.get_added_tokens_decoder()
        special = {i for i, token in added.items() if token.special}
        special.update((self.eos, self.bos, self.pad, self.unk))
        ids = (i for piece, i in self._vocabulary.items() if not _is_byte(piece))
        return np.array(sorted(set(ids) - special))

    def vocabulary(self) -> dict[str, int]:
        """Every piece and its id."""
        return dict(self._vocabulary)

    def _ids(self, text: str) -> list[int]:
        return self._fast.encode(text, add_special_tokens=False).ids

    def _required(self, kind: str) -> int:
        found = self._find(kind)
        if found is None:
            raise UserError(
                f"the tokenizer has no {kind} token: name it in {SETTINGS} (`{kind}_token`) or in "
                f"{MODEL} (`{kind}_token_id`)"
            )
        return found

    def _first(self, kind: str, otherwise: int) -> int:
        found = self._find(kind)
        return otherwise if found is None else found

    def _find(self, kind: str) -> int | None:
        """A special token, as the tokenizer's settings name it, else the model's."""
        token = self._settings.get(f"{kind}_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        if token in self._vocabulary:
            return self._vocabulary[token]
        found = self._model.get(f"{kind}_token_id")
        found = found[0] if isinstance(found, list) and found else found
        return found if isinstance(found, int) and 0 <= found < self.vocab_size else None


def read_vocabulary(path: Path) -> dict[str, int]:
    """Every piece and its id in a tokenizer.json."""
    return _fast(path).get_vocab(with_added_tokens=True)


def _fast(path: Path) -> "Fast":
    from tokenizers import Tokenizer as Fast

    try:
        return Fast.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"{VOCABULARY} is not a tokenizer: {error}") from None


def _is_byte(piece: str) -> bool:
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")


def _read(path: Path) -> Mapping[str, Any]:
    """A JSON object; an empty one where there is no file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise UserError(f"{path.name} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} is not a JSON object")
    return content


AnyTokenizer = Tokenizer | PretrainedTokenizer
