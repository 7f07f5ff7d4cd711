"""What the commands about laws share: the table of points, numbers, and where a plot goes.

The laws are imported by the commands themselves, so that `--help` does not wait for numpy.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.counts import parse_count
from finescale.errors import UserError

if TYPE_CHECKING:
    from finescale.laws import Point, Settings

PROCEDURES = ("recommended", "paper")
RESAMPLES = 1000
PLOT_FORMATS = (".pdf", ".png", ".svg")
PET_SIZE = "LoRA rank or prompt length{} (default: each method's most common one)"


def add_command(
    commands: Any, name: str, description: str, example: str
) -> argparse.ArgumentParser:
    """A command about a table of points, with an example below its options."""
    parser = commands.add_parser(
        name,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "points",
        type=Path,
        metavar="POINTS.CSV",
        help="a row for each run: at least finetuning_examples and test_log_perplexity (nats per"
        " token), and method, model_parameters, pretraining_tokens, pet_parameter_size, seed, split"
        " (fit or held-out) as far as they vary; resources/example_points.csv is one",
    )
    parser.add_argument("--task", help="needed if the table has several")
    parser.add_argument(
        "--model-size-as",
        choices=("nominal", "total", "non_embedding"),
        help="which count is the model size (default: the first of these that the table has)",
    )
    parser.add_argument(
        "--procedure",
        choices=PROCEDURES,
        default=PROCEDURES[0],
        help="recommended: least squares of log losses, weighted by what seeds say about the noise;"
        " paper: Huber loss with delta 0.001, as in arXiv 2402.17193 (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print everything as JSON; null stands for no value, or for a bound that is open",
    )
    parser.add_argument(
        "--plot",
        type=_plot_path,
        metavar="OUT.PDF",
        help="draw the answer too, as pdf, png or svg by the name's ending",
    )
    return parser


def add_resamples(parser: argparse.ArgumentParser) -> None:
    """How many refits stand behind each interval."""
    parser.add_argument(
        "--resamples",
        type=_whole_number,
        default=RESAMPLES,
        help="refits behind each interval (default: %(default)s)",
    )


def add_place(parser: argparse.ArgumentParser, *, data_required: bool) -> None:
    """Which finetuning data size and base model the question is about."""
    add_count(
        parser,
        "--data",
        "EXAMPLES",
        "finetuning examples: 20000, 20k and 2e4 are the same",
        required=data_required,
    )
    add_count(
        parser,
        "--model",
        "PARAMETERS",
        "model size, as --model-size-as counts it: 8B, 8e9 (default: the most common one)",
    )
    add_count(
        parser,
        "--pretraining",
        "TOKENS",
        "tokens of pretraining: 300B (default: the most common number)",
    )


def add_count(
    parser: argparse.ArgumentParser, option: str, metavar: str | None, meaning: str, **more: Any
) -> None:
    """An option that takes a positive count as people write it."""
    parser.add_argument(option, type=count(option), metavar=metavar, help=meaning, **more)


def count(option: str) -> Callable[[str], int]:
    """What reads a positive count as people write it, 8B or 8e9, for that option."""

    def parse(text: str) -> int:
        try:
            return parse_count(text)
        except ValueError as error:
            raise UserError(f"{option} {error}") from None

    return parse


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _plot_path(text: str) -> Path:
    """Where a plot can be written, known before anything is fitted."""
    path = Path(text)
    if path.suffix.lower() not in PLOT_FORMATS:
        raise UserError(f"--plot {text}: the name must end in {', '.join(PLOT_FORMATS)}")
    if not path.parent.is_dir():
        raise UserError(f"--plot {text}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UserError(f"--plot {text}: that is a folder; name a file in it")
    return path


def read_table(parsed: argparse.Namespace, resamples: int) -> "tuple[list[Point], Settings]":
    """The points of the task that is asked about, and how to fit them."""
    from finescale.laws import LOG_LEAST_SQUARES, PAPER, Settings, read_points
    from finescale.laws.points import choose_model_size, infer_base, one_task

    points = one_task(read_points(parsed.points), parsed.task)
    if not any(point.status == "ok" for point in points):
        raise UserError(f"{parsed.points}: no run has status ok, there is nothing to fit")
    paper = parsed.procedure == "paper"
    settings = Settings(
        task=points[0].task,
        title=points[0].task or parsed.points.stem,
        model_size_as=choose_model_size(points, parsed.model_size_as),
        objective=PAPER if paper else LOG_LEAST_SQUARES,
        seed_weights=not paper,
        resamples=resamples,
        base=infer_base(points),
    )
    return points, settings
