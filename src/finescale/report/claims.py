"""The paper's eight claims (arXiv 2402.17193), computed from a study's laws, points and scores."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from finescale.figures.pairs import critical_pairs
from finescale.figures.style import FACTOR_TITLES, method_title
from finescale.laws import ADDITIVE, MULTIPLICATIVE, Law, Point, TaskFit
from finescale.laws.points import FACTORS, Cell, cells, on_factor
from finescale.report.critical import critical_size_depends_on_task, lora_against_prompt
from finescale.report.scores import (
    PET_METHODS,
    SuiteScores,
    ability_is_kept,
    perplexity_follows_score,
)
from finescale.report.verdicts import Claim, Finding, Part, measured, missing

MODEL_SIZE, PRETRAINING, PET_SIZE = FACTORS
NEXT_TO_NOTHING = 0.01  # the paper, section 4: |alpha_t| << 1e-2
NO_LAWS = "the study has no laws to compare"

Number = Callable[[Law], tuple[float, np.ndarray]]  # of a law and of its resamples, (R,)


def eight_claims(
    fits: Sequence[TaskFit], points: Sequence[Point], scores: Sequence[SuiteScores]
) -> list[Claim]:
    """Every claim with this study's comparisons. `points` are those of all tasks."""
    pairs = critical_pairs(fits, points)
    return [
        multiplicative_beats_additive(fits, points),
        model_size_beats_pretraining(fits),
        pet_size_has_no_effect(fits),
        full_tuning_uses_data_best(fits),
        lora_against_prompt(pairs),
        critical_size_depends_on_task(pairs),
        ability_is_kept(scores),
        perplexity_follows_score(scores),
    ]


def multiplicative_beats_additive(fits: Sequence[TaskFit], points: Sequence[Point]) -> Claim:
    """On held-out points; the two forms were resampled independently of each other."""
    part = Part(
        "The multiplicative law foretells held-out runs better than the additive law.",
        "held-out error of the additive law less that of the multiplicative law (nats per token)",
        tuple(
            _form_finding(fit, method, factor, _held_out(fit, points, method, factor))
            for fit in fits
            for factor in FACTORS
            for method in _methods(fit)
            if _law(fit, method, factor)
        ),
        reason=NO_LAWS,
    )
    return Claim("Multiplicative beats additive", "Section 3, Tables 2 and 6", (part,))


def model_size_beats_pretraining(fits: Sequence[TaskFit]) -> Claim:
    """alpha_m > alpha_p; both come from the same resamples."""
    part = Part(
        "The exponent of model size is larger than that of pretraining data.",
        "α of model size less α of pretraining data",
        tuple(
            _finding(
                fit,
                method_title(method),
                {FACTOR_TITLES[f]: _law(fit, method, f) for f in (MODEL_SIZE, PRETRAINING)},
                _parameter("alpha"),
            )
            for fit in fits
            for method in _methods(fit)
        ),
        reason=NO_LAWS,
    )
    return Claim("A larger model helps more than more pretraining: αₘ > αₚ", "Section 4", (part,))


def pet_size_has_no_effect(fits: Sequence[TaskFit]) -> Claim:
    """|alpha_t| is at most what the paper calls next to nothing."""
    part = Part(
        f"The exponent of PET size is at most {NEXT_TO_NOTHING} in size.",
        "α of PET size",
        tuple(
            _finding(
                fit,
                method_title(method),
                {method_title(method): law},
                _parameter("alpha"),
                holds=lambda alpha: np.abs(alpha) <= NEXT_TO_NOTHING,
            )
            for fit in fits
            for method in PET_METHODS
            if (law := _law(fit, method, PET_SIZE))
        ),
        borders=(-NEXT_TO_NOTHING, NEXT_TO_NOTHING),
        reason="no task varies the PET size",
    )
    return Claim("More PET parameters hardly help: αₜ is near 0", "Section 4, Figure 4", (part,))


def full_tuning_uses_data_best(fits: Sequence[TaskFit]) -> Claim:
    """beta of FMT less that of each PET method, of the laws over model size or what else varies."""
    parts = tuple(
        Part(
            f"The exponent of finetuning data is larger for FMT than for {words}.",
            f"β of FMT less β of {words}",
            tuple(
                _finding(
                    fit,
                    FACTOR_TITLES[factor],
                    {method_title(method): _law(fit, method, factor) for method in ("fmt", pet)},
                    _parameter("beta"),
                )
                for fit in fits
                if (factor := _shared_factor(fit, "fmt", pet))
            ),
            reason=NO_LAWS,
        )
        for pet, words in PET_METHODS.items()
    )
    return Claim("FMT gains most from finetuning data: β above that of PET", "Section 4", parts)


def _form_finding(fit: TaskFit, method: str, factor: str, held_out: Sequence[Cell]) -> Finding:
    subject = f"{FACTOR_TITLES[factor]}, {method_title(method)}"
    if not held_out:
        return missing(fit.settings.title, subject, "nothing is held out")
    laws = {
        f"{form.name} law": fit.law(method, form.name, factor)
        for form in (ADDITIVE, MULTIPLICATIVE)
    }
    return _finding(fit, subject, laws, lambda law: _deviation(law, held_out, fit))


def _finding(
    fit: TaskFit,
    subject: str,
    laws: Mapping[str, Law | None],
    number: Number,
    holds: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Finding:
    """The number of one law, or of the first of two less that of the second, by what they are."""
    names = fit.settings.title, subject
    for label, law in laws.items():
        if law is None:
            return missing(*names, f"{label}: not measured")
        if not law.fit.ok:
            return missing(*names, f"{label}: {law.fit.reason or law.fit.status}")
    found = [number(law) for law in laws.values() if law]
    estimate = float(np.subtract.reduce([estimate for estimate, _ in found]))
    if not all(resamples.size for _, resamples in found):
        return measured(*names, estimate, np.array([]))
    resamples = np.subtract.reduce([resamples for _, resamples in found])
    return measured(*names, estimate, resamples, holds(resamples) if holds else None)


def _parameter(name: str) -> Number:
    return lambda law: (
        law.fit.parameters[name],
        law.ensemble.resamples.get(name, np.array([])),
    )


def _deviation(law: Law, held_out: Sequence[Cell], fit: TaskFit) -> tuple[float, np.ndarray]:
    """Mean absolute deviation of the law and of each of its resamples, nats per token."""
    loss = np.array([cell.loss for cell in held_out])
    variables = {
        "X": np.array([cell.x(law.factor, fit.settings.model_size_as) for cell in held_out]),
        "D": np.array([float(cell.finetuning_examples) for cell in held_out]),
    }
    own = float(np.mean(np.abs(law.ensemble.predict(**variables) - loss)))
    if not law.ensemble.resamples:
        return own, np.array([])
    return own, np.mean(np.abs(law.ensemble.predict_resamples(**variables) - loss), axis=1)


def _held_out(fit: TaskFit, points: Iterable[Point], method: str, factor: str) -> list[Cell]:
    of_method = [p for p in points if (p.task, p.method) == (fit.settings.task, method)]
    measured_cells = on_factor(cells(of_method), factor, fit.settings.base)
    return [cell for cell in measured_cells if cell.held_out]


def _law(fit: TaskFit, method: str, factor: str) -> Law | None:
    return fit.law(method, MULTIPLICATIVE.name, factor)


def _methods(fit: TaskFit) -> tuple[str, ...]:
    """The methods that have joint laws."""
    joint = {law.method for law in fit.laws if law.form == MULTIPLICATIVE.name}
    return tuple(method for method in ("fmt", *PET_METHODS) if method in joint)


def _shared_factor(fit: TaskFit, *two: str) -> str | None:
    """The first factor over which both methods have a law."""
    for factor in (MODEL_SIZE, PRETRAINING):
        if all(_law(fit, method, factor) for method in two):
            return factor
    return None
