"""What a reader of a law's predictions should be warned of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from finescale.counts import format_count
from finescale.laws.combined import CombinedLaw, base_model, freedom_spent
from finescale.laws.ensemble import interval
from finescale.laws.noise import noise_floor
from finescale.laws.profile import NEXT_TO_NOTHING
from finescale.laws.question import NAMES
from finescale.laws.resampling import BASE_MODEL
from finescale.laws.selection import Choice

ENOUGH_FREEDOM = 3  # of variances between base models: Student's t is then 1.6 times the normal


@dataclass(frozen=True)
class Caution:
    """A warning; `kind` is for programs, `methods` are those it is about."""

    kind: str
    methods: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Extrapolation:
    """A variable outside the range (`low`, `high`) of the fitted cells, `times` beyond its end."""

    variable: str
    value: float
    low: float
    high: float
    times: float  # above 1: over the largest, or the smallest over it


def extrapolations(law: CombinedLaw, place: Mapping[str, float]) -> tuple[Extrapolation, ...]:
    """All variables of a place that lie outside what the law was fitted to."""
    found = []
    for name in law.extrapolated(place):
        value, (low, high) = place[name], law.ranges[name]
        found.append(Extrapolation(name, value, low, high, max(value / high, low / value)))
    return tuple(found)


def cautions(
    choices: Mapping[str, Choice], places: Mapping[str, Mapping[str, float]]
) -> tuple[Caution, ...]:
    """The warnings about the methods' laws at these places, the same for several methods once."""
    methods: dict[tuple[str, str], list[str]] = {}
    for method, place in places.items():
        for kind, text in _about(choices[method], place):
            methods.setdefault((kind, text), []).append(method)
    return tuple(Caution(kind, tuple(of), text) for (kind, text), of in methods.items())


def _about(choice: Choice, place: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """The kind and the text of each warning about one method."""
    law = choice.law
    for far in extrapolations(law, place):
        yield "extrapolation", _beyond(far)
    yield from _combination(law, place)
    yield from _level(law)
    yield from _base_models(law)
    if len(law.cells) <= len(law.ensemble.form.parameters):
        yield "no intervals", "no more cells than parameters, hence no intervals"
    if noise_floor(law.cells) is None:
        yield "one seed", "no runs that differ in their seed alone, so the noise is not known"
    yield from _forms(choice, place)


def _beyond(far: Extrapolation) -> str:
    asked = f"{NAMES[far.variable]} {format_count(far.value)}"
    if far.value > far.high:
        largest = format_count(far.high)
        return f"{asked} is {far.times:.3g} times the largest measured, {largest}"
    return f"{asked} is below the smallest measured, {format_count(far.low)}"


def _combination(law: CombinedLaw, place: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Factors that were varied one at a time, and are now away from their base together."""
    away = [name for name in law.factors if not np.isclose(place[name], law.base[name], rtol=1e-9)]
    values = [law.data.variables[name] != law.base[name] for name in away]
    if len(away) > 1 and not np.any(np.all(values, axis=0)):
        names = " and ".join(NAMES[name] for name in away)
        yield "combination", f"no run changes {names} together; how they combine is the form's word"


def _level(law: CombinedLaw) -> Iterator[tuple[str, str]]:
    if "E" in law.fit.at_bound:
        yield "E", "E, the loss that nothing removes, ended at its bound of 0: it is not identified"
    elif "E" in law.ensemble.resamples:
        low, high = interval(law.ensemble.resamples["E"])
        if low < NEXT_TO_NOTHING * law.data.loss.min():
            yield (
                "E",
                "E, the loss that nothing removes, is not identified: anything from 0 to"
                f" {high:.2f} fits",
            )


def _base_models(law: CombinedLaw) -> Iterator[tuple[str, str]]:
    """Intervals that know little of the differences between base models, or nothing."""
    count = len({base_model(cell) for cell in law.cells})
    spent, _ = freedom_spent(law.ensemble.form)
    if count == 1:
        yield (
            "one base model",
            "all runs start from one base model: the intervals leave out what another would change",
        )
    elif count - spent < ENOUGH_FREEDOM:
        rest = (
            "the intervals are wide for that"
            if law.scheme == BASE_MODEL
            else "the intervals leave out how base models differ"
        )
        yield "few base models", f"{count} base models for {spent} parameters over them: {rest}"


def _forms(choice: Choice, place: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Tied forms that predict something else than the preferred one's interval allows."""
    law = choice.law
    if law.scheme is None:
        return
    low, high = interval(law.ensemble.predict_resamples(**place))
    for form in choice.selection.tied:
        loss = float(choice.laws[form].ensemble.predict(**place))
        if not low <= loss <= high:
            yield (
                "tied form",
                f"the {form} form fits as well and predicts {loss:.3f}, outside the interval",
            )
