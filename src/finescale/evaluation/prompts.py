"""Prompts: what a model reads before it writes.

Without demonstrations a prompt is what finetuning shows before a target. With demonstrations it is
lines of text, each example as a template says, and the last one open (Zhang, Haddow and Birch 2023,
arXiv 2301.07069, whose best template is "[src]: [text] \\n [tgt]:").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from finescale.corpora import generator
from finescale.errors import UserError
from finescale.tokens import AnyTokenizer, ExampleFormat
from finescale.tokens.languages import language_name

Record = Mapping[str, str]


@dataclass(frozen=True)
class Prompt:
    """Ids for a model to go on from, and whether texts had to be cut."""

    ids: np.ndarray
    cut_source: bool
    cut_demonstrations: bool = False


def finetuning_prompts(
    records: Sequence[Record], form: ExampleFormat, tokenizer: AnyTokenizer
) -> list[Prompt]:
    """`<bos> source <sep>`, as finetuning has it."""
    rows = tokenizer.encode([form.apply(dict(record)) for record in records])
    most = form.max_source_tokens
    return [
        Prompt(np.concatenate(([tokenizer.bos], row[:most], [tokenizer.sep])), len(row) > most)
        for row in rows
    ]


@dataclass(frozen=True)
class FewShot:
    """How a prompt with demonstrations is made.

    `template` is an example up to its target, such as
    `{source_language}: {source} \\n {target_language}:`. Lengths are in tokens: `context` is what a
    model can read and write, `max_new_tokens` the part of it that is left for the output.
    """

    template: str
    shots: int
    seed: int
    max_source_tokens: int
    max_new_tokens: int
    context: int

    def words(self, source_language: str, target_language: str) -> tuple[str, str]:
        """The template's words before and after the source, for a pair of languages."""
        names = {
            "source_language": language_name(source_language),
            "target_language": language_name(target_language),
        }
        where, parts = f"shot_template {self.template!r}", self.template.split("{source}")
        if len(parts) != 2:
            raise UserError(
                f"{where}: {{source}} has to be there once, it is {len(parts) - 1} times"
            )
        try:
            before, after = (part.format(**names) for part in parts)
        except (KeyError, IndexError, AttributeError, ValueError) as error:
            raise UserError(
                f"{where}: {error} cannot be filled in; allowed are {{source}}, "
                f"{', '.join(f'{{{name}}}' for name in names)}"
            ) from None
        return before, after


def few_shot_prompts(
    records: Mapping[int, Record], pool: Sequence[Record], form: FewShot, tokenizer: AnyTokenizer
) -> list[Prompt]:
    """`<bos>`, demonstrations from `pool`, each on lines of its own, and the record without target.

    `records` maps the index of an example in its test sets to its record: the demonstrations are a
    function of the seed and that index. Every text is one line.
    """
    return [
        _few_shot_prompt(record, shown, form, tokenizer)
        for record, shown in zip(
            records.values(), demonstrations(records, pool, form.shots, form.seed), strict=True
        )
    ]


def demonstrations(
    records: Mapping[int, Record], pool: Sequence[Record], shots: int, seed: int
) -> list[list[Record]]:
    """Records of the same two languages for each record, drawn without replacement.

    Neither the record itself nor another with its source is drawn. Fewer shots are the first ones
    of more.
    """
    by_languages: dict[tuple[str, str], list[Record]] = {}
    for candidate in pool:
        by_languages.setdefault(_languages(candidate), []).append(candidate)
    drawn = []
    for index, record in records.items():
        candidates = by_languages.get(_languages(record), [])
        order = generator(seed, f"demonstrations {index}").permutation(len(candidates))
        others = (candidates[i] for i in order if not _same(candidates[i], record))
        drawn.append(list(islice(others, shots)))
        if len(drawn[-1]) < shots:
            pair = "-".join(_languages(record))
            raise UserError(
                f"{shots} demonstrations are needed for example {record['id']!r}, the dev set has "
                f"{len(drawn[-1])} other {pair} examples: add dev data, or leave the suite out"
            )
    return drawn


def _languages(record: Record) -> tuple[str, str]:
    return record["source_language"], record["target_language"]


def _same(one: Record, other: Record) -> bool:
    return one["id"] == other["id"] or one["source"] == other["source"]


def _few_shot_prompt(
    record: Record, shown: Sequence[Record], form: FewShot, tokenizer: AnyTokenizer
) -> Prompt:
    # the ids of parts are those of the parts joined by spaces
    head, *tail = (part.strip(" ") for part in form.words(*_languages(record)))
    (before,), (after,) = tokenizer.encode([head]), tokenizer.encode_after(tail)
    newline = tokenizer.newline()
    rows = [
        tokenizer.encode_after([_one_line(text) for text in texts])
        for texts in ([record["source"]], _field(shown, "source"), _field(shown, "target"))
    ]
    structure = (len(shown) + 1) * len([*before, *after]) + len(shown) * len(newline)
    lengths = _lengths(rows, form, structure)
    (source,), sources, targets = (
        [row[:length] for row, length in zip(group, kept, strict=True)]
        for group, kept in zip(rows, lengths, strict=True)
    )
    ids = [np.array([tokenizer.bos])]
    for one_source, one_target in zip(sources, targets, strict=True):
        ids += [before, one_source, after, one_target, newline]
    ids += [before, source, after]
    cut_source, *cut_shown = (
        sum(kept) < sum(map(len, group)) for group, kept in zip(rows, lengths, strict=True)
    )
    return Prompt(np.concatenate(ids), cut_source, any(cut_shown))


def _field(records: Sequence[Record], name: str) -> list[str]:
    return [record[name] for record in records]


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _lengths(
    rows: Sequence[Sequence[np.ndarray]], form: FewShot, structure: int
) -> list[list[int]]:
    """How much of each text is kept: at most as much as in finetuning, and as the context holds.

    `rows` are the test source, the sources and the targets of the demonstrations.
    """
    most = (form.max_source_tokens, form.max_source_tokens, form.max_new_tokens)
    lengths = [[min(len(row), m) for row in group] for group, m in zip(rows, most, strict=True)]
    room = form.context - form.max_new_tokens - 1 - structure  # one is bos
    if room < sum(map(len, lengths)):
        raise UserError(
            f"a context of {form.context} tokens has no room for {form.shots} demonstrations: the "
            f"words of shot_template take {structure}, the output may take {form.max_new_tokens}. "
            "Raise `generation.context`, shorten the template, or leave the suite out"
        )
    return fit(lengths, room)


def fit(groups: Sequence[Sequence[int]], room: int) -> list[list[int]]:
    """Cut lengths so that they sum to `room` at most: the first group, then the next, and so on.

    Each group is cut evenly, and down to an even share of the room before the next one is touched.
    """
    share = room // sum(map(len, groups))
    excess = sum(map(sum, groups)) - room
    fitted = []
    for lengths in groups:
        least = sum(min(length, share) for length in lengths)
        fitted.append(_level(lengths, max(least, sum(lengths) - max(0, excess))))
        excess -= sum(lengths) - sum(fitted[-1])
    return fitted


def _level(lengths: Sequence[int], total: int) -> list[int]:
    """Cut the longest to one level, the highest at which all sum to `total` at most."""
    for rank, length in enumerate(sorted(lengths)):
        level = total // (len(lengths) - rank)
        if length > level:
            return [min(each, level) for each in lengths]
        total -= length
    return list(lengths)
