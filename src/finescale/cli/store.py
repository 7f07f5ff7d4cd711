"""`finescale verify`, `trace`, `invalidate`: questions about a store of results."""

import argparse
import re
from pathlib import Path
from typing import Any

from finescale.errors import UserError
from finescale.store import Store
from finescale.store.lineage import (
    artifact_of_path,
    dependents,
    remove,
    trace,
    verify,
)


def add_commands(commands: Any) -> None:
    """Add the commands to the sub-parsers."""
    verifying = commands.add_parser("verify", description="re-hash everything, name what is wrong")
    verifying.set_defaults(run=_verify)

    tracing = commands.add_parser("trace", description="the way from a figure back to the raw data")
    tracing.add_argument("path", help="a figure, a table, any file of the store, or a digest")
    tracing.set_defaults(run=_trace)

    invalidating = commands.add_parser(
        "invalidate", description="show, then remove, an artifact and all that is built from it"
    )
    invalidating.add_argument("digest", help="the first digits of a digest")
    invalidating.add_argument("--yes", action="store_true", help="remove without asking")
    invalidating.set_defaults(run=_invalidate)


def open_store(parsed: argparse.Namespace) -> Store:
    """The store that `--store` names; UserError where there is none."""
    if not parsed.store.is_dir():
        raise UserError(f"{parsed.store}: no store here. Run from the repository's root.")
    return Store(parsed.store)


def _verify(parsed: argparse.Namespace) -> int:
    store = open_store(parsed)
    problems = list(verify(store))
    for problem in problems:
        print(problem)
    stripped = [bool(artifact.stripped()) for artifact in store.artifacts()]
    note = f" ({sum(stripped)} of them stripped)" if any(stripped) else ""
    print(f"{len(stripped)} artifacts{note}, {len(problems)} problems")
    return 1 if problems else 0


def _trace(parsed: argparse.Namespace) -> int:
    store = open_store(parsed)
    is_digest = re.fullmatch("[0-9a-f]+", parsed.path)
    artifact = (
        store.by_digest(parsed.path) if is_digest else artifact_of_path(store, Path(parsed.path))
    )
    for line in trace(store, artifact):
        print(line)
    return 0


def _invalidate(parsed: argparse.Namespace) -> int:
    store = open_store(parsed)
    artifact = store.by_digest(parsed.digest)
    doomed = [artifact, *dependents(store, artifact)]
    for item in doomed:
        print(f"{item.recipe.reference[:33]}  {item.label}")
    if not parsed.yes and not confirmed(f"Remove these {len(doomed)} artifacts? [y/N] "):
        print("Nothing was removed.")
        return 0
    remove(store, reversed(doomed))  # what was built last goes first
    print(f"Removed {len(doomed)} artifacts; snakemake makes again what a study needs.")
    return 0


def confirmed(question: str) -> bool:
    """Whether the person at the terminal says yes; no where there is none."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
