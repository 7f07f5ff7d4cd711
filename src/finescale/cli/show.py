"""`finescale show`: what a model wrote, beside what it should have written."""

import argparse
import gzip
import json
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from finescale.cli.store import open_store
from finescale.cli.tables import show
from finescale.errors import UserError
from finescale.store import Artifact, Store

FIELDS = ("source", "reference", "output")
GAP = "  "
INSTEAD = {  # what to look at where there are no outputs, by stage
    "score": "its generations are among its inputs: `finescale trace {digest}`",
    "loss": "its `examples.csv` has the loss of each example",
    "finetune": "its generations are named in `results/<study>/index.csv`",
    "figure": "it is in `results/<study>/figures/`",
    "table": "it is in `results/<study>/tables/`",
    "report": "it is `results/<study>/report.html`",
}


def add_commands(commands: Any) -> None:
    """Add the command to the sub-parsers."""
    showing = commands.add_parser(
        "show", description="a few sources, references and outputs side by side"
    )
    showing.add_argument("digest", help="the first digits of a generation's digest")
    showing.add_argument(
        "--examples", type=int, default=5, help="how many, spread evenly (default: %(default)s)"
    )
    showing.add_argument("--width", type=int, help="columns of text (default: the terminal's)")
    showing.set_defaults(run=_show)


def _show(parsed: argparse.Namespace) -> int:
    store = open_store(parsed)
    artifact = store.by_digest(parsed.digest)
    refuse_others(artifact)
    if parsed.examples < 1:
        raise UserError(f"--examples is {parsed.examples}; give 1 or more")
    width = parsed.width or shutil.get_terminal_size().columns
    for line in page(artifact, segment_scores(store, artifact), parsed.examples, width):
        print(line)
    return 0


def refuse_others(artifact: Artifact) -> None:
    """UserError for anything but a generation: what it is, and what to show instead."""
    stage, digest = artifact.recipe.stage, artifact.recipe.digest[:12]
    if stage != "generate":
        named = f" ({artifact.label})" if artifact.label else ""
        instead = INSTEAD.get(stage, "`finescale trace {digest}` shows what it is made from")
        raise UserError(
            f"{digest} is a {stage} artifact{named}, not the outputs of a model; "
            f"{instead.format(digest=digest)}.\n"
            "`grep ,generate, results/<study>/index.csv` lists the generations of a study."
        )


def segment_scores(store: Store, artifact: Artifact) -> dict[str, dict[str, float]]:
    """The scores of each example by its id, from all score artifacts that have them."""
    reference, digest = artifact.recipe.reference, artifact.recipe.digest
    scores: dict[str, dict[str, float]] = {}
    for scored in store.artifacts("score"):
        if reference not in scored.recipe.inputs["outputs"]:
            continue
        with gzip.open(scored.file("segments.jsonl.gz"), "rt", encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                if line.pop("digest") == digest:
                    line.pop("source_language")
                    scores.setdefault(line.pop("id"), {}).update(line)
    return scores


def page(
    artifact: Artifact, scores: Mapping[str, Mapping[str, float]], examples: int, width: int
) -> Iterator[str]:
    """The lines to print, none wider than `width` unless that is too narrow for three columns."""
    summary = artifact.json("summary.json")
    yield from wrap(artifact.label or artifact.recipe.digest[:12], width)
    yield from wrap(headline(summary), width)
    with artifact.file("outputs.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    column = max(12, (width - 2 * len(GAP)) // 3)
    for record in spread(records, examples):
        yield ""
        yield from wrap(example_title(record, scores.get(record["id"], {})), width)
        yield from side_by_side([FIELDS, [record[name] or "(empty)" for name in FIELDS]], column)


def headline(summary: Mapping[str, Any]) -> str:
    """What is known of all outputs together."""
    if summary["status"] != "ok":
        return f"no outputs: {summary['status']}"
    words = {"empty": "empty", "unended": "not ended", "cut_sources": "with a cut source"}
    parts = [f"{summary[name]} {word}" for name, word in words.items()]
    return f"{summary['examples']} outputs: {', '.join(parts)}"


def spread(records: Sequence[Any], count: int) -> list[Any]:
    """So many records, evenly from first to last."""
    if count >= len(records):
        return list(records)
    return [records[index * len(records) // count] for index in range(count)]


def example_title(record: Mapping[str, Any], scores: Mapping[str, float]) -> str:
    """Which example, in which languages, with its scores."""
    languages = f"{record['source_language']}-{record['target_language']}"
    marks = [] if record["ended"] else ["not ended"]
    marks += ["source cut"] if record["cut_source"] else []
    marks += [f"{name} {show(value, 3)}" for name, value in scores.items()]
    return f"-- {', '.join([record['id'], languages, *marks])}"


def side_by_side(rows: Iterable[Sequence[str]], width: int) -> Iterator[str]:
    """Rows of texts in columns of a width, wrapped."""
    for row in rows:
        columns = [wrap(text, width) for text in row]
        for pieces in zip_longest(*columns, fillvalue=""):
            padded = (piece + " " * (width - columns_of(piece)) for piece in pieces)
            yield GAP.join(padded).rstrip()


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken at spaces, or anywhere in words that are wider."""
    lines: list[str] = []
    for word in map(printable, text.split()):
        if lines and columns_of(lines[-1]) + 1 + columns_of(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += broken(word, width)
    return lines


def broken(word: str, width: int) -> list[str]:
    """A word in pieces of at most so many columns."""
    pieces = [""]
    for character in word:
        if columns_of(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def printable(text: str) -> str:
    """The text without control characters, which a model may write and a terminal would obey."""
    return "".join("�" if unicodedata.category(one) == "Cc" else one for one in text)


def columns_of(text: str) -> int:
    """Columns that a terminal gives to a text: Chinese characters take two, accents none."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )
