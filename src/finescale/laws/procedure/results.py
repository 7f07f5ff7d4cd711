"""The laws of one task with their intervals, as `fit.json` and `resamples.npz` keep them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from finescale.laws.fitting.fit import Fit, Objective
from finescale.laws.forms import FORMS
from finescale.laws.intervals.ensemble import Ensemble, interval
from finescale.laws.intervals.profile import LevelProfile
from finescale.laws.intervals.resampling import (
    BASE_MODEL,
    CASE,
    CELL,
    Resamples,
    load_resamples,
    save_resamples,
)
from finescale.laws.points import Base

PREFERRED = (BASE_MODEL, CELL, CASE)  # the scheme whose interval is shown, the most honest first


@dataclass(frozen=True)
class Settings:
    """How the laws of one task are fitted."""

    task: str
    title: str
    model_size_as: str  # nominal, total or non_embedding: what counts as X for model size
    objective: Objective
    seed_weights: bool  # weigh each mean by what its seeds say about its noise
    resamples: int
    base: Base

    @classmethod
    def from_recipe(cls, parameters: Mapping) -> "Settings":
        """From the parameters of a fit recipe: the paper's procedure."""
        names = ("task", "title", "model_size_as", "resamples")
        return cls(
            **{name: parameters[name] for name in names},
            objective=Objective("raw", parameters["huber_delta"]),
            seed_weights=False,
            base=Base(**parameters["base"]),
        )

    @classmethod
    def from_json(cls, values: Mapping) -> "Settings":
        """From `fit.json`."""
        plain = {field.name: values[field.name] for field in fields(cls)}
        objective, base = Objective(**plain["objective"]), Base(**plain["base"])
        return cls(**plain | {"objective": objective, "base": base})


@dataclass(frozen=True)
class Law:
    """A fitted law with its mean absolute deviations (nats per token; None without points).

    `factor` is the X of a joint law; a single-variable law belongs to one model size, `x`.
    `resamples` maps each scheme to the parameters of its refits, (R,) each.
    """

    method: str
    form: str
    factor: str
    nominal_size: int | None
    x: float | None
    fit: Fit
    deviation_fitted: float | None
    deviation_held_out: float | None
    fitted_examples: tuple[int, int] | None = None  # range of the finetuning data it was fitted to
    fitted_x: tuple[float, float] | None = None  # the same of X
    resamples: Resamples = field(default_factory=dict)

    @property
    def scheme(self) -> str | None:
        """Whose intervals are shown."""
        return next((scheme for scheme in PREFERRED if scheme in self.resamples), None)

    @property
    def ensemble(self) -> Ensemble:
        """The law with the resamples of that scheme; a law without parameters has none."""
        resamples = self.resamples[self.scheme] if self.scheme else {}
        return Ensemble(FORMS[self.form], self.fit.parameters, resamples)

    def intervals(self) -> dict[str, dict[str, tuple[float, float]]]:
        """The interval of each parameter, by scheme."""
        return {
            scheme: {
                name: (float(low), float(high))
                for name, values in parameters.items()
                for low, high in [interval(values)]
            }
            for scheme, parameters in self.resamples.items()
        }

    def to_json(self) -> dict:
        """The law as JSON values, resamples summed up as intervals."""
        plain = {name: value for name, value in vars(self).items() if name != "resamples"}
        return plain | {"fit": self.fit.to_json(), "intervals": self.intervals()}

    @classmethod
    def from_json(cls, values: Mapping, resamples: Resamples) -> "Law":
        """The inverse of `to_json`, given the resamples."""
        plain = {name: value for name, value in values.items() if name != "intervals"}
        ranges = {
            name: plain[name] and tuple(plain[name]) for name in ("fitted_examples", "fitted_x")
        }
        return cls(**plain | ranges | {"fit": Fit.from_json(plain["fit"])}, resamples=resamples)


@dataclass(frozen=True)
class Level:
    """What the points of a method say about the E of a form, shared by all factors."""

    method: str
    form: str
    profile: LevelProfile | None


@dataclass(frozen=True)
class TaskFit:
    """All laws of one task."""

    settings: Settings
    counts: dict[str, int]  # runs by status
    laws: tuple[Law, ...]
    levels: tuple[Level, ...]

    def law(self, method: str, form: str, factor: str) -> Law | None:
        """The joint law of a method, or None if the task has no such points."""
        for law in self.laws:
            if (law.method, law.form, law.factor) == (method, form, factor):
                return law
        return None

    def level(self, method: str, form: str) -> LevelProfile | None:
        """The profile of E of a method's joint laws; None if there is none."""
        for level in self.levels:
            if (level.method, level.form) == (method, form):
                return level.profile
        return None

    def to_json(self) -> dict:
        """The content of `fit.json`."""
        return asdict(self.settings) | {
            "counts": self.counts,
            "laws": [law.to_json() for law in self.laws],
            "levels": [asdict(level) for level in self.levels],
        }

    def save(self, folder: Path) -> None:
        """Write `fit.json`, and `resamples.npz` with an array for law, scheme and parameter."""
        (folder / "fit.json").write_text(json.dumps(self.to_json(), indent=1) + "\n")
        save_resamples(folder / "resamples.npz", [law.resamples for law in self.laws])

    @classmethod
    def load(cls, fit: Path, resamples: Path) -> "TaskFit":
        """The inverse of `save`."""
        values = json.loads(fit.read_text())
        by_law = load_resamples(resamples)
        laws = [Law.from_json(law, by_law.get(i, {})) for i, law in enumerate(values["laws"])]
        levels = [
            Level(**level | {"profile": level["profile"] and LevelProfile(**level["profile"])})
            for level in values["levels"]
        ]
        return cls(Settings.from_json(values), dict(values["counts"]), tuple(laws), tuple(levels))
