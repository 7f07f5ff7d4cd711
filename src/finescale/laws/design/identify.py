"""What keeps points from identifying a law or an interval from being right, in words."""

from collections.abc import Iterable, Mapping

from finescale.counts import format_count
from finescale.laws.combined import CombinedLaw
from finescale.laws.design.interests import Question
from finescale.laws.design.precision import Noise
from finescale.laws.design.results import Estimate
from finescale.laws.design.runs import new_values, run_of
from finescale.laws.forms import FORMS
from finescale.laws.points import FACTORS

NAMES = dict(zip(FACTORS, ("model size", "pretraining size", "PET size"), strict=True))
MISFIT = 3.0  # times what seeds explain
WIDE = 10.0  # high over low; a law is not straight over so wide an interval


def shortages(
    laws: Iterable[CombinedLaw], at: Mapping[str, float], model_size_as: str
) -> list[str]:
    """Why nothing can be said about `at`, with what to run; empty where something can."""
    found = []
    for law in laws:
        if not law.fit.ok:
            found.append(f"{law.method}: {_unfitted(law)}")
        for factor, value in at.items():
            if factor not in law.factors and _values(law, factor, model_size_as) - {value, None}:
                found.append(
                    f"{law.method}: nothing can be said about {NAMES[factor]} {value:.4g}:"
                    f" {_missing(law, factor, model_size_as)}"
                )
    return found


def absent(laws: Iterable[CombinedLaw], model_size_as: str) -> list[str]:
    """The factors of base models that have no exponent, and why."""
    return [
        f"{law.method}: no exponent of {NAMES[factor]}: {_missing(law, factor, model_size_as)}"
        for law in laws
        for factor in FACTORS[:2]
        if factor not in law.factors and _values(law, factor, model_size_as) != {None}
    ]


def _missing(law: CombinedLaw, factor: str, model_size_as: str) -> str:
    """Why a factor has no exponent, and which runs would give it one."""
    values = _values(law, factor, model_size_as)
    known = sorted(value for value in values if value is not None)
    if not known or None in values:
        return f"not all points have a {NAMES[factor]}"
    if len(known) > 1:
        return (
            f"their {len(known)} values of {NAMES[factor]} differ in another factor as well;"
            " run two of them with all else equal"
        )
    others = " or ".join(map(format_count, new_values(known)))
    return f"all points have {format_count(known[0])}; run a second one, such as {others}"


def _unfitted(law: CombinedLaw) -> str:
    """Too few data sizes, mended by another one, or else too short a range of them."""
    examples = [cell.finetuning_examples for cell in law.cells]
    form = FORMS[law.shape]
    needed = 2 + ("E" in form.coefficients) + len(form.onsets)
    further = [value for value in new_values(examples) if value > max(examples)]
    mend = "finetune on {} examples".format(" or ".join(map(format_count, further)))
    what = law.fit.reason
    if len(set(examples)) < needed:
        what = f"{len(set(examples))} finetuning data sizes of the {needed} that it needs"
    else:
        mend += ", which widens their range, and repeat cells with other seeds"
    return f"the {law.shape} law is {law.fit.status} ({what}); {mend}"


def _values(law: CombinedLaw, factor: str, model_size_as: str) -> set[float | None]:
    return {getattr(run_of(cell, model_size_as), factor) for cell in law.cells}


def doubts(
    laws: Iterable[CombinedLaw],
    noise: Mapping[str, Noise],
    question: Question,
    estimates: Iterable[Estimate],
) -> list[str]:
    """What makes the intervals of an identified law less than they seem."""
    found = []
    for law in laws:
        if law.fit.at_bound:
            names = ", ".join(law.fit.at_bound)
            found.append(f"{law.method}: {names} ended at 0, near which the intervals are rough")
        here = noise[law.method]
        if here.cell > MISFIT * here.run:
            found.append(
                f"{law.method}: cells lie {here.cell:.2%} off the law where seeds differ by"
                f" {here.run:.2%}: another form may hold, and more seeds would tell little"
            )
        if not here.base_model_known:
            found.append(
                f"{law.method}: too few base models to tell how much they differ from the law; the"
                " intervals take them for perfect and are too short. More base models, or a"
                " base-model noise of your own, would tell"
            )
    if question.logarithmic:
        found += [
            f"the interval of the {each.name} is so wide that it is rough"
            for each in estimates
            if each.high > WIDE * each.low
        ]
    return found
