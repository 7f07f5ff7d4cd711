"""Reading a table of points, the pipeline's or anybody's, with every mistake explained.

Only the columns in use are needed: `finetuning_examples` and `test_log_perplexity` always, the rest
of `points.COLUMNS` where the table varies them. Cells are separated by commas, semicolons or tabs.
"""

import csv
import difflib
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from finescale.counts import parse_count
from finescale.errors import UserError, refuse_mistakes
from finescale.laws.points import COLUMNS, MODEL_SIZE_COLUMNS, SPLITS, STATUSES, Point, describe

REQUIRED = {
    "finetuning_examples": "how many examples the model was finetuned on",
    "test_log_perplexity": "nats per target token",
}
SIZES = tuple(MODEL_SIZE_COLUMNS.values())
# The columns that decide about a fit, and what others call them.
ALSO_CALLED: Mapping[str, tuple[str, ...]] = {
    "task": ("dataset",),
    "method": ("tuning_method", "finetuning_method", "peft_method"),
    "nominal_size": (),
    "non_embedding_parameters": ("non_embedding_params",),
    "model_parameters": ("parameters", "params", "model_params", "model_size", "llm_model_size"),
    "pretraining_tokens": ("tokens", "pretraining_size", "pretraining_data", "pretrain_tokens"),
    "pet_parameter_size": ("pet_size", "rank", "lora_rank", "prompt_length"),
    "finetuning_examples": ("examples", "samples", "data_size", "train_size", "finetuning_size"),
    "seed": ("run_seed", "random_seed"),
    "split": (),
    "status": (),
    "test_log_perplexity": ("loss", "test_loss", "eval_loss", "log_perplexity", "nll", "test_nll"),
}
PERPLEXITIES = ("perplexity", "test_perplexity", "eval_perplexity", "ppl", "test_ppl", "eval_ppl")
NOTHING = ("", "na", "nan", "none", "null")  # how programs write a value that does not exist
# Nats. To guess evenly among V tokens costs ln V, and no vocabulary has more than a million.
WORST_LOSS = math.log(1e6)
OUTLIERS = 0.1  # the share of runs that may lie above it before the column is taken for another


def read_points(path: Path | str) -> list[Point]:
    """Read a table of points. Raises UserError with a line for each mistake."""
    lines = _lines(path)
    header = [name.strip() for name in next(lines)[1]]
    refuse_mistakes(f"{path}", _header_mistakes(header))
    mistakes: list[str] = []
    points: dict[int, Point] = {}
    for number, cells in lines:
        point, wrong = _point(header, cells)
        mistakes += [f"line {number}: {mistake}" for mistake in wrong]
        if point:
            points[number] = point
    mistakes += [*_repeated(points), *_gaps(points), *_perplexities(points)]
    refuse_mistakes(f"{path}", mistakes)
    if not points:
        raise UserError(f"{path}: a header, but no rows below it")
    return list(points.values())


def _parse_loss(text: str) -> float:
    try:
        loss = float(text)
    except ValueError:
        hint = "; write a decimal point" if "," in text else ""
        raise ValueError(f"is {text!r}, which is not a number{hint}") from None
    if not (math.isfinite(loss) and loss > 0):
        raise ValueError(
            f"is {text}; a run with status ok needs a positive number (a run that failed has status"
            " diverged)"
        )
    return loss


def _parse_seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"is {text!r}, which is not a number") from None


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is {text!r}, not one of: {', '.join(choices)}")
        return text

    return parse


_COUNTS = (*SIZES, "pretraining_tokens", "pet_parameter_size", "target_tokens")
_LOSSES = ("dev_log_perplexity", "test_log_perplexity")
_PARSERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(COLUMNS, str),
    **dict.fromkeys((*_COUNTS, "finetuning_examples"), parse_count),
    **dict.fromkeys(_LOSSES, _parse_loss),
    "seed": _parse_seed,
    "split": _one_of(SPLITS),
    "status": _one_of(STATUSES),
}


def _lines(path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """The lines that say anything, with their numbers, the header first."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; export the table as CSV in UTF-8") from None
    header = text.lstrip().partition("\n")[0]
    if not header:
        raise UserError(f"{path}: the file is empty")
    reader = csv.reader(
        io.StringIO(text), delimiter=max(",;\t", key=header.count), skipinitialspace=True
    )
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}") from None


def _header_mistakes(header: Sequence[str]) -> Iterator[str]:
    """What is wrong with the names of the columns."""
    for name in dict.fromkeys(header):
        if name in COLUMNS and header.count(name) > 1:
            yield f"{header.count(name)} columns are called `{name}`"
    unknown = [name for name in header if name and name not in COLUMNS]
    for column, others in ALSO_CALLED.items():
        if column in header or (column in SIZES and any(size in header for size in SIZES)):
            continue
        meant = [name for name in unknown if _looks_like(name, column, others)]
        perplexities = [name for name in unknown if _plain(name) in PERPLEXITIES]
        if column == "test_log_perplexity" and perplexities and not meant:
            yield (
                f"no column `{column}`, but `{perplexities[0]}`: laws are fitted to its natural"
                f" logarithm, in nats per token; put that into a column `{column}`"
            )
        elif column in REQUIRED:
            hint = f"; is it `{'` or `'.join(meant)}`? Then rename that" if meant else ""
            yield f"no column `{column}` ({REQUIRED[column]}){hint}"
        elif meant:
            yield f"no column `{column}`; rename `{meant[0]}` if that is it, else remove it"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _looks_like(name: str, column: str, others: Sequence[str]) -> bool:
    plain = _plain(name)
    return plain in others or bool(difflib.get_close_matches(plain, [column], cutoff=0.85))


def _point(header: Sequence[str], cells: Sequence[str]) -> tuple[Point | None, list[str]]:
    """The row as a point, or what is wrong with it."""
    if len(cells) != len(header):
        separators = "; are there thousands separators?" if len(cells) > len(header) else ""
        return None, [f"{len(cells)} cells, but the header names {len(header)}{separators}"]
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name in COLUMNS}
    failed = row.get("status") in STATUSES[1:]
    values, wrong = {}, []
    for name, text in row.items():
        exists = name in REQUIRED or text.lower() not in NOTHING
        if exists and not (failed and name in _LOSSES):
            try:
                values[name] = _PARSERS[name](text)
            except ValueError as error:
                wrong.append(f"{name} {error}")
    return (None if wrong else Point(**values)), wrong


def _ok(points: Mapping[int, Point]) -> dict[int, Point]:
    return {line: point for line, point in points.items() if point.status == "ok"}


def _repeated(points: Mapping[int, Point]) -> Iterator[str]:
    """Rows that are the same run of the same cell."""
    lines: dict[tuple, int] = {}
    for line, point in _ok(points).items():
        sizes = tuple(getattr(point, column) for column in SIZES)
        identity = (point.family, describe(point), sizes, point.seed)
        first = lines.setdefault(identity, line)
        if first != line:
            yield (
                f"lines {first} and {line} are the same run: {describe(point)}, seed {point.seed};"
                " give repeated runs a seed each, or remove one"
            )


def _gaps(points: Mapping[int, Point]) -> Iterator[str]:
    """Factors that some ok runs name and others do not; PET size method by method."""
    for column in (*SIZES, "pretraining_tokens", "pet_parameter_size"):
        kinds: dict[str, dict[int, int | None]] = {}
        for line, point in _ok(points).items():
            kind = point.method if column == "pet_parameter_size" else ""
            kinds.setdefault(kind, {})[line] = getattr(point, column)
        for kind, values in kinds.items():
            empty = [line for line, value in values.items() if value is None]
            if 0 < len(empty) < len(values):
                which = f"other runs of {kind}" if kind else "other runs"
                yield f"line {empty[0]}: {column} is empty, but {which} have it"


def _perplexities(points: Mapping[int, Point]) -> Iterator[str]:
    """Losses that are worse than guessing: perplexities whose logarithm was not taken."""
    losses = {line: point.test_log_perplexity or 0.0 for line, point in _ok(points).items()}
    worse = [line for line, loss in losses.items() if loss > WORST_LOSS]
    if len(worse) > OUTLIERS * len(losses):
        yield (
            f"test_log_perplexity is {losses[worse[0]]:g} in line {worse[0]}, more than"
            f" {WORST_LOSS:.1f} nats, the cost of a blind guess among a million tokens, and in"
            f" {len(worse)} of {len(losses)} runs. If these are perplexities, take the natural"
            " logarithm; runs that failed have status diverged"
        )
