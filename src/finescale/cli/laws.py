"""`finescale fit`: scaling laws from a table of finetuning runs."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from finescale.cli.arguments import add_command, add_resamples, read_table
from finescale.cli.tables import show, text_table, to_json
from finescale.counts import format_count
from finescale.numbers import format_interval

if TYPE_CHECKING:
    from finescale.laws import Form, Law, Point, Settings, TaskFit

FACTORS = {
    "llm_model_size": "model size",
    "pretraining_tokens": "pretraining",
    "pet_parameter_size": "PET size",
}
SHOWN = ("alpha", "beta", "E")  # A and B are values at X = D = 1: not to be compared between laws


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = add_command(
        commands,
        "fit",
        "fit the laws, with intervals",
        "finescale fit resources/example_points.csv --plot laws.pdf\n"
        "  finescale fit points.csv --json | jq '.laws[].fit.parameters'",
    )
    add_resamples(parser)
    parser.set_defaults(run=_fit)


def _fit(parsed: argparse.Namespace) -> int:
    from finescale.laws import fit_task

    points, settings = read_table(parsed, parsed.resamples)
    fit = fit_task(points, settings)
    if parsed.plot:
        from finescale.figures.answers import draw_fit

        draw_fit(fit, points, parsed.plot)
    if parsed.json:
        print(to_json(fit))
    else:
        print("\n".join([*_about(points, settings), *_laws(fit), *_notes(fit)]))
    return 0


def _about(points: "Sequence[Point]", settings: "Settings") -> Iterator[str]:
    """What was read."""
    import numpy as np

    from finescale.laws.points import methods, status_counts

    counts = status_counts(points)
    held_out = sum(point.split == "held-out" for point in points)
    failed = {name: count for name, count in counts.items() if name != "ok" and count}
    left_out = [f"{held_out} held out", *(f"{count} {name}" for name, count in failed.items())]
    of = ", ".join(methods(points))
    yield f"{settings.title}: {len(points)} runs ({', '.join(left_out)}) of {of}"
    losses = np.array([point.test_log_perplexity for point in points if point.status == "ok"])
    low, high = losses.min(), losses.max()
    yield (
        f"test log-perplexity {low:.2f} to {high:.2f} nats per token, which is a perplexity of"
        f" {show(np.exp(low).item())} to {show(np.exp(high).item())}"
    )
    base = settings.base
    pet = [f"{method} {size}" for method, size in base.pet_parameter_size.items()]
    centre = [
        base.llm_model_size
        and f"model size {format_count(base.llm_model_size)} ({settings.model_size_as})",
        base.pretraining_tokens and f"pretraining {format_count(base.pretraining_tokens)} tokens",
        pet and f"PET size {', '.join(pet)}",
    ]
    if any(centre):
        yield f"the factors cross at {', '.join(part for part in centre if part)}"


def _laws(fit: "TaskFit") -> Iterator[str]:
    """A table for each form, and below it which laws did not simply converge."""
    from finescale.laws.forms import FORMS

    for name in dict.fromkeys(law.form for law in fit.laws):
        laws = [law for law in fit.laws if law.form == name]
        yield from ("", f"{name}: L = {_formula(FORMS[name])}", text_table([*map(_row, laws)]))
        remarks: dict[str, list[str]] = {}
        for law in laws:
            if law.fit.status != "converged":
                why = law.fit.reason or f"{', '.join(law.fit.at_bound or law.fit.held)} at a bound"
                remarks.setdefault(f"{law.fit.status} ({why})", []).append(_name(law))
        yield from (f"{remark}: {', '.join(names)}" for remark, names in remarks.items())


def _formula(form: "Form") -> str:
    terms = []
    for term in form.terms:
        powers = [f"{power.variable}^{power.exponent}" for power in term.powers]
        onsets = [power.onset for power in term.powers]
        factors = [f"({o} + {p})" if o else p for o, p in zip(onsets, powers, strict=True)]
        divisor = factors[0] if len(factors) == 1 else f"({' '.join(factors)})"
        terms.append(f"{term.coefficient} / {divisor}" if factors else term.coefficient)
    return " + ".join(terms)


def _name(law: "Law") -> str:
    return f"{law.method} {_x(law)}".rstrip()


def _x(law: "Law") -> str:
    """What tells a law from the others of its method and form."""
    if law.form == "single":
        return format_count(law.x) if law.x else ""
    return FACTORS[law.factor]


def _row(law: "Law") -> dict[str, object]:
    single = law.form == "single"
    row: dict[str, object] = {"method": law.method, "model size" if single else "X": _x(law)}
    intervals = law.intervals().get(law.scheme or "", {})
    for name in SHOWN[single:]:
        row[name] = (
            format_interval(law.fit.parameters[name], intervals[name])
            if name in intervals
            else show(law.fit.parameters.get(name), 3)
        )
    return row | {
        "fitted": _deviation(law.deviation_fitted),
        "held out": _deviation(law.deviation_held_out),
    }


def _deviation(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _notes(fit: "TaskFit") -> Iterator[str]:
    """How to read the tables, and what the points leave open."""
    yield ""
    yield "X is the factor, D the finetuning examples; fitted and held out are the mean absolute"
    yield "distances of law and points, nats per token."
    schemes = dict.fromkeys(law.scheme for law in fit.laws if law.scheme)
    if schemes:
        yield f"Brackets hold 95% of {fit.settings.resamples} resamples ({', '.join(schemes)})."
    for level in fit.levels:
        if level.profile and not level.profile.identified:
            high = show(level.profile.high, 2)
            yield f"{level.method}, {level.form}: E is not identified, anything up to {high} fits."
