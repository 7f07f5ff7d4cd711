"""`finescale advise`: which method for this much data and this model."""

import argparse
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from finescale.cli.arguments import (
    PET_SIZE,
    add_command,
    add_place,
    add_resamples,
    count,
    read_table,
)
from finescale.cli.tables import bullets, paragraph, show, text_table, to_json
from finescale.counts import format_count, format_rough
from finescale.errors import UserError
from finescale.numbers import format_interval

if TYPE_CHECKING:
    from finescale.laws.advice import Advice, CriticalSizes
    from finescale.laws.advice.judgement import Doubling, MethodAdvice
    from finescale.laws.critical.crossing import Crossing

ABREAST = 3  # methods beside each other that fit on a page
VARIABLES = {
    "D": "finetuning data",
    "llm_model_size": "model size",
    "pretraining_tokens": "pretraining",
    "pet_parameter_size": "PET size",
}
UNITS = {
    "D": "{} finetuning examples",
    "llm_model_size": "model size {}",
    "pretraining_tokens": "{} pretraining tokens",
}


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = add_command(
        commands,
        "advise",
        "which method for this much data and this model",
        "finescale advise resources/example_points.csv --data 20k --model 2M --plot advice.pdf\n"
        "  finescale advise points.csv --data 20k --pet-size lora=4 prompt=16 --json"
        " | jq .recommendation",
    )
    add_place(parser, data_required=True)
    parser.add_argument(
        "--pet-size",
        nargs="+",
        metavar="SIZE",
        help=PET_SIZE.format(": one for all methods, or METHOD=SIZE for each"),
    )
    add_resamples(parser)
    parser.set_defaults(run=_advise)


def _advise(parsed: argparse.Namespace) -> int:
    from finescale.laws.advice import advise

    pet_size = _pet_size(parsed.pet_size or [])
    points, settings = read_table(parsed, parsed.resamples)
    advice = advise(
        points,
        data=parsed.data,
        model=parsed.model,
        pretraining=parsed.pretraining,
        pet_size=pet_size,
        model_size_as=parsed.model_size_as,
        objective=settings.objective,
        seed_weights=settings.seed_weights,
        resamples=settings.resamples,
    )
    if parsed.plot:
        from finescale.figures.answers import draw_advice

        draw_advice(advice, parsed.plot)
    print(to_json(advice) if parsed.json else "\n".join(page(advice)))
    return 0


def _pet_size(given: Sequence[str]) -> dict[str, float] | float | None:
    """One size for all methods, or one by method."""
    parse = count("--pet-size")
    if len(given) == 1 and "=" not in given[0]:
        return parse(given[0])
    sizes: dict[str, float] = {}
    for text in given:
        method, equals, size = text.rpartition("=")
        if not equals:
            raise UserError(
                f"--pet-size {text}: give one size for all methods, or METHOD=SIZE for each (and"
                " the table of points before the options)"
            )
        sizes[method] = parse(size)
    return sizes or None


def page(advice: "Advice") -> Iterator[str]:
    """The answer first, then what it rests on."""
    yield from _answer(advice)
    yield from _place(advice)
    yield "\nPredicted loss (test log-perplexity, nats per token: lower is better)"
    alone = len(advice.methods) == 1
    yield text_table([_loss_row(method, alone) for method in advice.methods])
    yield from (paragraph(f"not judged: {no.method}: {no.reason}") for no in advice.not_judged)
    yield from _critical_sizes(advice)
    yield from _doublings(advice)
    yield from bullets("Warnings", _warnings(advice))
    yield from bullets("How to read this", _reading(advice))


def _answer(advice: "Advice") -> Iterator[str]:
    """What to do, and how sure that is."""
    best, given = advice.methods[0], advice.recommendation
    if given.runner_up is None or given.difference is None:
        yield paragraph(f"{given.verdict}. Its predicted loss is {show(best.loss)}.")
    elif given.told_apart:
        yield paragraph(
            f"Use {given.method}: {_chance(given.probability)} sure that it is the best of"
            f" {len(advice.methods)} methods; its predicted loss is {given.difference:.2g} below"
            f" that of {given.runner_up}."
        )
    else:
        yield paragraph(f"No clear winner: {given.verdict}.")
        yield paragraph(
            "Take the one that is cheaper to train and serve, or ask `finescale design --of"
            f" difference --methods {given.method} {given.runner_up}` which run would tell them"
            " apart."
        )
    if best.extrapolated:
        names = ", ".join(VARIABLES[far.variable] for far in best.extrapolated)
        yield paragraph(
            f"This is an extrapolation ({names}): the laws may bend outside what was measured."
        )


def _place(advice: "Advice") -> Iterator[str]:
    """What was asked, and what was assumed."""
    asked: list[str] = []
    assumed: list[str] = []
    for variable, words in UNITS.items():
        here = [method for method in advice.methods if variable in method.at]
        for text in dict.fromkeys(words.format(format_count(m.at[variable])) for m in here):
            (assumed if variable in here[0].at_base else asked).append(text)
    pet = [m for m in advice.methods if "pet_parameter_size" in m.at]
    if pet:
        sizes = [f"{m.method} {format_count(m.at['pet_parameter_size'])}" for m in pet]
        given = "pet_parameter_size" not in pet[0].at_base
        (asked if given else assumed).append(f"PET size {', '.join(sizes)}")
    text = f"For {', '.join(asked)}"
    if assumed:
        text += f"; assumed, as in most runs: {', '.join(assumed)}"
    yield paragraph(f"{text}.")


def _loss_row(method: "MethodAdvice", alone: bool) -> dict[str, object]:
    import numpy as np

    perplexity = float(np.exp(method.loss))
    bounds = method.interval
    return {
        "method": method.method,
        "loss [95% interval]": format_interval(method.loss, bounds)
        if bounds
        else show(method.loss),
        "perplexity": format_interval(perplexity, tuple(np.exp(bounds)))
        if bounds
        else show(perplexity),
        "chance to be best": _chance(None if alone else method.probability),
        "law": method.selection.preferred,
    }


def _chance(probability: float | None) -> str:
    if probability is None:
        return "-"
    if probability > 0.995:
        return "over 99%"
    return "under 1%" if probability < 0.005 else f"{probability:.0%}"


def _critical_sizes(advice: "Advice") -> Iterator[str]:
    """Where the better of two methods changes; with many methods, of pairs with the best one."""
    best = advice.recommendation.method
    few = len(advice.methods) <= ABREAST
    pairs = [pair for pair in advice.critical_sizes if few or best in (pair.first, pair.second)]
    if pairs:
        yield "\nCritical sizes: the finetuning examples at which the better of two methods changes"
        yield text_table([row for pair in pairs for row in _pair_rows(pair)])
    if not few:
        yield f"({len(advice.critical_sizes) - len(pairs)} more pairs: --json)"


def _pair_rows(pair: "CriticalSizes") -> Iterator[dict[str, object]]:
    """A row for each critical size of two methods, or one that says who is always better."""
    names = {"first": pair.first, "second": pair.second}
    found = pair.comparison
    rows = [
        (
            f"{names[one.better_below]} below {format_rough(one.size)}{'*' * one.extrapolated},"
            f" {names[one.better_above]} above",
            _range(one),
            one.share,
        )
        for one in found.crossings
    ]
    worse = {"first": pair.second, "second": pair.first}
    always = (
        f"{names[found.better]} at any size, never {worse[found.better]}"
        if found.better
        else f"{pair.first} and {pair.second} are equal"
    )
    for better, interval, share in rows or [(always, "-", found.shares.get(found.better or ""))]:
        yield {
            "the better one": better,
            "95% interval": interval,
            "resamples agree": _chance(share),
        }


def _range(crossing: "Crossing") -> str:
    if crossing.interval is None:
        return "-"
    low, high = crossing.interval
    if math.isinf(high):
        return f"{format_rough(low)} or more" if low else "anything"
    return f"{format_rough(low)} to {format_rough(high)}" if low else f"up to {format_rough(high)}"


def _doublings(advice: "Advice") -> Iterator[str]:
    """A table with the methods beside each other, as many as there is room for."""
    yield "\nWhat twice as much of one thing would change in the loss (all else as asked)"
    for start in range(0, len(advice.methods), ABREAST):
        abreast = advice.methods[start : start + ABREAST]
        changes = {m.method: {d.variable: d for d in m.doubled} for m in abreast}
        rows = [
            {"twice the": name}
            | {method: _change(by_variable.get(key)) for method, by_variable in changes.items()}
            for key, name in VARIABLES.items()
            if any(key in by_variable for by_variable in changes.values())
        ]
        yield text_table(rows)


def _change(doubling: "Doubling | None") -> str:
    if doubling is None:
        return "-"
    text = f"{doubling.change:z.3f}"
    if doubling.interval:
        text += " [{:z.3f}, {:z.3f}]".format(*doubling.interval)
    return text + "*" * doubling.extrapolated


def _warnings(advice: "Advice") -> Iterator[str]:
    for warning in advice.warnings:
        everyone = len(warning.methods) == len(advice.methods) + len(advice.not_judged)
        yield warning.text if everyone else f"{', '.join(warning.methods)}: {warning.text}"


def _reading(advice: "Advice") -> Iterator[str]:
    if any(method.scheme for method in advice.methods):
        yield (
            f"[brackets] hold 95% of {advice.resamples} resamples: refits to losses as they might"
            " have come out. They are about the average run, not a single one, and leave out that a"
            " law may bend outside what was measured."
        )
    if advice.noise_floor is not None:
        yield f"Runs scatter around any law by {advice.noise_floor:.2g}: less than that is no gain."
    yield "* outside what was measured. The laws' names are explained in docs/laws.md."
