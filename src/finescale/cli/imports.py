"""`finescale store import`: the artifacts of another store, taken over."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.errors import UserError
from finescale.store import Store

if TYPE_CHECKING:
    from finescale.store.importing import Imported

PROGRESS_SECONDS = 10.0


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser("store", description="import PATH: take over another store")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    importing = actions.add_parser(
        "import",
        description="Check every artifact of another store, and take over those that are whole and"
        " not here, by hard links on the same disk, else by copies.",
    )
    importing.add_argument(
        "path", type=Path, help="another results/store, or the folder that holds it"
    )
    importing.set_defaults(run=_import)


def _import(parsed: argparse.Namespace) -> int:
    from finescale.store.importing import candidates, import_artifact, other_store

    store = Store(parsed.store)
    folders = candidates(other_store(parsed.path, store))
    found: list[Imported] = []
    shown = time.monotonic()
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        for number, folder in enumerate(folders, 1):
            found.append(import_artifact(store, folder))
            _name(found[-1])
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                print(f"{number} of {len(folders)} looked at", file=sys.stderr, flush=True)
    except OSError as error:
        raise UserError(
            f"{error}\n{_adopted(found)} artifacts were taken over, each of them whole. "
            "Mend that, then run the same command again: it goes on from there."
        ) from None
    return _summary(store, found)


def _name(item: "Imported") -> None:
    """A line for what was not taken over though it is not here."""
    if item.outcome == "left out":
        print(f"{item.folder}: left out: {item.problem}")
    if item.outcome == "conflict" and item.artifact:
        print(
            f"{item.folder}: has other bytes than {item.artifact.folder}, which stays"
            f" ({item.artifact.label})"
        )


def _adopted(found: "list[Imported]") -> int:
    return sum(item.outcome in ("adopted", "restored") for item in found)


def _summary(store: Store, found: "list[Imported]") -> int:
    from finescale.store.importing import loose_ends

    counts = Counter(item.outcome for item in found)
    print(
        f"{len(found)} artifacts: {counts['adopted']} taken over, {counts['here']} here already,"
        f" {counts['restored']} that were stripped here restored, {counts['conflict']} with other"
        f" bytes, {counts['left out']} left out"
    )
    taken = [item.artifact for item in found if item.outcome == "adopted" and item.artifact]
    ends = Counter(other_bytes for _, other_bytes in loose_ends(store, taken))
    if ends[False]:
        print(f"{ends[False]} of those taken over were made from inputs that are not here")
    if ends[True]:
        print(
            f"{ends[True]} of those taken over were made from other bytes than their inputs have"
            " here; `finescale verify` names them"
        )
    return 1 if counts["conflict"] or counts["left out"] else 0
