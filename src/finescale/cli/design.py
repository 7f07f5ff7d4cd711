"""`finescale design`: which further runs would tell most about a question, for their compute."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from finescale.cli.arguments import PET_SIZE, add_command, add_count, add_place, read_table
from finescale.cli.plans import page
from finescale.cli.tables import to_json
from finescale.counts import format_count
from finescale.errors import UserError

if TYPE_CHECKING:
    from finescale.laws import Point
    from finescale.laws.design import Interest

KINDS = ("loss", "difference", "critical-size", "exponents")
OF_TWO, OF_DATA = ("difference", "critical-size"), ("loss", "difference")
MOST_NOISE = 0.2  # of a loss: more is a percentage, written without its sign


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = add_command(
        commands,
        "design",
        "which further runs would tell most, for their compute",
        "finescale design resources/example_points.csv --of difference --methods fmt lora"
        " --data 20k --model 2M\n"
        "  finescale design points.csv --of loss --method lora --data 20k --json"
        " | jq '.plan_per_cost[].candidate.run'",
    )
    parser.add_argument("--of", choices=KINDS, required=True, help="what you want to know better")
    parser.add_argument("--method", help="for loss and exponents")
    parser.add_argument(
        "--methods", nargs=2, metavar=("A", "B"), help="for difference and critical-size"
    )
    add_place(parser, data_required=False)
    add_count(parser, "--pet-size", "SIZE", PET_SIZE.format(""))
    _add_noise(
        parser,
        "--noise",
        "how far runs scatter that differ in their seed alone, as a share of the loss: 0.005"
        " or 0.5%% (default: as the points tell)",
    )
    _add_noise(
        parser,
        "--base-model-noise",
        "the same of base models that were pretrained alike (default: as the points tell)",
    )
    add_count(parser, "--tokens-per-example", "TOKENS", "for the compute of a run (default: 100)")
    add_count(parser, "--runs", None, "how many to plan (default: %(default)s)", default=5)
    parser.add_argument(
        "--form",
        help="multiplicative, additive, power or rectified (default: what the points prefer)",
    )
    parser.set_defaults(run=_design)


def _add_noise(parser: argparse.ArgumentParser, option: str, meaning: str) -> None:
    """An option that takes a relative standard deviation, 0.005 or 0.5%."""

    def parse(text: str) -> float:
        percent = text.endswith("%")
        try:
            value = float(text.rstrip("%")) / (100 if percent else 1)
        except ValueError:
            raise UserError(f"{option} is {text!r}, which is not a number") from None
        if value > MOST_NOISE:
            raise UserError(
                f"{option} {text} is {value:.0%} of the loss, more than any law survives; did you"
                f" mean {value / 100:g}, which is {value:g}%?"
            )
        return value

    parser.add_argument(option, type=parse, metavar="SHARE", help=meaning)


def _design(parsed: argparse.Namespace) -> int:
    from finescale.laws.design import TOKENS_PER_EXAMPLE, design

    points, settings = read_table(parsed, resamples=0)
    result = design(
        points,
        interest=_interest(parsed, points),
        model_size_as=settings.model_size_as,
        objective=settings.objective,
        noise=parsed.noise,
        base_model_noise=parsed.base_model_noise,
        tokens_per_example=parsed.tokens_per_example or TOKENS_PER_EXAMPLE,
        runs=parsed.runs,
        form=parsed.form,
    )
    title = _title(parsed, list(result.forms))
    if parsed.plot:
        from finescale.figures.answers import draw_design

        draw_design(result, title, parsed.plot)
    print(to_json(result) if parsed.json else "\n".join(page(result, title)))
    return 0


def _interest(parsed: argparse.Namespace, points: "Sequence[Point]") -> "Interest":
    """What is asked, with every contradiction refused."""
    from finescale.laws.advice.question import Question
    from finescale.laws.design import CriticalSize, Difference, Exponents, Loss
    from finescale.laws.points import FACTORS, cells

    methods = _methods(parsed, points)
    if parsed.of in OF_DATA and parsed.data is None:
        raise UserError(f"the {parsed.of} is asked at a data size: add --data, such as --data 20k")
    if parsed.of not in OF_DATA and parsed.data is not None:
        raise UserError(f"--of {parsed.of} is about all data sizes: leave --data out")
    asked = dict(zip(FACTORS, (parsed.model, parsed.pretraining, parsed.pet_size), strict=True))
    at = {factor: float(value) for factor, value in asked.items() if value is not None}
    if parsed.of == "exponents":
        if at:
            raise UserError("exponents are the same everywhere: leave --model and the like out")
        return Exponents(methods[0])
    Question(1.0, parsed.model, parsed.pretraining, parsed.pet_size).check(cells(points))
    if parsed.of == "critical-size":
        return CriticalSize(methods[0], methods[1], at)
    if parsed.of == "difference":
        return Difference(methods[0], methods[1], parsed.data, at)
    return Loss(methods[0], parsed.data, at)


def _methods(parsed: argparse.Namespace, points: "Sequence[Point]") -> tuple[str, ...]:
    """The one or two methods that the interest takes; those of the table if there are no others."""
    from finescale.laws.points import methods

    if parsed.method and parsed.methods:
        raise UserError("give --method or --methods, not both")
    wanted = 2 if parsed.of in OF_TWO else 1
    given = tuple(parsed.methods or ([parsed.method] if parsed.method else []))
    known = methods(points)
    chosen = given or known
    if len(chosen) != wanted:
        listed = ", ".join(known)
        option = "--methods A B" if wanted == 2 else "--method"
        raise UserError(f"--of {parsed.of} takes {option}; the table has {listed}")
    return chosen


def _title(parsed: argparse.Namespace, methods: Sequence[str]) -> str:
    """The question in words."""
    question = {
        "loss": "the loss of {}",
        "difference": "the loss of {} minus that of {}",
        "critical-size": "the data size at which {} and {} are equally good",
        "exponents": "the exponents of {}",
    }[parsed.of].format(*methods)
    units = {
        "{} finetuning examples": parsed.data,
        "model size {}": parsed.model,
        "{} pretraining tokens": parsed.pretraining,
        "PET size {}": parsed.pet_size,
    }
    places = [words.format(format_count(value)) for words, value in units.items() if value]
    return question + (f" at {', '.join(places)}" if places else "")
