"""The `reading` of a source: how the bytes of its raw files become records."""

from collections.abc import Mapping
from typing import Any

from finescale.errors import UserError, suggestion

RECORDS: Mapping[str, Any] = {"format": "records"}
# The keys that a format needs, and those that it may have.
FORMATS: dict[str, tuple[set[str], set[str]]] = {
    "records": (set(), set()),
    "lines": ({"source", "target"}, {"codes"}),
    "moses": (set(), set()),
    "tsv": ({"columns"}, {"header"}),
    "sgm": ({"source", "target"}, set()),
    "wmt-xml": ({"member", "reference"}, set()),
    "parquet": ({"columns"}, set()),
    "jsonl": ({"columns"}, {"member"}),
    "text": (set(), {"member"}),
}
EVERYWHERE = {"format", "language"}
COLUMNS = {"source", "target", "text", "source_language", "target_language", "id"}


def read_reading(reading: Any, where: str) -> Mapping[str, Any]:
    """Check the `reading` of an entry, and give the default for none."""
    if reading is None:
        return RECORDS
    if not isinstance(reading, dict) or "format" not in reading:
        raise UserError(f"{where}: reading needs a format, one of {', '.join(FORMATS)}")
    form = reading["format"]
    if form not in FORMATS:
        raise UserError(f"{where}: reading: no format {form!r}{suggestion(str(form), FORMATS)}")
    needed, optional = FORMATS[form]
    if missing := needed - reading.keys():
        raise UserError(f"{where}: reading: {form} needs {', '.join(sorted(missing))}")
    if unknown := reading.keys() - needed - optional - EVERYWHERE:
        raise UserError(f"{where}: reading: {form} has no {', '.join(sorted(unknown))}")
    _check_columns(reading.get("columns"), f"{where}: reading: columns")
    return reading


def _check_columns(columns: Any, where: str) -> None:
    if columns is None:
        return
    if not isinstance(columns, dict) or not columns:
        raise UserError(f"{where}: expected a mapping such as {{source: question, target: answer}}")
    if unknown := columns.keys() - COLUMNS:
        raise UserError(f"{where}: unknown {sorted(unknown)}, known: {sorted(COLUMNS)}")
    if "text" not in columns and not {"source", "target"} <= columns.keys():
        raise UserError(f"{where}: examples need source and target, documents need text")
