"""The paper's fitting procedure for the points of one task.

For each method: a single-variable law over D for every model size; then, for both joint forms, beta
and E estimated over model size and pretraining size together (each with its own A, alpha [, B]) and
held while each factor's other parameters are refitted. PET size takes the same beta and E: its own
effect is too weak to estimate them. The cell that two factors share counts once in each factor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from finescale.laws.fit import NOT_IDENTIFIED, Data, Fit, fit_law
from finescale.laws.forms import FINETUNING_DATA, JOINT_FORMS, Form
from finescale.laws.points import (
    ALL_DIMENSIONS,
    FACTORS,
    METHODS,
    Base,
    Cell,
    HeldOut,
    Point,
    cells,
    check_splits,
    on_factor,
    status_counts,
)

SHARED = ("beta", "E")
SHARING_FACTORS = FACTORS[:2]  # those that estimate beta and E
LEAST_VALUES = 2  # distinct X that a factor needs to have an exponent


@dataclass(frozen=True)
class Settings:
    """What a study says about the fits of one task."""

    task: str
    title: str
    model_size_as: str  # nominal, total or non_embedding: what counts as X for model size
    huber_delta: float
    base: Base
    held_out: HeldOut

    @classmethod
    def from_parameters(cls, parameters: Mapping) -> "Settings":
        """From the parameters of a fit recipe."""
        base, held_out = Base(**parameters["base"]), HeldOut(**parameters["held_out"])
        plain = {name: parameters[name] for name in ("task", "title", "model_size_as")}
        return cls(**plain, huber_delta=parameters["huber_delta"], base=base, held_out=held_out)


@dataclass(frozen=True)
class Law:
    """A fitted law with its mean absolute deviations (nats per token; None without points).

    `factor` is the X of a joint law; a single-variable law belongs to one model size, `x`.
    """

    method: str
    form: str
    factor: str
    nominal_size: int | None
    x: float | None
    fit: Fit
    deviation_fitted: float | None
    deviation_held_out: float | None

    def to_json(self) -> dict:
        """The law as JSON values."""
        return asdict(self) | {"fit": self.fit.to_json()}

    @classmethod
    def from_json(cls, values: Mapping) -> "Law":
        """The inverse of `to_json`."""
        return cls(**{**values, "fit": Fit.from_json(values["fit"])})


@dataclass(frozen=True)
class TaskFit:
    """All laws of one task."""

    settings: Settings
    counts: dict[str, int]  # runs by status
    laws: tuple[Law, ...]

    def to_json(self) -> dict:
        """The content of `fit.json`."""
        settings = asdict(self.settings)
        return settings | {"counts": self.counts, "laws": [law.to_json() for law in self.laws]}

    @classmethod
    def from_json(cls, values: Mapping) -> "TaskFit":
        """The inverse of `to_json`."""
        laws = tuple(Law.from_json(law) for law in values["laws"])
        return cls(Settings.from_parameters(values), dict(values["counts"]), laws)

    def law(self, method: str, form: str, factor: str) -> Law | None:
        """The joint law of a method, or None if the task has no such points."""
        for law in self.laws:
            if (law.method, law.form, law.factor) == (method, form, factor):
                return law
        return None


def fit_task(points: Iterable[Point], settings: Settings) -> TaskFit:
    """Run the whole procedure; laws that the points cannot fix are "not identified"."""
    points = [point for point in points if point.task == settings.task]
    check_splits(points, settings.held_out)
    laws: list[Law] = []
    for method in METHODS:
        measured = [cell for cell in cells(points) if cell.method == method]
        if measured:
            laws += _single_variable_laws(measured, settings)
            for form in JOINT_FORMS:
                laws += _joint_laws(form, measured, settings)
    return TaskFit(settings, status_counts(points), tuple(laws))


def _single_variable_laws(measured: list[Cell], settings: Settings) -> list[Law]:
    """A/D^beta + E for each model size; only the held-out D is left out, no model size is."""
    on_size = on_factor(measured, "llm_model_size", settings.base)
    laws = []
    for size in sorted({cell.nominal_size for cell in on_size}):
        row = [cell for cell in on_size if cell.nominal_size == size]
        fitted, held_out = _split(row, settings.held_out, ("finetuning_examples",))
        data = _data(fitted, "llm_model_size", settings)
        fit = fit_law(FINETUNING_DATA, {"": data}, delta=settings.huber_delta)
        laws.append(_law(FINETUNING_DATA, "llm_model_size", fit, fitted, held_out, settings, row))
    return laws


def _joint_laws(form: Form, measured: list[Cell], settings: Settings) -> list[Law]:
    """The joint laws of one form for every factor that has cells."""
    splits = {}
    for factor in FACTORS:
        on = on_factor(measured, factor, settings.base)
        if on:
            splits[factor] = _split(on, settings.held_out, ALL_DIMENSIONS)
    data = {
        factor: _data(fitted, factor, settings)
        for factor, (fitted, _) in splits.items()
        if len({cell.x(factor, settings.model_size_as) for cell in fitted}) >= LEAST_VALUES
    }
    sharing = {factor: data[factor] for factor in SHARING_FACTORS if factor in data}
    shared = _estimate_shared(form, sharing, settings.huber_delta)
    return [
        _law(form, factor, _refit(form, data.get(factor), shared, settings), *split, settings)
        for factor, split in splits.items()
    ]


def _estimate_shared(form: Form, sharing: Mapping[str, Data], delta: float) -> Fit:
    """Beta and E over all factors that may estimate them."""
    if not sharing:
        reason = f"neither model size nor pretraining size has {LEAST_VALUES} fitted values"
        return Fit(form.name, NOT_IDENTIFIED, reason)
    return fit_law(form, sharing, delta=delta, shared=SHARED)


def _refit(form: Form, data: Data | None, shared: Fit, settings: Settings) -> Fit:
    """One factor's own parameters, with beta and E held."""
    if data is None:
        return Fit(form.name, NOT_IDENTIFIED, f"fewer than {LEAST_VALUES} fitted values")
    if not shared.ok:
        return Fit(form.name, NOT_IDENTIFIED, f"no beta and E: {shared.reason}")
    held = {name: shared.parameters[name] for name in SHARED}
    return fit_law(form, {"": data}, delta=settings.huber_delta, held=held)


def _split(
    row: list[Cell], held_out: HeldOut, dimensions: tuple[str, ...]
) -> tuple[list[Cell], list[Cell]]:
    """Fitted and held-out cells."""
    excluded = [held_out.excludes(cell, dimensions) for cell in row]
    pairs = list(zip(row, excluded, strict=True))
    return [cell for cell, out in pairs if not out], [cell for cell, out in pairs if out]


def _data(row: list[Cell], factor: str, settings: Settings) -> Data:
    variables = {
        "X": np.array([cell.x(factor, settings.model_size_as) for cell in row]),
        "D": np.array([float(cell.finetuning_examples) for cell in row]),
    }
    return Data(np.array([cell.loss for cell in row]), variables)


def _law(
    form: Form,
    factor: str,
    fit: Fit,
    fitted: list[Cell],
    held_out: list[Cell],
    settings: Settings,
    single_row: list[Cell] | None = None,
) -> Law:
    """A law with its deviations; `single_row` are the cells of a single-variable law."""
    first = single_row[0] if single_row else None
    return Law(
        method=(fitted + held_out)[0].method,
        form=form.name,
        factor=factor,
        nominal_size=first.nominal_size if first else None,
        x=first.x(factor, settings.model_size_as) if first else None,
        fit=fit,
        deviation_fitted=_deviation(form, fit, fitted, factor, settings),
        deviation_held_out=_deviation(form, fit, held_out, factor, settings),
    )


def _deviation(
    form: Form, fit: Fit, row: list[Cell], factor: str, settings: Settings
) -> float | None:
    """Mean absolute difference of law and measured means."""
    if not row or not fit.ok:
        return None
    data = _data(row, factor, settings)
    return float(np.mean(np.abs(form.predict(fit.parameters, **data.variables) - data.loss)))
