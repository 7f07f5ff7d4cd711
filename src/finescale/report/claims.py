"""The paper's eight claims (arXiv 2402.17193), computed from a study's laws, points and scores."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from finescale.figures.pairs import critical_pairs
from finescale.figures.style import FACTOR_TITLES, method_title
from finescale.laws import ADDITIVE, MULTIPLICATIVE, Law, Point, TaskFit
from finescale.laws.forms import JOINT_FORMS
from finescale.laws.points import FACTORS, Cell, cells, on_factor
from finescale.report.critical import critical_size_depends_on_task, lora_against_prompt
from finescale.report.scores import SuiteScores, ability_is_kept, perplexity_follows_score
from finescale.report.verdicts import Claim, Finding, Part, measured, missing

MODEL_SIZE, PRETRAINING, PET_SIZE = FACTORS
PET_METHODS = ("prompt", "lora")
NEXT_TO_NOTHING = 0.01  # the paper, section 4: |alpha_t| << 1e-2
NO_LAWS = "the study has no laws to compare"


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
    findings = [
        _form_finding(fit, method, factor, _held_out(fit, points, method, factor))
        for fit in fits
        for factor in FACTORS
        for method in _methods(fit)
        if fit.law(method, MULTIPLICATIVE.name, factor)
    ]
    part = Part(
        "The multiplicative law foretells held-out runs better than the additive law.",
        "held-out error of the additive law less that of the multiplicative law (nats per token)",
        tuple(findings),
        reason=NO_LAWS,
    )
    return Claim("Multiplicative beats additive", "Section 3, Tables 2 and 6", (part,))


def _held_out(fit: TaskFit, points: Sequence[Point], method: str, factor: str) -> list[Cell]:
    of_method = [p for p in points if (p.task, p.method) == (fit.settings.task, method)]
    measured_cells = on_factor(cells(of_method), factor, fit.settings.base)
    return [cell for cell in measured_cells if cell.held_out]


def _form_finding(fit: TaskFit, method: str, factor: str, held_out: Sequence[Cell]) -> Finding:
    names = fit.settings.title, f"{FACTOR_TITLES[factor]}, {method_title(method)}"
    laws = [fit.law(method, form.name, factor) for form in JOINT_FORMS]
    if problem := _problem(laws):
        return missing(*names, problem)
    if not held_out:
        return missing(*names, "nothing is held out")
    by_form = {law.form: _deviations(law, held_out, fit) for law in laws if law}
    estimate, resamples = (
        by_form[ADDITIVE.name][i] - by_form[MULTIPLICATIVE.name][i] for i in (0, 1)
    )
    return measured(*names, float(estimate), np.asarray(resamples))


def _deviations(law: Law, held_out: Sequence[Cell], fit: TaskFit) -> tuple[float, np.ndarray]:
    """Mean absolute deviation of the law and of each of its resamples, nats per token."""
    loss = np.array([cell.loss for cell in held_out])
    variables = {
        "X": np.array([cell.x(law.factor, fit.settings.model_size_as) for cell in held_out]),
        "D": np.array([float(cell.finetuning_examples) for cell in held_out]),
    }
    ensemble = law.ensemble
    own = float(np.mean(np.abs(ensemble.predict(**variables) - loss)))
    if not ensemble.resamples:
        return own, np.array([])
    return own, np.mean(np.abs(ensemble.predict_resamples(**variables) - loss), axis=1)


def model_size_beats_pretraining(fits: Sequence[TaskFit]) -> Claim:
    """alpha_m > alpha_p; both come from the same resamples."""
    findings = [
        _difference(fit, method_title(method), "alpha", (method, MODEL_SIZE), (method, PRETRAINING))
        for fit in fits
        for method in _methods(fit)
    ]
    part = Part(
        "The exponent of model size is larger than that of pretraining data.",
        "α of model size less α of pretraining data",
        tuple(findings),
        reason=NO_LAWS,
    )
    return Claim("A larger model helps more than more pretraining: αₘ > αₚ", "Section 4", (part,))


def pet_size_has_no_effect(fits: Sequence[TaskFit]) -> Claim:
    """|alpha_t| is at most what the paper calls next to nothing."""
    findings = []
    for fit, method in product(fits, PET_METHODS):
        law = fit.law(method, MULTIPLICATIVE.name, PET_SIZE)
        if law is None:
            continue
        names = fit.settings.title, method_title(method)
        if problem := _problem([law]):
            findings.append(missing(*names, problem))
            continue
        alpha = law.ensemble.resamples.get("alpha", np.array([]))
        within = np.abs(alpha) <= NEXT_TO_NOTHING
        findings.append(measured(*names, law.fit.parameters["alpha"], alpha, within))
    part = Part(
        f"The exponent of PET size is at most {NEXT_TO_NOTHING} in size.",
        "α of PET size",
        tuple(findings),
        border=NEXT_TO_NOTHING,
        reason="no task varies the PET size",
    )
    return Claim("More PET parameters hardly help: αₜ is near 0", "Section 4, Figure 4", (part,))


def full_tuning_uses_data_best(fits: Sequence[TaskFit]) -> Claim:
    """beta of FMT less that of each PET method, of the laws over model size or what else varies."""
    findings = [
        _difference(fit, f"FMT against {method_title(method)}", "beta", ("fmt", f), (method, f))
        for fit in fits
        for method in PET_METHODS
        if (f := _shared_factor(fit, "fmt", method))
    ]
    part = Part(
        "The exponent of finetuning data is larger for FMT than for PET.",
        "β of FMT less β of the PET method",
        tuple(findings),
        reason=NO_LAWS,
    )
    return Claim("FMT gains most from finetuning data: β above PET's", "Section 4", (part,))


def _methods(fit: TaskFit) -> tuple[str, ...]:
    """The methods that have joint laws."""
    joint = {law.method for law in fit.laws if law.form == MULTIPLICATIVE.name}
    return tuple(method for method in ("fmt", *PET_METHODS) if method in joint)


def _shared_factor(fit: TaskFit, *two: str) -> str | None:
    """The first factor over which both methods have a law."""
    for factor in (MODEL_SIZE, PRETRAINING):
        if all(fit.law(method, MULTIPLICATIVE.name, factor) for method in two):
            return factor
    return None


def _difference(
    fit: TaskFit, subject: str, name: str, first: tuple[str, str], second: tuple[str, str]
) -> Finding:
    """A parameter of one law less that of another; each is given as method and factor."""
    laws = [fit.law(method, MULTIPLICATIVE.name, factor) for method, factor in (first, second)]
    if problem := _problem(laws):
        return missing(fit.settings.title, subject, problem)
    one, two = (law for law in laws if law)
    gap = one.fit.parameters[name] - two.fit.parameters[name]
    if not (one.resamples and two.resamples):
        return measured(fit.settings.title, subject, gap, np.array([]))
    resamples = one.ensemble.resamples[name] - two.ensemble.resamples[name]
    return measured(fit.settings.title, subject, gap, resamples)


def _problem(laws: Sequence[Law | None]) -> str:
    """Why laws cannot be compared; nothing where they can."""
    for law in laws:
        if law is None:
            return "not measured"
        if not law.fit.ok:
            return f"{method_title(law.method)}: {law.fit.reason or law.fit.status}"
    return ""
