"""Parquet files, a few thousand rows at a time."""

from collections.abc import Callable, Iterator
from typing import Any

from finescale.corpora.formats.raw import Columns, Raw
from finescale.errors import UserError, suggestion

BATCH_ROWS = 4096


def read_parquet(raw: Raw) -> Iterator[Columns]:
    """`parquet`: the columns that the reading names, with dots for fields of structures."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    chosen = raw.columns()
    try:
        with ParquetFile(raw.path) as file:
            known = _leaves(file.schema_arrow)
            for column in chosen.values():
                if column not in known:
                    raise UserError(
                        f"{raw.name} has no column {column!r}{suggestion(column, known)}"
                    )
            for batch in file.iter_batches(
                BATCH_ROWS, columns=list(chosen.values()), use_threads=False
            ):
                yield {field: _values(batch, known[at], raw.name) for field, at in chosen.items()}
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:  # bytes that are not UTF-8
        raise UserError(f"{raw.name} cannot be read as parquet: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise UserError(f"{raw.name} cannot be read as parquet: {error}") from None


def _leaves(schema: Any, above: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Every column by its dotted name: the path of names that leads to it."""
    import pyarrow

    found: dict[str, tuple[str, ...]] = {}
    for field in schema:
        path = (*above, field.name)
        if pyarrow.types.is_struct(field.type):
            found |= _leaves(field.type, path)
        else:
            found[".".join(path)] = path
    return found


def _values(batch: Any, path: tuple[str, ...], name: str) -> list[Any]:
    import pyarrow
    from pyarrow import compute

    values = batch.column(path[0])
    if path[1:]:
        values = compute.struct_field(values, list(path[1:]))
    if pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not any(is_one(values.type) for is_one in _text_types()):
        column = ".".join(path)
        raise UserError(f"{name}: column {column!r} holds {values.type}, not text")
    if not (pyarrow.types.is_string(values.type) or pyarrow.types.is_large_string(values.type)):
        values = values.cast(pyarrow.large_string())
    return values.to_numpy(zero_copy_only=False).tolist()


def _text_types() -> tuple[Callable[[Any], bool], ...]:
    """What tells the types of text, of bytes that may be text, and of numbers that ids may be."""
    from pyarrow import types

    return (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
        types.is_binary_view,
        types.is_integer,
    )
