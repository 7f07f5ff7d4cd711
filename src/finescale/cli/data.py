"""`finescale data show`: the data card of a task, in the terminal."""

import argparse
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finescale.cli.show import GAP, side_by_side, wrap
from finescale.cli.tables import bullets, text_table
from finescale.errors import UserError, suggestion
from finescale.store import MANIFEST, Store

if TYPE_CHECKING:
    from finescale.study.plan import Plan

CONFIG = Path("config/demo.yaml")  # as snakemake takes it when none is named


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    parser = commands.add_parser("data", description="show TASK: sizes, lengths, overlap, samples")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    showing = actions.add_parser("show", description="The data card of a task.")
    showing.add_argument("task", help="the task's name in the config")
    showing.add_argument(
        "--config", type=Path, default=CONFIG, help="the study's config (default: %(default)s)"
    )
    showing.add_argument("--width", type=int, help="columns of text (default: the terminal's)")
    showing.set_defaults(run=_show)


def _show(parsed: argparse.Namespace) -> int:
    from finescale.study.files import plan_file

    plan, store = plan_file(parsed.config), Store(parsed.store)
    view = f"results/{plan.study}/data/{parsed.task}"
    cards = {item.path: item.reference for item in plan.views}
    if f"{view}.json" not in cards:
        tasks = [plan.labels[item] for item in plan.recipes if item.startswith("card/")]
        raise UserError(
            f"{parsed.config} has no task `{parsed.task}`{suggestion(parsed.task, tasks)}"
        )
    reference = cards[f"{view}.json"]
    if not _is_there(store, reference):
        raise UserError(_not_yet(plan, store, reference, f"{view}.md", parsed.config))
    width = parsed.width or shutil.get_terminal_size().columns
    for line in page(store.open(reference).json("card.json"), width):
        print(line)
    return 0


def _is_there(store: Store, reference: str) -> bool:
    return (store.folder(reference) / MANIFEST).exists()


def _not_yet(plan: "Plan", store: Store, reference: str, view: str, config: Path) -> str:
    """The message where there is no card: what it is made from, and the command that makes it."""
    inputs = list(dict.fromkeys(plan.recipes[reference].input_references()))
    rows = [
        {
            "needed": plan.recipes[item].stage,
            "what": plan.labels[item],
            "in the store": "yes" if _is_there(store, item) else "no",
        }
        for item in inputs
    ]
    command = ["snakemake", "--cores", "all", view, "--configfile", str(config)]
    return "\n".join(
        [
            f"the data card of {plan.labels[reference]} is not made yet in {store.root}. "
            "It is made from:",
            text_table(rows),
            "Make it, and what of these is missing, by",
            f"  {shlex.join(command)}",
        ]
    )


def page(card: Mapping[str, Any], width: int) -> Iterator[str]:
    """The lines to print. Tables are never cut, prose and samples keep to the width."""
    from finescale.cards import rows

    most = card["most_tokens"]
    yield from wrap(f"{card['title']} ({card['task']})", width)
    yield from wrap(
        f"models read {card['template']!r}, at most {most['source']} tokens of it, and learn at "
        f"most {most['target']} tokens of the target",
        width,
    )
    sections = (
        ("Examples", rows.SIZES, rows.size_rows(card)),
        ("Lengths", rows.LENGTHS, rows.length_rows(card)),
        ("Cleaning", "", rows.cleaning_rows(card)),
        ("Overlap", rows.RULE, rows.overlap_rows(card)),
    )
    for title, about, found in sections:
        yield from _section(title, about, list(found), width)
    for said in rows.overlap_sentences(card):
        yield from wrap(f"- {said}", width)
    yield from wrap(rows.MEANING, width)
    files = list(rows.file_rows(card))
    licences = dict.fromkeys(str(row.pop("licence")) for row in files)
    yield from _section("Raw files", "", files, width)
    yield from bullets("Licences", licences)
    yield from _samples(card, width)


def _section(title: str, about: str, found: list[Any], width: int) -> Iterator[str]:
    from finescale.cards.rows import without_empty

    table = without_empty(found)
    if table:
        yield from ("", title)
        yield from wrap(about, width)
        yield text_table(table)


def _samples(card: Mapping[str, Any], width: int) -> Iterator[str]:
    from finescale.cards.rows import title_of

    column = max(12, (width - len(GAP)) // 2)
    for one in card["sets"]:
        yield from ("", *wrap(f"Samples of {title_of(one)}", width))
        for sample in one["samples"]:
            languages = [sample["source_language"], sample["target_language"]]
            yield from wrap(f"-- {sample['id']}", width)
            yield from side_by_side([languages, [sample["source"], sample["target"]]], column)
