"""From records to token arrays: the pretraining stream, and the examples of a task."""

import json
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from finescale.corpora import generator, read_examples, read_texts
from finescale.errors import UserError
from finescale.tokens.arrays import ArrayWriter, Ragged, RaggedWriter, example_paths, token_type
from finescale.tokens.languages import language_name
from finescale.tokens.tokenizer import Tokenizer

CHUNK = 4096  # records in memory at a time
TEMPLATE_FIELDS = {"source", "language"}

T = TypeVar("T")


def encode_documents(
    texts: dict[str, Path], tokenizer: Tokenizer, seed: int, validation_share: float, out: Path
) -> None:
    """Write train.npy and validation.npy: all documents in one seeded random order, eos after each.

    `texts` maps a language to its text records. The order runs over all documents, so every stretch
    of the stream holds the languages in their proportions; the first `validation_share` of the
    documents are the validation stream. Counts go to stats.json.
    """
    with TemporaryDirectory(dir=out) as scratch:
        values, offsets = Path(scratch, "values.npy"), Path(scratch, "offsets.npy")
        dtype = token_type(tokenizer.vocab_size)
        with RaggedWriter(values, offsets, dtype) as writer:
            languages = {
                language: _append_documents(read_texts(path), tokenizer, writer)
                for language, path in texts.items()
            }
        documents = Ragged(values, offsets)
        order = generator(seed, "pretraining").permutation(len(documents))
        split = round(validation_share * len(documents))
        if not 0 < split < len(documents):
            raise UserError(
                f"validation_share {validation_share} of {len(documents)} documents leaves "
                f"{split} for validation: both streams need one at least"
            )
        streams = {
            "validation": _write_stream(documents, order[:split], out / "validation.npy", dtype),
            "train": _write_stream(documents, order[split:], out / "train.npy", dtype),
        }
        del documents  # its memory maps, before their files go
    _write_json(out / "stats.json", {**streams, "languages": languages})


def _append_documents(
    records: Iterable[dict[str, str]], tokenizer: Tokenizer, writer: RaggedWriter
) -> dict[str, int]:
    counts = {"documents": 0, "tokens": 0, "unknown_tokens": 0}
    for chunk in _chunks(records):
        rows = tokenizer.encode([record["text"] for record in chunk])
        counts["unknown_tokens"] += _count(rows, tokenizer.unk)
        rows = [np.append(row, tokenizer.eos) for row in rows]
        writer.extend(rows)
        counts["documents"] += len(rows)
        counts["tokens"] += sum(map(len, rows))
    return counts


def _write_stream(
    documents: Ragged, order: np.ndarray, path: Path, dtype: type[np.generic]
) -> dict[str, int]:
    with ArrayWriter(path, dtype) as writer:
        for chunk in _chunks(order):
            writer.append(np.concatenate([documents[i] for i in chunk]))
        return {"documents": len(order), "tokens": writer.length}


@dataclass(frozen=True)
class ExampleFormat:
    """How an example becomes ids: a template such as `Translate into {language}: {source}`, and
    the largest numbers of tokens. `{language}` is the English name of the target language."""

    template: str
    max_source_tokens: int
    max_target_tokens: int

    def __post_init__(self) -> None:
        where = f"template {self.template!r}"
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise UserError(f"{where}: {error}; write {{{{ and }}}} for literal braces") from None
        fields = {field for _, field, _, _ in parts if field is not None}
        if unknown := fields - TEMPLATE_FIELDS:
            raise UserError(
                f"{where}: unknown fields {sorted(unknown)}, allowed {sorted(TEMPLATE_FIELDS)}"
            )
        if any(spec or conversion for _, _, spec, conversion in parts):
            raise UserError(f"{where}: fields take no format or conversion")
        if "source" not in fields:
            raise UserError(f"{where}: {{source}} is missing")
        if min(self.max_source_tokens, self.max_target_tokens) < 1:
            raise UserError("max_source_tokens and max_target_tokens must be positive")

    def apply(self, record: dict[str, str]) -> str:
        """The source text of a record as the model reads it."""
        if "{language}" not in self.template:
            return self.template.format(source=record["source"])
        language = language_name(record["target_language"])
        return self.template.format(source=record["source"], language=language)


def encode_examples(
    examples: dict[str, Path], tokenizer: Tokenizer, form: ExampleFormat, out: Path
) -> None:
    """Write the arrays of each split (see `open_examples`), languages.json and stats.json.

    `examples` maps a split to its example records. A target ends with eos unless it had to be cut,
    for then the model should not learn to stop there. languages.json lists the target languages of
    all splits in order, and the arrays hold positions in that list.
    """
    languages = sorted(
        {record["target_language"] for path in examples.values() for record in read_examples(path)}
    )
    stats = {
        split: _encode_split(read_examples(path), split, languages, tokenizer, form, out)
        for split, path in examples.items()
    }
    _write_json(out / "languages.json", languages)
    _write_json(out / "stats.json", stats)


def _encode_split(
    records: Iterable[dict[str, str]],
    split: str,
    languages: list[str],
    tokenizer: Tokenizer,
    form: ExampleFormat,
    out: Path,
) -> dict[str, int]:
    paths, dtype = example_paths(out, split), token_type(tokenizer.vocab_size)
    codes = {language: code for code, language in enumerate(languages)}
    counts: dict[str, int] = {}
    with (
        RaggedWriter(paths["sources"], paths["source_offsets"], dtype) as sources,
        RaggedWriter(paths["targets"], paths["target_offsets"], dtype) as targets,
        ArrayWriter(paths["languages"], np.uint16) as targets_languages,
    ):
        for chunk in _chunks(records):
            source_rows = tokenizer.encode([form.apply(record) for record in chunk])
            target_rows = tokenizer.encode([record["target"] for record in chunk])
            target_rows = [np.append(row, tokenizer.eos) for row in target_rows]
            _add(counts, _chunk_counts(source_rows, target_rows, tokenizer.unk, form))
            sources.extend([row[: form.max_source_tokens] for row in source_rows])
            targets.extend([row[: form.max_target_tokens] for row in target_rows])
            targets_languages.append(np.array([codes[r["target_language"]] for r in chunk]))
    return counts


def _chunk_counts(
    sources: list[np.ndarray], targets: list[np.ndarray], unknown: int, form: ExampleFormat
) -> dict[str, int]:
    """What stats.json says of a chunk of encoded, uncut examples."""
    source_lengths = np.array([len(row) for row in sources])
    target_lengths = np.array([len(row) for row in targets])
    return {
        "examples": len(sources),
        "source_tokens": int(np.minimum(source_lengths, form.max_source_tokens).sum()),
        "target_tokens": int(np.minimum(target_lengths, form.max_target_tokens).sum()),
        "cut_sources": int((source_lengths > form.max_source_tokens).sum()),
        "cut_targets": int((target_lengths > form.max_target_tokens).sum()),
        "unknown_tokens": _count(chain(sources, targets), unknown),
    }


def _add(total: dict[str, int], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        total[name] = total.get(name, 0) + count


def _count(rows: Iterable[np.ndarray], token: int) -> int:
    return sum(int(np.count_nonzero(row == token)) for row in rows)


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
