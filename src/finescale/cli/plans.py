"""What `finescale design` prints for people."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from finescale.cli.tables import bullets, paragraph, text_table
from finescale.counts import format_count, format_rough
from finescale.numbers import format_interval

if TYPE_CHECKING:
    from finescale.laws.design import Candidate, Design, Estimate, Noise, Run, Step

LISTED = 3  # single runs of each ranking
EXPONENTS = {
    "alpha": "of the factor that varies",
    "alpha_m": "of model size",
    "alpha_p": "of pretraining tokens",
    "alpha_t": "of PET size",
    "beta": "of finetuning examples",
}
COLUMNS = {
    "finetuning_examples": "examples",
    "llm_model_size": "model size",
    "pretraining_tokens": "pretraining",
    "pet_parameter_size": "PET size",
}


def page(design: "Design", title: str) -> Iterator[str]:
    """The answer first, then what it rests on."""
    if not design.identified:
        yield paragraph(f"Nothing can be said yet about {title}.")
        yield from bullets("What to run first", design.warnings)
        return
    yield paragraph(f"{title[:1].upper()}{title[1:]}:")
    methods = list(design.forms)
    yield from (f"  {_estimate(each, methods)}" for each in design.estimates)
    yield from _next_run("Best next run for its compute", design.plan_per_cost, design.cost_unit)
    yield from _next_run("Best next run at any price", design.plan, design.cost_unit)
    for heading, ranking in (
        ("Single runs, the best for their compute", design.best_per_cost),
        ("Single runs, the best at any price", design.best),
    ):
        yield from _ranking(heading, ranking[:LISTED], design.cost_unit)
    for heading, plan in (
        ("One after the other, each the best for its compute", design.plan_per_cost),
        ("One after the other, each the best at any price", design.plan),
    ):
        yield from _plan(heading, plan, design.cost_unit)
    yield from bullets("Warnings", design.warnings)
    yield from bullets("How to read this", _reading(design))


def _estimate(one: "Estimate", methods: Sequence[str]) -> str:
    if one.name == "critical size":
        bounds = f"[{format_rough(one.low)}, {format_rough(one.high)}]"
        return f"{format_rough(one.value)} {bounds} finetuning examples (95% interval)"
    if one.name == "difference":
        open_ = one.low <= 0 <= one.high
        better = "either may be better" if open_ else f"{methods[one.low > 0]} is better"
        bounds = f"[{one.low:z.3f}, {one.high:z.3f}]"
        return f"{one.value:z.3f} {bounds} nats per token (95% interval): {better}"
    text = format_interval(one.value, (one.low, one.high))
    if one.name in EXPONENTS:
        return f"{one.name}, {EXPONENTS[one.name]}: {text} (95% interval)"
    return f"{text} nats per token (95% interval)"


def _next_run(title: str, plan: Sequence["Step"], unit: str) -> Iterator[str]:
    if not plan:
        yield f"{title}: none takes a hundredth off the interval"
        return
    first = plan[0].candidate
    yield paragraph(
        f"{title}: {first.run} ({first.kind}): an interval"
        f" {1 - first.width:.0%} narrower for {_cost(first.cost, unit)} {unit}.",
        "  ",
    )


def _cost(cost: float, unit: str) -> str:
    return f"{cost:.1e}".replace("e+", "e") if unit == "FLOPs" else format_count(cost)


def _ranking(title: str, ranking: Sequence["Candidate"], unit: str) -> Iterator[str]:
    places = _places([one.run for one in ranking])
    rows = [
        place
        | {
            "what it is": str(one.kind),
            "width": f"{one.width:.0%}",
            f"cost ({unit})": _cost(one.cost, unit),
        }
        for place, one in zip(places, ranking, strict=True)
    ]
    yield from _table(title, rows)


def _plan(title: str, plan: Sequence["Step"], unit: str) -> Iterator[str]:
    places = _places([step.candidate.run for step in plan])
    rows = [
        {"run": number}
        | place
        | {
            "what it is": str(step.candidate.kind),
            "width so far": f"{step.width:.0%}",
            f"{unit} so far": _cost(step.cost, unit),
        }
        for number, (place, step) in enumerate(zip(places, plan, strict=True), 1)
    ]
    yield from _table(title, rows)


def _places(runs: Sequence["Run"]) -> list[dict[str, object]]:
    """Method and sizes of each run, those that any of them has."""
    columns = [name for name in COLUMNS if any(getattr(run, name) for run in runs)]
    rows: list[dict[str, object]] = [{"method": run.method} for run in runs]
    for row, run in zip(rows, runs, strict=True):
        values = {COLUMNS[name]: getattr(run, name) for name in columns}
        row |= {name: format_count(value) if value else "-" for name, value in values.items()}
    return rows


def _table(title: str, rows: Sequence[dict[str, object]]) -> Iterator[str]:
    if rows:
        yield f"\n{title}"
        yield text_table(rows)


def _reading(design: "Design") -> Iterator[str]:
    yield (
        "width: of the interval, once the run is made, in percent of today's. What is asked without"
        " a size is asked where most runs are."
    )
    yield (
        "another seed repeats measured runs; a new cell is a new combination from a base model that"
        " there is; a new base model has to be pretrained first."
    )
    yield from (f"cost: {text}" for text in design.assumptions)
    laws = ", ".join(f"{method} {form}" for method, form in design.forms.items())
    yield f"laws (docs/laws.md): {laws}"
    yield from (f"{method}: {_noise(noise)}" for method, noise in design.noise.items())


def _noise(noise: "Noise") -> str:
    parts = [f"runs scatter by {noise.run:.2%} ({noise.run_from})"]
    if noise.cell:
        parts.append(f"cells lie a further {noise.cell:.2%} off the law")
    parts.append(f"base models {noise.base_model:.2%} ({noise.base_model_from})")
    return ", ".join(parts)
