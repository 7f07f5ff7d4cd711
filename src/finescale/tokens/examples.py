"""The encoded examples of a task."""

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from finescale.corpora import example_columns
from finescale.errors import UserError
from finescale.store.json_files import write_json
from finescale.store.kept import Counts, drop_unfinished, keep
from finescale.tokens.arrays import (
    ArrayWriter,
    Examples,
    RaggedWriter,
    Rows,
    example_paths,
    open_examples,
    token_type,
)
from finescale.tokens.languages import language_name
from finescale.tokens.parts import Part, add_counts, no_search_for_garbage, parts_of
from finescale.tokens.pretrained import AnyTokenizer
from finescale.tokens.workers import Workers

TEMPLATE_FIELDS = {"source", "language"}
SPLIT = "part"  # as the arrays of a part call theirs


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
        return record["source"].join(self._around(record["target_language"]))

    def apply_all(self, sources: Sequence[str], target_languages: Sequence[str]) -> list[str]:
        """The same of many."""
        around = {language: self._around(language) for language in set(target_languages)}
        return list(map(str.join, sources, map(around.__getitem__, target_languages)))

    def _around(self, target_language: str) -> list[str]:
        """The template, cut where sources stand."""
        pieces = [""]
        for literal, field, _, _ in string.Formatter().parse(self.template):
            pieces[-1] += literal
            if field == "language":
                pieces[-1] += language_name(target_language)
            elif field == "source":
                pieces.append("")
        return pieces


def encode_examples(
    examples: Mapping[str, Path],
    tokenizer: AnyTokenizer,
    form: ExampleFormat,
    out: Path,
    kept: Path,
    workers: int = 1,
) -> None:
    """Write the arrays of each split (see `open_examples`), languages.json and stats.json.

    `examples` maps a split to its example records. A target ends with eos unless it had to be cut,
    for then the model should not learn to stop there. languages.json lists the target languages of
    all splits in order, and the arrays hold positions in that list. Finished parts stay in `kept`,
    which belongs to this job and these inputs: what was interrupted goes on from there.
    """
    drop_unfinished(kept)
    parts = {split: parts_of(path, split) for split, path in examples.items()}
    work = partial(_encode_part, tokenizer=tokenizer, form=form, kept=kept)
    with Workers(work, [part for each in parts.values() for part in each], workers) as pool:
        counts = {split: [pool.result(part) for part in each] for split, each in parts.items()}
    names = [[count.pop("languages") for count in each] for each in counts.values()]
    languages = sorted({name for split in names for part in split for name in part})
    dtype, stats = token_type(tokenizer.vocab_size), {}
    for (split, each), own in zip(parts.items(), names, strict=True):
        stored = (open_examples(kept / part.name, SPLIT) for part in each)
        _join(zip(stored, own, strict=True), languages, example_paths(out, split), dtype)
        stats[split] = _total(counts[split])
    write_json(out / "languages.json", languages)
    write_json(out / "stats.json", stats)


def _encode_part(part: Part, tokenizer: AnyTokenizer, form: ExampleFormat, kept: Path) -> Counts:
    batches = example_columns(part.path, part.start, part.end)
    return keep(kept / part.name, lambda out: _write_part(batches, tokenizer, form, out))


@no_search_for_garbage()
def _write_part(
    batches: Iterable[Mapping[str, list[str]]],
    tokenizer: AnyTokenizer,
    form: ExampleFormat,
    out: Path,
) -> Counts:
    """Write the arrays of a part; `languages` of the counts are those that its codes stand for."""
    paths, dtype = example_paths(out, SPLIT), token_type(tokenizer.vocab_size)
    codes: dict[str, int] = {}
    counts: Counts = {}
    with (
        RaggedWriter(paths["sources"], paths["source_offsets"], dtype) as sources,
        RaggedWriter(paths["targets"], paths["target_offsets"], dtype) as targets,
        ArrayWriter(paths["languages"], np.uint16) as languages,
    ):
        for batch in batches:
            names = batch["target_language"]
            source = Rows.of_lists(tokenizer.encode_lists(form.apply_all(batch["source"], names)))
            target = Rows.of_lists(tokenizer.encode_lists(batch["target"])).ended(tokenizer.eos)
            add_counts(counts, _counts(source, target, tokenizer.unk, form))
            sources.append(source.cut(form.max_source_tokens))
            targets.append(target.cut(form.max_target_tokens))
            for name in dict.fromkeys(names):
                codes.setdefault(name, len(codes))
            languages.append(np.fromiter(map(codes.__getitem__, names), np.uint16, len(names)))
    return counts | {"languages": list(codes)}


def _counts(sources: Rows, targets: Rows, unknown: int, form: ExampleFormat) -> Counts:
    """What stats.json says of a batch of encoded, uncut examples."""
    return {
        "examples": len(sources.lengths),
        "source_tokens": int(np.minimum(sources.lengths, form.max_source_tokens).sum()),
        "target_tokens": int(np.minimum(targets.lengths, form.max_target_tokens).sum()),
        "cut_sources": int((sources.lengths > form.max_source_tokens).sum()),
        "cut_targets": int((targets.lengths > form.max_target_tokens).sum()),
        "unknown_tokens": sum(
            int(np.count_nonzero(rows.values == unknown)) for rows in (sources, targets)
        ),
    }


def _join(
    parts: Iterator[tuple[Examples, Sequence[str]]],
    languages: Sequence[str],
    paths: Mapping[str, Path],
    dtype: type[np.unsignedinteger],
) -> None:
    """Write the arrays of a split from those of its parts and the languages of their codes."""
    with (
        RaggedWriter(paths["sources"], paths["source_offsets"], dtype) as sources,
        RaggedWriter(paths["targets"], paths["target_offsets"], dtype) as targets,
        ArrayWriter(paths["languages"], np.uint16) as targets_languages,
    ):
        for stored, own in parts:
            sources.append_stored(stored.sources)
            targets.append_stored(stored.targets)
            codes = np.array([languages.index(name) for name in own], dtype=np.uint16)
            targets_languages.append(codes[stored.languages])


def _total(parts: Iterable[Counts]) -> Counts:
    total: Counts = {}
    for counts in parts:
        add_counts(total, counts)
    return total
