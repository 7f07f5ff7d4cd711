"""The claims about exponents and forms, on laws whose every resample is known."""

import numpy as np
import pytest

from finescale.laws import Fit
from finescale.report import claims
from finescale.report.verdicts import CONTRADICTED, NOT_DECIDED, SUPPORTED

MODEL_SIZE, PRETRAINING, PET_SIZE = (
    "llm_model_size",
    "pretraining_tokens",
    "pet_parameter_size",
)


def only(claim):
    (part,) = claim.parts
    (finding,) = part.findings
    return finding


@pytest.mark.parametrize(
    ("below", "verdict"),
    [(0, SUPPORTED), (1, SUPPORTED), (2, NOT_DECIDED), (39, CONTRADICTED), (40, CONTRADICTED)],
)
def test_alpha_m_above_alpha_p_is_counted_over_paired_resamples(made_up, below, verdict):
    alpha_m = np.linspace(0.2, 0.6, 40)
    alpha_p = alpha_m - 0.1
    alpha_p[:below] += 0.2
    fit = made_up.task_fit(
        made_up.law(factor=MODEL_SIZE, alpha=0.4, resamples={"alpha": alpha_m}),
        made_up.law(factor=PRETRAINING, alpha=0.3, resamples={"alpha": alpha_p}),
    )
    found = only(claims.model_size_beats_pretraining([fit]))
    assert found.estimate == pytest.approx(0.1)
    assert (found.share, found.verdict) == ((40 - below) / 40, verdict)
    assert (found.task, found.subject) == ("Help", "FMT")


def test_a_law_that_was_not_found_is_named(made_up):
    lost = made_up.law(factor=PRETRAINING)
    failed = Fit("multiplicative", "not identified", "too few points")
    lost = type(lost)(**vars(lost) | {"fit": failed})
    fit = made_up.task_fit(made_up.law(factor=MODEL_SIZE), lost)
    found = only(claims.model_size_beats_pretraining([fit]))
    assert (found.verdict, found.estimate) == (NOT_DECIDED, None)
    assert found.reason == "Pretraining data size: too few points"


def test_a_factor_that_was_not_varied_is_not_compared(made_up):
    found = only(claims.model_size_beats_pretraining([made_up.task_fit(made_up.law())]))
    assert found.reason == "Pretraining data size: not measured"


def test_of_two_forms_the_one_that_was_not_found_is_named(made_up):
    failed = Fit("additive", "not identified", "too few points")
    lost = made_up.law(form="additive")
    lost = type(lost)(**vars(lost) | {"fit": failed})
    held_out = made_up.point(split="held-out")
    found = claims.multiplicative_beats_additive(
        [made_up.task_fit(made_up.law(), lost)], [held_out]
    )
    assert only(found).reason == "additive law: too few points"


@pytest.mark.parametrize(
    ("alpha", "verdict"),
    [
        (np.linspace(-0.009, 0.009, 40), SUPPORTED),
        (np.linspace(-0.03, 0.03, 40), NOT_DECIDED),
        (np.linspace(0.02, 0.03, 40), CONTRADICTED),
        (np.linspace(-0.03, -0.02, 40), CONTRADICTED),
    ],
)
def test_alpha_t_near_zero_is_within_what_the_paper_says(made_up, alpha, verdict):
    law = made_up.law("lora", PET_SIZE, alpha=float(alpha.mean()), resamples={"alpha": alpha})
    found = only(claims.pet_size_has_no_effect([made_up.task_fit(law)]))
    assert found.verdict == verdict
    assert found.share == np.mean(np.abs(alpha) <= 0.01)


def test_beta_of_fmt_is_compared_with_each_pet_method(made_up):
    laws = [
        made_up.law(method, beta=beta, resamples={"beta": np.full(40, beta)})
        for method, beta in (("fmt", 0.2), ("prompt", 0.05), ("lora", 0.3))
    ]
    found = claims.full_tuning_uses_data_best([made_up.task_fit(*laws)])
    prompt, lora = (part.findings[0] for part in found.parts)
    assert [part.quantity for part in found.parts] == [
        "β of FMT less β of prompt tuning",
        "β of FMT less β of LoRA",
    ]
    assert (prompt.estimate, lora.estimate) == pytest.approx((0.15, -0.1))
    assert (prompt.verdict, lora.verdict) == (SUPPORTED, CONTRADICTED)
    assert found.verdict == CONTRADICTED


def test_the_form_is_judged_on_held_out_points_alone(made_up):
    """Loss by the multiplicative law: X^-0.5 D^-0.5; the additive one says X^-0.5 + D^-0.5."""
    held_out = [(100, 400), (100, 900), (1000, 400)]
    points = [
        made_up.point(nominal_size=x, finetuning_examples=d, loss=(x * d) ** -0.5, split="held-out")
        for x, d in held_out
    ]
    points.append(made_up.point(loss=77.0))  # fitted
    points.append(made_up.point("lora", loss=77.0, split="held-out"))
    shift = np.linspace(-0.001, 0.001, 40)
    fit = made_up.task_fit(
        made_up.law(alpha=0.5, resamples={"E": shift}),
        made_up.law(alpha=0.5, form="additive", resamples={"E": np.zeros(40)}),
    )
    found = only(claims.multiplicative_beats_additive([fit], points))
    errors = [abs(x**-0.5 + d**-0.5 - (x * d) ** -0.5) for x, d in held_out]
    assert found.estimate == pytest.approx(np.mean(errors))
    assert found.resamples == pytest.approx(np.mean(errors) - np.abs(shift))
    assert (found.verdict, found.subject) == (SUPPORTED, "LLM model size, FMT")


def test_without_held_out_points_the_forms_are_not_compared(made_up):
    fit = made_up.task_fit(made_up.law(), made_up.law(form="additive"))
    found = only(claims.multiplicative_beats_additive([fit], [made_up.point()]))
    assert found.reason == "nothing is held out"


def test_there_are_eight_claims_and_none_is_decided_by_nothing():
    found = claims.eight_claims([], [], [])
    assert len(found) == 8
    assert {claim.verdict for claim in found} == {NOT_DECIDED}
    assert all(part.reason for claim in found for part in claim.parts)


def test_all_claims_can_be_made_of_single_laws(made_up):
    fit = made_up.task_fit(made_up.law())
    assert len(claims.eight_claims([fit], [made_up.point()], [])) == 8
