"""The `reading` of a source: how the bytes of its raw files become records."""

from collections.abc import Mapping
from typing import Any

from finescale.errors import UserError, suggestion
from finescale.study.source_checks import is_count, is_text

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
TEXTS = {"source", "target", "member", "reference", "language"}
COLUMNS = {"source", "target", "text", "source_language", "target_language", "id"}


def read_reading(reading: Any, where: str) -> Mapping[str, Any]:
    """Check the `reading` of an entry, and give the default for none."""
    if reading is None:
        return RECORDS
    if not isinstance(reading, dict) or "format" not in reading:
        raise UserError(f"{where}: reading needs a format, one of {', '.join(FORMATS)}")
    form = reading["format"]
    if not isinstance(form, str) or form not in FORMATS:
        raise UserError(f"{where}: reading: no format {form!r}{suggestion(str(form), FORMATS)}")
    needed, optional = FORMATS[form]
    if missing := needed - reading.keys():
        raise UserError(f"{where}: reading: {form} needs {', '.join(sorted(missing))}")
    if unknown := reading.keys() - needed - optional - EVERYWHERE:
        raise UserError(f"{where}: reading: {form} has no {', '.join(sorted(map(str, unknown)))}")
    _check_values(reading, f"{where}: reading")
    if "columns" in reading:
        _check_columns(reading["columns"], f"{where}: reading: columns")
        _check_names(reading, f"{where}: reading: columns")
    return reading


def _check_values(reading: Mapping[str, Any], where: str) -> None:
    for key in reading.keys() & TEXTS:
        if not is_text(reading[key]):
            raise UserError(f"{where}: {key} is {reading[key]!r}, expected text{_quotes(reading)}")
    if not isinstance(reading.get("header", False), bool):
        raise UserError(f"{where}: header is {reading['header']!r}, expected true or false")
    codes = reading.get("codes", {})
    if not isinstance(codes, dict) or not all(map(is_text, [*codes, *codes.values()])):
        raise UserError(f"{where}: codes is {codes!r}, expected text for text: {{de: deu_Latn}}")


def _quotes(reading: Mapping[str, Any]) -> str:
    """YAML 1.1 reads the code of Norwegian as false."""
    return ', in quotes ("no")' if reading.get("language") is False else ""


def _check_columns(columns: Any, where: str) -> None:
    if not isinstance(columns, dict) or not columns:
        raise UserError(f"{where}: expected a mapping such as {{source: question, target: answer}}")
    if unknown := set(columns) - COLUMNS:
        unknown_names = sorted(map(str, unknown))
        raise UserError(f"{where}: unknown {unknown_names}, known: {sorted(COLUMNS)}")
    if "text" not in columns and not {"source", "target"} <= columns.keys():
        raise UserError(f"{where}: examples need source and target, documents need text")


def _check_names(reading: Mapping[str, Any], where: str) -> None:
    """A column is a name; in tables of tabs a number from 0 too, without a header that alone."""
    table, header = reading["format"] == "tsv", reading.get("header", False)
    expected = "a name"
    if table:
        expected = "a name, or a number from 0" if header else "a number from 0 (no `header: true`)"
    for field, column in reading["columns"].items():
        by_name = is_text(column) and (header or not table)
        if not by_name and not (table and is_count(column)):
            raise UserError(f"{where}: {field} is {column!r}, expected {expected}")
