"""The `finescale` command: questions about a store of results.

finescale verify             re-hash everything and name what is wrong
finescale trace PATH         the way from a figure back to the raw data
finescale invalidate DIGEST  show, then remove, an artifact and everything built from it
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from finescale.errors import UserError
from finescale.store import Store
from finescale.store.lineage import (
    artifact_of_path,
    dependents,
    remove,
    trace,
    verify,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 1 something is wrong."""
    parsed = _parser().parse_args(arguments)
    try:
        if not parsed.store.is_dir():
            raise UserError(f"{parsed.store}: no store here. Run from the repository's root.")
        status = parsed.run(Store(parsed.store), parsed)
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
        prog="finescale", description="Questions about a store of results."
    )
    parser.add_argument("--store", type=Path, default=Path("results/store"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    verifying = commands.add_parser("verify", help="re-hash everything and name what is wrong")
    verifying.set_defaults(run=_verify)

    tracing = commands.add_parser("trace", help="the way from a figure back to the raw data")
    tracing.add_argument("path", help="a figure, a table, any file of the store, or a digest")
    tracing.set_defaults(run=_trace)

    invalidating = commands.add_parser(
        "invalidate", help="show, then remove, an artifact and everything built from it"
    )
    invalidating.add_argument("digest", help="the first digits of a digest")
    invalidating.add_argument("--yes", action="store_true", help="remove without asking")
    invalidating.set_defaults(run=_invalidate)
    return parser


def _verify(store: Store, _: argparse.Namespace) -> int:
    problems = list(verify(store))
    for problem in problems:
        print(problem)
    count = sum(1 for _ in store.artifacts())
    print(f"{count} artifacts, {len(problems)} problems")
    return 1 if problems else 0


def _trace(store: Store, parsed: argparse.Namespace) -> int:
    is_digest = re.fullmatch("[0-9a-f]+", parsed.path)
    artifact = (
        store.by_digest(parsed.path) if is_digest else artifact_of_path(store, Path(parsed.path))
    )
    for line in trace(store, artifact):
        print(line)
    return 0


def _invalidate(store: Store, parsed: argparse.Namespace) -> int:
    artifact = store.by_digest(parsed.digest)
    doomed = [artifact, *dependents(store, artifact)]
    for item in doomed:
        print(f"{item.recipe.reference[:33]}  {item.label}")
    if not parsed.yes and not _confirmed(f"Remove these {len(doomed)} artifacts? [y/N] "):
        print("Nothing was removed.")
        return 0
    remove(store, reversed(doomed))  # what was built last goes first
    print(f"Removed {len(doomed)} artifacts; snakemake makes again what a study needs.")
    return 0


def _confirmed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # no terminal to ask: leave everything as it is
        print()
        return False
