"""The measured points: `points.csv`, which of them are held out, means over seeds."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from finescale.errors import UserError

METHODS = ("fmt", "prompt", "lora")  # the order of the paper's panels
FACTORS = ("llm_model_size", "pretraining_tokens", "pet_parameter_size")
ALL_DIMENSIONS = (*FACTORS, "finetuning_examples")
SPLITS = ("fit", "held-out")
STATUSES = ("ok", "diverged", "base diverged")
# fit.model_size_as -> the column that is X for the model-size factor
MODEL_SIZE_COLUMNS = {
    "nominal": "nominal_size",
    "total": "model_parameters",
    "non_embedding": "non_embedding_parameters",
}


@dataclass(frozen=True)
class Point:
    """One finetuning run: a row of `points.csv`; losses are nats per target token."""

    study: str
    task: str
    method: str
    family: str
    nominal_size: int
    model_parameters: int | None
    non_embedding_parameters: int | None
    pretraining_tokens: int
    pet_parameter_size: int | None
    finetuning_examples: int
    seed: int
    split: str
    status: str
    dev_log_perplexity: float | None
    test_log_perplexity: float | None
    target_tokens: int | None
    digest: str


COLUMNS = tuple(field.name for field in fields(Point))
_TYPES = {field.name: field.type for field in fields(Point)}


def write_points(path: Path, points: Iterable[Point]) -> None:
    """Write `points.csv`; an empty cell stands for a value that does not exist."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)


def read_points(path: Path) -> list[Point]:
    """Read `points.csv`. Raises UserError naming the line and column of a bad value."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"{path}: missing columns: {', '.join(missing)}")
        return [_point(row, f"{path}, line {reader.line_num}") for row in reader]


def _point(row: Mapping[str, str], where: str) -> Point:
    values: dict[str, Any] = {name: _parse(row[name], name, where) for name in COLUMNS}
    allowed = {"method": METHODS, "split": SPLITS, "status": STATUSES}
    for name, choices in allowed.items():
        if values[name] not in choices:
            raise UserError(f"{where}: {name} is {values[name]!r}, not one of {choices}")
    loss = values["test_log_perplexity"]
    if values["status"] == "ok" and not (loss is not None and np.isfinite(loss) and loss > 0):
        raise UserError(
            f"{where}: test_log_perplexity is {loss}; a run with status ok needs a positive number"
            " (a run that failed has status diverged)"
        )
    return Point(**values)


def _parse(text: str, name: str, where: str) -> str | float | int | None:
    kind = _TYPES[name]
    if kind is str:
        return text
    if text == "" and kind is not int:
        return None
    try:
        return float(text) if kind == float | None else int(text)
    except ValueError:
        raise UserError(f"{where}: {name} is {text!r}, which is not a number") from None


def status_counts(points: Iterable[Point]) -> dict[str, int]:
    """How many runs have each status; those that are not ok are left out of every fit."""
    counts = Counter(point.status for point in points)
    return {status: counts[status] for status in STATUSES}


@dataclass(frozen=True)
class Base:
    """The coordinates of the runs that several factors share."""

    llm_model_size: int  # nominal
    pretraining_tokens: int
    pet_parameter_size: Mapping[str, int]  # by PET method

    def coordinate(self, factor: str, method: str) -> int | None:
        """The base value of a factor; None for the PET size of full-model tuning."""
        value = getattr(self, factor)
        return value.get(method) if isinstance(value, Mapping) else value


@dataclass(frozen=True)
class HeldOut:
    """The value of each dimension that fits leave out; None where nothing is."""

    llm_model_size: int | None = None  # nominal
    pretraining_tokens: int | None = None
    pet_parameter_size: Mapping[str, int | None] | None = None  # by method
    finetuning_examples: Mapping[str, int | None] | None = None  # by method

    def excludes(self, point: "Point | Cell", dimensions: Iterable[str]) -> bool:
        """Whether any coordinate of the point in `dimensions` has its held-out value."""
        return any(self._excludes(point, dimension) for dimension in dimensions)

    def _excludes(self, point: "Point | Cell", dimension: str) -> bool:
        value = getattr(self, dimension)
        if isinstance(value, Mapping):
            value = value.get(point.method)
        return value is not None and coordinate(point, dimension) == value


def coordinate(point: "Point | Cell", dimension: str) -> int | None:
    """A point's place on a dimension, model size in nominal parameters."""
    return getattr(point, "nominal_size" if dimension == "llm_model_size" else dimension)


def check_splits(points: Iterable[Point], held_out: HeldOut) -> None:
    """Raise UserError if a row's split is not what the held-out values say."""
    for point in points:
        expected = SPLITS[held_out.excludes(point, ALL_DIMENSIONS)]
        if point.split != expected:
            raise UserError(
                f"run {point.digest or point}: split is {point.split!r}, but by the held-out values"
                f" it is {expected!r}"
            )


@dataclass(frozen=True)
class Cell:
    """All ok runs at the same coordinates; the laws are fitted to the mean over their seeds."""

    method: str
    nominal_size: int
    model_parameters: int | None
    non_embedding_parameters: int | None
    pretraining_tokens: int
    pet_parameter_size: int | None
    finetuning_examples: int
    losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Mean test log-perplexity over the seeds."""
        return float(np.mean(self.losses))

    def x(self, factor: str, model_size_as: str) -> float:
        """The factor's raw value: parameters, tokens, prompt length or LoRA rank."""
        column = MODEL_SIZE_COLUMNS[model_size_as] if factor == "llm_model_size" else factor
        return float(getattr(self, column))


_CELL_COLUMNS = tuple(field.name for field in fields(Cell))[:-1]


def cells(points: Iterable[Point]) -> list[Cell]:
    """Gather the ok runs of one task over their seeds, sorted by coordinates."""
    groups: dict[tuple, list[float]] = {}
    for point in points:
        if point.status == "ok" and point.test_log_perplexity is not None:
            key = tuple(getattr(point, name) for name in _CELL_COLUMNS)
            groups.setdefault(key, []).append(point.test_log_perplexity)
    in_order = sorted(groups, key=lambda key: [(value is not None, value) for value in key])
    return [
        Cell(**dict(zip(_CELL_COLUMNS, key, strict=True)), losses=tuple(sorted(groups[key])))
        for key in in_order
    ]


Measured = TypeVar("Measured", Point, Cell)


def on_factor(items: Iterable[Measured], factor: str, base: Base) -> list[Measured]:
    """The points or cells where every factor but this one is at its base value."""
    others = [other for other in FACTORS if other != factor]
    return [
        item
        for item in items
        if coordinate(item, factor) is not None
        and all(coordinate(item, other) == base.coordinate(other, item.method) for other in others)
    ]
