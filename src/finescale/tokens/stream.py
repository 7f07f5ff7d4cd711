"""The pretraining stream of a family: text of several languages, in files of any size and number.

Documents are encoded file by file, in parts, by several processes; what is done is kept, so that an
interrupted job goes on. Then the order is found from the lengths of the documents alone, and they
are written in it. In memory are the lengths of one block's documents at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from finescale.corpora import text_columns
from finescale.errors import UserError
from finescale.store.json_files import write_json
from finescale.store.kept import Counts, drop_unfinished, keep
from finescale.tokens.arrays import ArrayWriter, Ragged, RaggedWriter, Rows, token_type
from finescale.tokens.mixing import Documents, Piece, blockwise, mixed, until
from finescale.tokens.parts import Part, add_counts, no_search_for_garbage, parts_of
from finescale.tokens.pretrained import AnyTokenizer
from finescale.tokens.workers import Workers

DOCUMENTS_AT_ONCE = 512  # in memory while the stream is written


@dataclass(frozen=True)
class Mixture:
    """What of the text goes into the stream, and in what order.

    With `shares`, one a language in their order, the languages' tokens follow them until one
    language runs out; without, all text is used as it is. `tokens` ends the stream earlier.
    """

    seed: int
    validation_share: float
    shares: Sequence[float] | None = None
    tokens: int | None = None


def encode_documents(
    texts: Mapping[str, Sequence[Path]],
    tokenizer: AnyTokenizer,
    mixture: Mixture,
    out: Path,
    kept: Path,
    workers: int = 1,
) -> None:
    """Write train.npy and validation.npy: documents in a seeded random order, eos after each.

    `texts` maps a language to the files of its text records. The first `validation_share` of the
    stream's documents are the validation stream. Counts go to stats.json. Finished parts stay in
    `kept`, which belongs to this job and these inputs. Nothing depends on the number of workers.
    """
    drop_unfinished(kept)
    work = partial(_encode_part, tokenizer=tokenizer, kept=kept)
    parts = {
        language: [parts_of(path, f"{language}-{k:05d}") for k, path in enumerate(paths)]
        for language, paths in texts.items()
    }
    with Workers(work, _schedule(parts, mixture.shares), workers) as pool:
        corpus = Corpus(parts, pool, kept, mixture)
        used = _count(corpus.stream(), len(texts))
    total = int(used[:, 0].sum())
    split = round(mixture.validation_share * total)
    if not 0 < split < total:
        raise UserError(
            f"validation_share {mixture.validation_share} of {total} documents leaves "
            f"{split} for validation: both streams need one at least"
        )
    streams = _write(corpus.stream(), split, out, token_type(tokenizer.vocab_size))
    write_json(out / "stats.json", {**streams, "languages": corpus.stats(used)})


class Corpus:
    """The encoded documents of all languages, opened file by file as the stream needs them.

    `parts` holds for each language the parts of each of its files.
    """

    def __init__(
        self, parts: Mapping[str, list[list[Part]]], pool: Workers, kept: Path, mixture: Mixture
    ) -> None:
        self._parts, self._pool, self._kept, self._mixture = parts, pool, kept, mixture
        # what was counted in each file that was read
        self._read: dict[str, dict[int, Counts]] = {language: {} for language in parts}

    def stream(self) -> Iterator[Piece]:
        """The whole stream, validation first; the same each time."""
        seed, shares, tokens = self._mixture.seed, self._mixture.shares, self._mixture.tokens
        if shares is None:
            pieces = blockwise(self._blocks(), seed)
        else:
            pieces = mixed(list(map(self._files, self._parts)), list(self._parts), shares, seed)
        return pieces if tokens is None else until(pieces, tokens)

    def stats(self, used: np.ndarray) -> dict[str, Counts]:
        """What stats.json says of each language; `used` as `_count` has it."""
        stats = {}
        for (language, files), (documents, tokens) in zip(
            self._read.items(), used.tolist(), strict=True
        ):
            read: Counts = {"documents": 0, "tokens": 0, "unknown_tokens": 0}
            for counts in files.values():
                add_counts(read, counts)
            stats[language] = read | {"documents": documents, "tokens": tokens}
            if self._mixture.shares is not None:
                stats[language] |= {
                    "left_documents": read["documents"] - documents,
                    "left_tokens": read["tokens"] - tokens,
                    "unread_files": len(self._parts[language]) - len(files),
                }
        return stats

    def _blocks(self) -> Iterator[list[Documents]]:
        for files in _blocks(self._parts):
            yield [self._open(language, own) for language, own in files.items()]

    def _files(self, language: str) -> Iterator[Documents]:
        return (self._open(language, [k]) for k in range(len(self._parts[language])))

    def _open(self, language: str, files: Sequence[int]) -> Documents:
        parts = self._parts[language]
        for k in files:
            if k not in self._read[language]:
                counts: Counts = {}
                for part in parts[k]:
                    add_counts(counts, self._pool.result(part))
                self._read[language][k] = counts
        folders = (self._kept / part.name for k in files for part in parts[k])
        return Documents([Ragged(*_arrays(folder)) for folder in folders])


def _blocks(files: Mapping[str, Sequence[object]]) -> Iterator[dict[str, range]]:
    """Which files of each language belong to each block: in every block its share of them."""
    blocks = max(map(len, files.values()))
    for k in range(blocks):
        yield {
            language: range(k * len(own) // blocks, (k + 1) * len(own) // blocks)
            for language, own in files.items()
        }


def _schedule(parts: Mapping[str, list[list[Part]]], shares: Sequence[float] | None) -> list[Part]:
    """All parts in the order in which the stream is likely to need them.

    With shares that order depends on what the files hold; their sizes tell roughly.
    """
    if shares is None:
        return [
            part
            for files in _blocks(parts)
            for language, own in files.items()
            for k in own
            for part in parts[language][k]
        ]
    places = []
    for language, (files, share) in enumerate(zip(parts.values(), shares, strict=True)):
        size = 0
        for part in (part for file in files for part in file):
            places.append((size / share, language, part))
            size += part.end - part.start
    return [part for *_, part in sorted(places, key=lambda place: place[:2])]


def _count(pieces: Iterator[Piece], languages: int) -> np.ndarray:
    """Documents and tokens of each language in the stream, shape (languages, 2)."""
    used = np.zeros((languages, 2), np.int64)
    for piece in pieces:
        np.add.at(used[:, 0], piece.languages, 1)
        np.add.at(used[:, 1], piece.languages, piece.lengths)
    return used


def _write(
    pieces: Iterator[Piece], split: int, out: Path, dtype: type[np.unsignedinteger]
) -> dict[str, Counts]:
    """Write the first `split` documents as the validation stream, the others to train on."""
    documents = {"validation": 0, "train": 0}
    with (
        ArrayWriter(out / "validation.npy", dtype) as validation,
        ArrayWriter(out / "train.npy", dtype) as train,
    ):
        for piece in pieces:
            left = split - documents["validation"]
            for name, writer, own in (
                ("validation", validation, piece[:left]),
                ("train", train, piece[left:]),
            ):
                for start in range(0, len(own), DOCUMENTS_AT_ONCE):
                    rows = own[start : start + DOCUMENTS_AT_ONCE].rows()
                    writer.append(np.concatenate(rows))
                documents[name] += len(own)
        tokens = {"validation": validation.length, "train": train.length}
    return {name: {"documents": documents[name], "tokens": tokens[name]} for name in documents}


def _encode_part(part: Part, tokenizer: AnyTokenizer, kept: Path) -> Counts:
    @no_search_for_garbage()
    def write(out: Path) -> Counts:
        counts: Counts = {"documents": 0, "tokens": 0, "unknown_tokens": 0}
        with RaggedWriter(*_arrays(out), token_type(tokenizer.vocab_size)) as writer:
            for batch in text_columns(part.path, part.start, part.end):
                rows = Rows.of(tokenizer.encode(batch["text"]))
                unknown = int(np.count_nonzero(rows.values == tokenizer.unk))
                rows = rows.ended(tokenizer.eos)
                writer.append(rows)
                numbers = (len(rows.lengths), len(rows.values), unknown)
                add_counts(counts, dict(zip(counts, numbers, strict=True)))
        return counts

    return keep(kept / part.name, write)


def _arrays(folder: Path) -> tuple[Path, Path]:
    return folder / "values.npy", folder / "offsets.npy"
