"""`finescale gc`: what no study needs goes, after it was shown."""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.cli.store import confirmed, open_store
from finescale.cli.tables import text_table
from finescale.counts import format_bytes
from finescale.errors import UserError, suggestion
from finescale.store import Store

if TYPE_CHECKING:
    from finescale.store import Recipe
    from finescale.study.plan import Plan

WIDTH = 70  # of the examples that are shown


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser(
        "gc", description="show, then remove, what no study needs any more"
    )
    parser.add_argument(
        "configs",
        nargs="*",
        type=Path,
        metavar="CONFIG",
        help="the studies that need something (default: all of config/)",
    )
    parser.add_argument(
        "--strip",
        action="store_true",
        help="drop weights, training states, token arrays and corpora of these studies where"
        " nothing unfinished opens them; a run that wants them later makes them again",
    )
    parser.add_argument(
        "--keep",
        default="",
        metavar="STAGE,...",
        help="stages that --strip leaves as they are, of corpus, tokens, pretrain, checkpoint, "
        "finetune",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show")
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    parser.set_defaults(run=_gc)


def _gc(parsed: argparse.Namespace) -> int:
    store = open_store(parsed)
    kept_stages = _kept_stages(parsed)
    plans = _plans(parsed.configs)
    try:
        if parsed.strip:
            return _strip(store, plans, kept_stages, parsed)
        return _collect(store, plans, parsed)
    except OSError as error:
        raise UserError(
            f"{error}\nWhat is gone is gone as a whole, and all else is as it was. "
            "Mend that, then run `finescale gc` again."
        ) from None


def _kept_stages(parsed: argparse.Namespace) -> list[str]:
    from finescale.study.keeping import HEAVY

    stages = [stage for stage in parsed.keep.split(",") if stage]
    if stages and not parsed.strip:
        raise UserError("--keep says what --strip leaves as it is; give both")
    for stage in stages:
        if stage not in HEAVY:
            raise UserError(
                f"--keep: {stage!r} is no stage that is stripped{suggestion(stage, HEAVY)}"
            )
    return stages


def _plans(configs: Sequence[Path]) -> "list[Plan]":
    """The plans of these configs, or of every study in config/; UserError unless all can be had."""
    from finescale.study.files import CONFIG, plan_file, studies

    try:
        configs = configs or studies()
        plans = [plan_file(path) for path in configs]
    except UserError as error:
        raise UserError(
            f"{error}\nNothing was removed, because nobody can tell what this study needs. "
            "Mend the config, or name only the configs to keep things for."
        ) from None
    if not plans:
        raise UserError(f"{CONFIG}/ holds no study: nothing would be needed. Name a config.")
    print(f"needed: what {', '.join(map(str, configs))} plan{'s' * (len(configs) == 1)}")
    return plans


def _running(store: Store, plans: "Sequence[Plan]") -> "tuple[set[str], list[Recipe]]":
    """What is needed by its place, and the jobs that run for studies that are not given."""
    from finescale.store.collection import place, running, upstream

    planned = {place(reference) for plan in plans for reference in plan.recipes}
    try:
        others = running(store, planned)
    except UserError as error:
        raise UserError(
            f"a job runs for a study that is not given: {error}\nName its config, or wait."
        ) from None
    return planned | upstream(store, others), others


def _collect(store: Store, plans: "Sequence[Plan]", parsed: argparse.Namespace) -> int:
    from finescale.store.collection import find_waste, remove_waste

    found = {item: item.size for item in find_waste(store, _running(store, plans)[0])}
    rows = ((item.kind, item.label or item.path.name, size) for item, size in found.items())
    if not _agreed("Remove", rows, parsed):
        return 0
    still = set(find_waste(store, _running(store, plans)[0]))  # a job may have started meanwhile
    gone = [item for item in found if item in still]
    for path in remove_waste(store, gone):
        print(f"{path}: not all of it could be removed; somebody has it open or owns it")
    print(f"Removed {format_bytes(sum(found[item] for item in gone))}.")
    return 0


def _strip(
    store: Store, plans: "Sequence[Plan]", kept: Sequence[str], parsed: argparse.Namespace
) -> int:
    from finescale.store.stripping import strip
    from finescale.study.keeping import droppable

    labels = {reference: label for plan in plans for reference, label in plan.labels.items()}
    found = droppable(plans, store, _running(store, plans)[1], kept)
    sizes = {item: _size(store, item, names) for item, names in found.items()}
    rows = ((item.partition("/")[0], labels[item], size) for item, size in sizes.items())
    if not _agreed("Drop the heavy files of", rows, parsed):
        return 0
    still = droppable(plans, store, _running(store, plans)[1], kept)
    gone = [item for item in found if still.get(item) == found[item]]
    for reference in gone:
        strip(store, store.open(reference), found[reference])
    print(f"Dropped {format_bytes(sum(sizes[item] for item in gone))}; `finescale verify` knows.")
    return 0


def _size(store: Store, reference: str, names: Iterable[str]) -> int:
    return sum((store.folder(reference) / name).stat().st_size for name in names)


def _agreed(verb: str, found: Iterable[tuple[str, str, int]], parsed: argparse.Namespace) -> bool:
    """Show kinds, names and sizes of what was found, and ask; False where there is nothing."""
    groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for kind, label, size in found:
        groups[kind].append((label, size))
    count = sum(map(len, groups.values()))
    if not count:
        print("There is nothing to remove.")
        return False
    print(text_table(list(_rows(groups))))
    total = format_bytes(sum(size for group in groups.values() for _, size in group))
    if parsed.dry_run:
        print(f"{count} things, {total}; nothing was removed (--dry-run)")
        return False
    if parsed.yes or confirmed(f"{verb} these {count}, {total}? [y/N] "):
        return True
    print("Nothing was removed.")
    return False


def _rows(groups: dict[str, list[tuple[str, int]]]) -> Iterator[dict[str, object]]:
    for kind, items in groups.items():
        labels = "; ".join(sorted(label for label, _ in items))
        yield {
            "what": kind,
            "count": len(items),
            "size": format_bytes(sum(size for _, size in items)),
            "for example": labels if len(labels) <= WIDTH else f"{labels[: WIDTH - 1]}…",
        }
