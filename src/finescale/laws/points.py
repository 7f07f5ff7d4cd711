"""The measured points: rows of `points.csv`, means over seeds, what is held out, factors."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from finescale.errors import UserError, suggestion

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


@dataclass(frozen=True, kw_only=True)
class Point:
    """One finetuning run: a row of `points.csv`; losses are nats per target token.

    The defaults stand for what a table does not say; None where there is no such value.
    """

    study: str = ""
    task: str = ""
    method: str = "finetuning"
    family: str = ""
    nominal_size: int | None = None
    model_parameters: int | None = None
    non_embedding_parameters: int | None = None
    pretraining_tokens: int | None = None
    pet_parameter_size: int | None = None
    finetuning_examples: int
    seed: int = 0
    split: str = "fit"
    status: str = "ok"
    dev_log_perplexity: float | None = None
    test_log_perplexity: float | None = None
    target_tokens: int | None = None
    digest: str = ""


COLUMNS = tuple(column.name for column in fields(Point))


def write_points(path: Path, points: Iterable[Point]) -> None:
    """Write `points.csv`; an empty cell stands for a value that does not exist."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)


def status_counts(points: Iterable[Point]) -> dict[str, int]:
    """How many runs have each status; those that are not ok are left out of every fit."""
    counts = Counter(point.status for point in points)
    return {status: counts[status] for status in STATUSES}


@dataclass(frozen=True)
class Base:
    """The coordinates of the runs that several factors share; None for what is no factor."""

    llm_model_size: int | None = None  # nominal, if the table has it
    pretraining_tokens: int | None = None
    pet_parameter_size: Mapping[str, int] = field(default_factory=dict)  # by PET method

    def coordinate(self, factor: str, method: str) -> int | None:
        """The base value of a factor; None for the PET size of full-model tuning."""
        value = getattr(self, factor)
        return value.get(method) if isinstance(value, Mapping) else value


def coordinate(point: "Point | Cell", dimension: str) -> int | None:
    """A point's place on a dimension; model size by the first count that the table has."""
    if dimension == "llm_model_size":
        sizes = (getattr(point, column) for column in MODEL_SIZE_COLUMNS.values())
        return next((size for size in sizes if size is not None), None)
    return getattr(point, dimension)


@dataclass(frozen=True)
class Cell:
    """All ok runs at the same coordinates; the laws are fitted to the mean over their seeds."""

    method: str
    nominal_size: int | None
    model_parameters: int | None
    non_embedding_parameters: int | None
    pretraining_tokens: int | None
    pet_parameter_size: int | None
    finetuning_examples: int
    losses: tuple[float, ...]
    held_out: bool = False

    @property
    def loss(self) -> float:
        """Mean test log-perplexity over the seeds."""
        return float(np.mean(self.losses))

    def x(self, factor: str, model_size_as: str) -> float:
        """The factor's raw value: parameters, tokens, prompt length or LoRA rank."""
        column = MODEL_SIZE_COLUMNS[model_size_as] if factor == "llm_model_size" else factor
        return float(getattr(self, column))


_CELL_COLUMNS = tuple(column.name for column in fields(Cell))[:-2]


def cells(points: Iterable[Point]) -> list[Cell]:
    """Gather the ok runs of one task over their seeds, sorted by coordinates."""
    groups: dict[tuple, list[Point]] = {}
    for point in points:
        if point.status == "ok":
            key = tuple(getattr(point, name) for name in _CELL_COLUMNS)
            groups.setdefault(key, []).append(point)
    in_order = sorted(groups, key=lambda key: [(value is not None, value) for value in key])
    return [_cell(key, groups[key]) for key in in_order]


def _cell(key: tuple, runs: Sequence[Point]) -> Cell:
    splits = {run.split for run in runs}
    if len(splits) > 1:
        raise UserError(
            f"runs of {describe(runs[0])} are partly fit and partly held-out; runs that differ in"
            " nothing but the seed need the same split"
        )
    losses = sorted(run.test_log_perplexity for run in runs if run.test_log_perplexity is not None)
    coordinates = dict(zip(_CELL_COLUMNS, key, strict=True))
    return Cell(**coordinates, losses=tuple(losses), held_out=splits == {"held-out"})


def describe(point: Point) -> str:
    """A point's coordinates in words, those that the table has."""
    values = [(name, coordinate(point, name)) for name in ALL_DIMENSIONS]
    given = [f"{name} {value}" for name, value in values if value is not None]
    return ", ".join(text for text in (point.task, point.method, *given) if text)


def methods(points: Iterable[Point | Cell]) -> tuple[str, ...]:
    """Their methods: those of the paper in its order, then others as they appear."""
    present = dict.fromkeys(point.method for point in points)
    return (*filter(present.__contains__, METHODS), *(m for m in present if m not in METHODS))


def held_out_examples(cells: Iterable[Cell]) -> frozenset[int]:
    """The finetuning data sizes at which every cell is held out; give it one method's cells.

    These are what a law over finetuning data leaves out: a cell that is held out for its model size
    alone belongs to that size's own law.
    """
    cells = list(cells)
    fitted = {cell.finetuning_examples for cell in cells if not cell.held_out}
    return frozenset(cell.finetuning_examples for cell in cells) - fitted


def infer_base(points: Iterable[Point]) -> Base:
    """Where the factors cross: for each, the value at which most fitted cells lie, of one task.

    That is the centre of a star design, which varies one factor at a time. In a full grid all
    values tie and the largest is taken. PET size has a base for each method.
    """
    fitted = [cell for cell in cells(points) if not cell.held_out]
    pet = {method: _most_common(fitted, "pet_parameter_size", method) for method in methods(fitted)}
    return Base(
        llm_model_size=_most_common(fitted, "llm_model_size"),
        pretraining_tokens=_most_common(fitted, "pretraining_tokens"),
        pet_parameter_size={method: size for method, size in pet.items() if size is not None},
    )


def _most_common(fitted: Iterable[Cell], factor: str, method: str | None = None) -> int | None:
    """The factor's most common value, the largest of several; None if no cell has one."""
    values = [coordinate(cell, factor) for cell in fitted if method in (None, cell.method)]
    counts = Counter(value for value in values if value is not None)
    return max(counts, key=lambda value: (counts[value], value), default=None)


def one_task(points: Iterable[Point], task: str | None = None) -> list[Point]:
    """The points of `task`, which may be left out if there is but one.

    Raises UserError if there are several or none of that name, or if base models of two families,
    which follow no common law, were finetuned on it.
    """
    points = list(points)
    tasks = list(dict.fromkeys(point.task for point in points))
    if task is None and len(tasks) > 1:
        raise UserError(
            f"the points are of {len(tasks)} tasks: {', '.join(tasks)}; name one (--task)"
        )
    if task is not None and task not in tasks:
        raise UserError(f"no points of task {task!r}{suggestion(task, tasks)}")
    chosen = [point for point in points if task in (None, point.task)]
    families = dict.fromkeys(point.family for point in chosen)
    if len(families) > 1:
        raise UserError(
            f"the points are of {len(families)} families of base models: {', '.join(families)};"
            " a law holds for one: give each family a file of its own"
        )
    return chosen


def choose_model_size(points: Iterable[Point], model_size_as: str | None = None) -> str:
    """What counts as X for model size: as asked, or the first count that all ok runs have."""
    points = [point for point in points if point.status == "ok"]
    complete = [
        name
        for name, column in MODEL_SIZE_COLUMNS.items()
        if all(getattr(point, column) is not None for point in points)
    ]
    if model_size_as is None:
        return next(iter(complete), "nominal")
    if model_size_as not in complete:
        column = MODEL_SIZE_COLUMNS[model_size_as]
        have = ", ".join(complete) or "no model size at all"
        raise UserError(
            f"model size as {model_size_as} needs the column {column}; there is: {have}"
        )
    return model_size_as


Measured = TypeVar("Measured", Point, Cell)


def at_base(items: Iterable[Measured], factors: Iterable[str], base: Base) -> list[Measured]:
    """The points or cells where each of these factors is at its base value."""
    factors = list(factors)
    return [
        item
        for item in items
        if all(coordinate(item, name) == base.coordinate(name, item.method) for name in factors)
    ]


def on_factor(items: Iterable[Measured], factor: str, base: Base) -> list[Measured]:
    """The points or cells where every factor but this one is at its base value."""
    others = [other for other in FACTORS if other != factor]
    return at_base((item for item in items if coordinate(item, factor) is not None), others, base)
