"""Single-variable laws of pretraining (Figure 10): A/X^alpha + E, X model size or tokens."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from finescale.laws.fitting.fit import (
    NOT_IDENTIFIED,
    Fit,
    Objective,
    Unfittable,
    fit_law,
    refit_rows,
)
from finescale.laws.fitting.layout import Data
from finescale.laws.forms import PRETRAINING
from finescale.laws.intervals.ensemble import Ensemble
from finescale.laws.intervals.resampling import (
    CELL,
    Resamples,
    cell_losses,
    generator,
    load_resamples,
    save_resamples,
)


@dataclass(frozen=True)
class PretrainingPoint:
    """A base model, or a logged checkpoint of one: validation loss in nats per token."""

    x: float  # parameters or tokens
    log_perplexity: float
    split: str  # fit or held-out


@dataclass(frozen=True)
class PretrainingLaw:
    """The law over one factor, with the points it was fitted to and tested on."""

    family: str
    factor: str  # llm_model_size or pretraining_tokens
    model_size_as: str
    diverged: int  # base models left out
    points: tuple[PretrainingPoint, ...]
    fit: Fit
    deviation_fitted: float | None
    deviation_held_out: float | None
    resamples: Resamples = field(default_factory=dict)

    @property
    def ensemble(self) -> Ensemble:
        """The law with its resamples."""
        return Ensemble(PRETRAINING, self.fit.parameters, self.resamples.get(CELL, {}))

    def to_json(self) -> dict:
        """The law as JSON values, without its resamples."""
        plain = {name: value for name, value in vars(self).items() if name != "resamples"}
        points = [asdict(point) for point in self.points]
        return plain | {"points": points, "fit": self.fit.to_json()}

    @classmethod
    def from_json(cls, values: Mapping, resamples: Resamples) -> "PretrainingLaw":
        """The inverse of `to_json`, given the resamples."""
        points = tuple(PretrainingPoint(**point) for point in values["points"])
        fit = Fit.from_json(values["fit"])
        return cls(**{**values, "points": points, "fit": fit, "resamples": resamples})


def save_pretraining_laws(folder: Path, laws: Sequence[PretrainingLaw]) -> None:
    """Write `pretraining_law.json` and `resamples.npz`."""
    values = [law.to_json() for law in laws]
    (folder / "pretraining_law.json").write_text(json.dumps(values, indent=1) + "\n")
    save_resamples(folder / "resamples.npz", [law.resamples for law in laws])


def load_pretraining_laws(laws: Path, resamples: Path) -> list[PretrainingLaw]:
    """The inverse of `save_pretraining_laws`."""
    by_law = load_resamples(resamples)
    return [
        PretrainingLaw.from_json(values, by_law.get(index, {}))
        for index, values in enumerate(json.loads(laws.read_text()))
    ]


@dataclass(frozen=True)
class BaseModel:
    """One pretraining: its plan's labels and its `result.json`."""

    size: str
    nominal_size: int
    pretraining_tokens: int
    result: Mapping

    @property
    def ok(self) -> bool:
        """Whether it did not diverge."""
        return self.result["status"] == "ok"

    def x(self, model_size_as: str) -> float:
        """X for model size: nominal, total or non-embedding parameters."""
        counts = {
            "nominal": self.nominal_size,
            "total": self.result.get("model_parameters"),
            "non_embedding": self.result.get("non_embedding_parameters"),
        }
        size = counts[model_size_as]
        if size is None:
            raise ValueError(f"no {model_size_as} parameter count for model size {self.size}")
        return float(size)


def fit_pretraining(models: Sequence[BaseModel], parameters: Mapping) -> list[PretrainingLaw]:
    """Both laws of one family, from the parameters of a `pretraining_law` recipe.

    Over model size: the models that saw the most tokens. Over tokens: the logged curve of the base
    size's longest run, where the checkpoint nearest to the held-out size is held out.
    """
    longest = max(model.pretraining_tokens for model in models)
    full = [model for model in models if model.pretraining_tokens == longest]
    held_out = parameters["held_out"]
    laws = {
        "llm_model_size": (
            _size_points(full, parameters["model_size_as"], held_out.get("llm_model_size")),
            sum(not model.ok for model in full),
        ),
        "pretraining_tokens": _token_points(
            [model for model in models if model.size == parameters["base_size"]],
            held_out.get("pretraining_tokens"),
        ),
    }
    return [_law(factor, *found, parameters) for factor, found in laws.items()]


def _size_points(
    models: Sequence[BaseModel], model_size_as: str, held_out: int | None
) -> list[PretrainingPoint]:
    return [
        PretrainingPoint(
            model.x(model_size_as),
            model.result["log_perplexity"],
            "held-out" if model.nominal_size == held_out else "fit",
        )
        for model in sorted(models, key=lambda model: model.nominal_size)
        if model.ok
    ]


def _token_points(
    models: Sequence[BaseModel], held_out: int | None
) -> tuple[list[PretrainingPoint], int]:
    """The logged checkpoints of the longest run, if there is one, and 1 if it diverged, else 0."""
    if not models:
        return [], 0
    run = max(models, key=lambda model: model.pretraining_tokens)
    if not run.ok:
        return [], 1
    curve = [(float(row["tokens"]), row["log_perplexity"]) for row in run.result["curve"]]
    nearest = None
    if held_out is not None and curve:
        nearest = min((tokens for tokens, _ in curve), key=lambda t: abs(np.log(t / held_out)))
    return [
        PretrainingPoint(tokens, loss, "held-out" if tokens == nearest else "fit")
        for tokens, loss in curve
    ], 0


def _law(
    factor: str, points: list[PretrainingPoint], diverged: int, parameters: Mapping
) -> PretrainingLaw:
    fitted = [point for point in points if point.split == "fit"]
    held_out = [point for point in points if point.split == "held-out"]
    fit, resamples = _fitted(fitted, parameters)
    return PretrainingLaw(
        family=parameters["family"],
        factor=factor,
        model_size_as=parameters["model_size_as"],
        diverged=diverged,
        points=tuple(points),
        fit=fit,
        deviation_fitted=_deviation(fit, fitted),
        deviation_held_out=_deviation(fit, held_out),
        resamples=resamples,
    )


def _fitted(points: Sequence[PretrainingPoint], parameters: Mapping) -> tuple[Fit, Resamples]:
    """The law and, where points are left to tell their error, its resamples."""
    data, objective = _data(points), Objective("raw", parameters["huber_delta"])
    try:
        fit = fit_law(PRETRAINING, {"": data}, objective=objective)
    except Unfittable as error:
        shortage = Fit(PRETRAINING.name, NOT_IDENTIFIED, error.shortage, points=len(points))
        return shortage, {}
    freedom, count = len(points) - len(PRETRAINING.parameters), parameters["resamples"]
    if not fit.ok or freedom < 1 or not count:
        return fit, {}
    law = PRETRAINING.predict(fit.parameters, **data.variables)
    variance = float(np.sum(np.log(data.loss / law) ** 2)) / freedom
    rng = generator(parameters["family"], PRETRAINING.name, str(len(points)))
    losses = {"": cell_losses(law, variance, freedom, count, rng)}
    refits = refit_rows(PRETRAINING, {"": data}, fit, objective=objective, losses=losses)
    return fit, {CELL: refits.parameters}


def _data(points: Sequence[PretrainingPoint]) -> Data:
    losses = np.array([point.log_perplexity for point in points])
    return Data(losses, {"X": np.array([point.x for point in points])})


def _deviation(fit: Fit, points: Sequence[PretrainingPoint]) -> float | None:
    if not points or not fit.ok:
        return None
    data = _data(points)
    predicted = PRETRAINING.predict(fit.parameters, **data.variables)
    return float(np.mean(np.abs(predicted - data.loss)))
