"""A SentencePiece unigram tokenizer with byte fallback: any text goes through and comes back."""

import io
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import sentencepiece

from finescale.errors import UserError

PAD, EOS, BOS, UNKNOWN = 0, 1, 2, 3
SEPARATOR = "<sep>"
MODE_TOKENS = ("[NLU]", "[NLG]", "[S2S]")
BYTES = 256
MAX_LINE_BYTES = 1 << 24  # SentencePiece drops longer lines silently; its default is 4192


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, character_coverage: float, sentinels: int
) -> bytes:
    """Train on the lines of the texts and return the model file, the same bytes each time.

    Ids: pad 0, eos 1, bos 2, unk 3, then `<sep>`, the mode tokens, `sentinels` sentinels, the 256
    bytes and the pieces. Text is not normalised, so that decoding gives back what was encoded (but
    U+2581, SentencePiece's own sign for a space, comes back as one).
    """
    controls = [SEPARATOR, *MODE_TOKENS, *(f"<extra_id_{k}>" for k in range(sentinels))]
    reserved = 4 + len(controls) + BYTES
    if vocab_size <= reserved:
        raise UserError(
            f"vocab_size is {vocab_size}, but {reserved} ids are reserved (bytes and control "
            f"symbols, {sentinels} of them sentinels): raise vocab_size"
        )
    model = io.BytesIO()
    try:
        # An iterator and a writer instead of files: the model stores the names of files.
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(texts),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            pad_id=PAD,
            eos_id=EOS,
            bos_id=BOS,
            unk_id=UNKNOWN,
            control_symbols=controls,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise _explained(error, vocab_size) from error
    return model.getvalue()


def _lines(texts: Iterable[str]) -> Iterable[str]:
    return (line for text in texts for line in text.split("\n") if line.strip())


def _explained(error: Exception, vocab_size: int) -> UserError:
    message = str(error)
    if limit := re.search(r"Vocabulary size too high.*?<= (\d+)", message):
        return UserError(
            f"vocab_size is {vocab_size}, but the text has pieces for {limit[1]} at most: "
            "lower vocab_size or add text"
        )
    if "sentences_.empty()" in message:
        return UserError("there is no text to train a tokenizer on")
    if "smaller than required_chars" in message:
        return UserError(
            f"vocab_size is {vocab_size}, too small for the text's characters: raise vocab_size or "
            f"lower character_coverage ({message})"
        )
    return UserError(f"SentencePiece could not train a tokenizer of {vocab_size}: {message}")


class Tokenizer:
    """A trained model; ids are integers in [0, vocab_size)."""

    pad, eos, bos, unk = PAD, EOS, BOS, UNKNOWN

    def __init__(self, path: Path):
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError) as error:
            raise UserError(f"{path} is not a SentencePiece model: {error}") from None
        self.vocab_size: int = self._processor.vocab_size()

    @cached_property
    def sep(self) -> int:
        """The id between source and target."""
        return self._control(SEPARATOR)

    @cached_property
    def mode_tokens(self) -> dict[str, int]:
        """UL2's mode tokens, by name."""
        return {name: self._control(name) for name in MODE_TOKENS}

    @cached_property
    def sentinels(self) -> tuple[int, ...]:
        """The ids of `<extra_id_0>`, `<extra_id_1>`, ..."""
        names = [self._processor.id_to_piece(i) for i in range(self.vocab_size)]
        return tuple(i for i, name in enumerate(names) if name.startswith("<extra_id_"))

    def sentinel(self, k: int) -> int:
        """The id that stands for the k-th corrupted span."""
        return self.sentinels[k]

    def content_ids(self) -> np.ndarray:
        """All ids that stand for text: no control symbol, no unknown, no single byte."""
        model = self._processor
        apart = (model.is_control, model.is_unknown, model.is_unused, model.is_byte)
        return np.array([i for i in range(self.vocab_size) if not any(test(i) for test in apart)])

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text, int32, without bos or eos; not to be written to."""
        return self._processor.encode(texts, return_type="numpy", num_threads=1)

    def encode_lists(self, texts: list[str]) -> list[list[int]]:
        """The same as lists: many short ones are made faster than arrays."""
        return self._processor.encode(texts, num_threads=1)

    def encode_after(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text as it follows a word and a space: a piece never spans a space."""
        return self.encode(texts)

    def newline(self) -> np.ndarray:
        """Ids of the end of a line."""
        return self.encode(["\n"])[0]

    def line_ends(self) -> tuple[set[int], set[int]]:
        """The ids with which a line ends: without text before the end, and with some (none)."""
        return {int(self.newline()[-1])}, set()

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids; control symbols are left out."""
        return self._processor.decode([int(i) for i in ids])

    def _control(self, name: str) -> int:
        i = self._processor.piece_to_id(name)
        if not self._processor.is_control(i):
            raise UserError(f"this tokenizer has no control symbol {name}: train it with finescale")
        return i
