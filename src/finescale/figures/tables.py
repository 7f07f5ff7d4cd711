"""Tables 1 and 3: what the study is made of."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from finescale.figures.style import FACTOR_TITLES, format_count, method_title, save, write_csv
from finescale.figures.typeset import DASH, Block, typeset
from finescale.laws.points import FACTORS, METHODS


def setup_table(tasks: Sequence[Mapping], folder: Path) -> None:
    """Table 1: the tasks, and every grid of values with the held-out one.

    Each task has title, family, train_examples (or None), max_source_tokens, max_target_tokens,
    test_sets, zero_shot_sets and `grid`: for llm_model_size and pretraining_tokens {values,
    held_out}, for pet_parameter_size and finetuning_examples the same by method.
    """
    header = ("Task", "Base LLM", "#Train", "Length", "Test sets", "Zero-shot sets")
    rows = tuple(
        (
            task["title"],
            task["family"],
            DASH if task["train_examples"] is None else f"{task['train_examples']:,}",
            f"{task['max_source_tokens']}/{task['max_target_tokens']}",
            ", ".join(task["test_sets"]),
            ", ".join(task["zero_shot_sets"]) or DASH,
        )
        for task in tasks
    )
    grids = _grid_rows(tasks)
    blocks = [
        Block("(a) Finetuning tasks (length: most source/target tokens)", header, rows),
        Block(
            "(b) Values of each factor; a value held out is left out of the fits",
            ("Factor", "Where", "Values", "Held out"),
            tuple(
                (FACTOR_TITLES[row[0]], _where(row[1]), ", ".join(row[2]), row[3] or DASH)
                for row in grids
            ),
            tuple(i for i in range(len(grids) - 1) if grids[i][0] != grids[i + 1][0]),
        ),
    ]
    save(typeset(blocks), folder, "table")
    columns = ("task", "base_llm", "train_examples", "length", "test_sets", "zero_shot_sets")
    records = [dict(zip(columns, row, strict=True)) | {"record": "task"} for row in rows]
    records += [
        {"record": "grid", "factor": factor, "where": _where(scope), "held_out": held_out}
        | {"values": ";".join(values)}
        for factor, scope, values, held_out in grids
    ]
    write_csv(
        Path(folder) / "table.csv",
        ("record", *columns, "factor", "where", "values", "held_out"),
        records,
    )


def _grid_rows(tasks: Sequence[Mapping]) -> list[tuple]:
    """(factor, {task title: methods}, values, held-out value), equal grids gathered in one."""
    gathered: dict[tuple, dict[str, list[str]]] = {}
    for factor in (*FACTORS, "finetuning_examples"):
        for task in tasks:
            for method, axis in _axes(factor, task["grid"][factor]):
                values = tuple(_value(value) for value in axis["values"])
                held_out = axis.get("held_out")
                key = (factor, values, "" if held_out is None else _value(held_out))
                gathered.setdefault(key, {}).setdefault(task["title"], []).append(method)
    return [(key[0], scope, key[1], key[2]) for key, scope in gathered.items() if key[1]]


def _axes(factor: str, grid: Mapping) -> list[tuple[str, Mapping]]:
    """(method title or nothing, {values, held_out}) for each axis of a factor."""
    if factor in ("llm_model_size", "pretraining_tokens"):
        return [("", grid)]
    return [(method_title(method), grid[method]) for method in METHODS if method in grid]


def _where(scope: Mapping[str, Sequence[str]]) -> str:
    """The tasks of each set of methods: `Task 1, Task 2: FMT, LoRA`."""
    by_methods: dict[str, list[str]] = {}
    for title, methods in scope.items():
        by_methods.setdefault(", ".join(filter(None, methods)), []).append(title)
    parts = (
        ", ".join(titles) + (f": {methods}" if methods else "")
        for methods, titles in by_methods.items()
    )
    return "; ".join(parts)


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else format_count(value)


def model_size_table(sizes: Mapping[str, Mapping], folder: Path) -> None:
    """Table 3, small to large: name -> {nominal, layers, heads, head_dim, ffn_dim, model_dim}.

    Of base models made elsewhere the dimensions may not be given.
    """
    ordered = sorted(sizes.items(), key=lambda item: item[1]["nominal"])
    columns = ("layers", "heads", "head_dim", "ffn_dim", "model_dim")
    header = ("Size", "Parameters (nominal)", "Layers", "Heads", "Head dim", "FFN dim", "Model dim")
    rows = tuple(
        (name, format_count(size["nominal"]), *(str(size.get(column, DASH)) for column in columns))
        for name, size in ordered
    )
    save(typeset([Block("Model sizes", header, rows)]), folder, "table")
    write_csv(
        Path(folder) / "table.csv",
        ("size", "nominal", *columns),
        (
            {"size": name} | {column: size.get(column, "") for column in ("nominal", *columns)}
            for name, size in ordered
        ),
    )
