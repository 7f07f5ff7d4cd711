"""The `finescale` command. `finescale --help` lists what it can do."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from finescale.cli import (
    advice,
    cost,
    data,
    design,
    gc,
    imports,
    laws,
    preview,
    show,
    sources,
    store,
)
from finescale.errors import UserError

GROUPS = {
    "scaling laws from a table of finetuning runs": (laws, advice, design),
    "a study that is not finished": (cost, preview),
    "questions about a store of results": (store, gc, imports),
    "what models learn from": (data, sources),
    "what models wrote": (show,),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 1 something is wrong."""
    try:
        parsed = _parser().parse_args(arguments)
        status = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `finescale trace ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="finescale",
        usage="finescale [-h] [--store STORE] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=Path("results/store"),
        help="where the artifacts lie (default: %(default)s); only for questions about a store",
    )
    commands = parser.add_subparsers(
        prog="finescale", required=True, metavar="COMMAND", help=argparse.SUPPRESS
    )
    listing = ["commands (`finescale COMMAND --help` says more):"]
    for title, modules in GROUPS.items():
        known = set(commands.choices)
        for module in modules:
            module.add_commands(commands)
        listing += ["", f"{title}:"]
        listing += [
            f"  {name:<12}{command.description}"
            for name, command in commands.choices.items()
            if name not in known
        ]
    parser.description = "\n".join(listing)
    return parser
