"""Tables 1, 2, 3, 4 and 6."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from finescale.figures.style import (
    FACTOR_TITLES,
    METHOD_TITLES,
    format_count,
    format_loss,
    format_number,
    save,
    write_csv,
)
from finescale.figures.typeset import Block, typeset
from finescale.laws.fit import NOT_IDENTIFIED
from finescale.laws.forms import ADDITIVE, JOINT_FORMS, MULTIPLICATIVE
from finescale.laws.points import FACTORS, METHODS
from finescale.laws.procedure import Law, TaskFit

DASH = "–"
ERROR_COLUMNS = (
    *("task", "factor", "form", "method"),
    *("mean_absolute_deviation", "status", "reason"),
)


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
    return [(METHOD_TITLES[method], grid[method]) for method in METHODS if method in grid]


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
    """Table 3, small to large: name -> {nominal, layers, heads, head_dim, ffn_dim, model_dim}."""
    ordered = sorted(sizes.items(), key=lambda item: item[1]["nominal"])
    columns = ("layers", "heads", "head_dim", "ffn_dim", "model_dim")
    header = ("Size", "Parameters (nominal)", "Layers", "Heads", "Head dim", "FFN dim", "Model dim")
    rows = tuple(
        (name, format_count(size["nominal"]), *(str(size[column]) for column in columns))
        for name, size in ordered
    )
    save(typeset([Block("Model sizes", header, rows)]), folder, "table")
    write_csv(
        Path(folder) / "table.csv",
        ("size", "nominal", *columns),
        (
            {"size": name} | {column: size[column] for column in ("nominal", *columns)}
            for name, size in ordered
        ),
    )


def coefficient_table(fits: Sequence[TaskFit], folder: Path) -> None:
    """Table 4: the multiplicative law's parameters by factor, task and method."""
    names = ("A", "alpha", "beta", "E")
    laws = [
        (factor, fit, method, law)
        for factor in FACTORS
        for fit in fits
        for method in METHODS
        if (law := fit.law(method, MULTIPLICATIVE.name, factor))
    ]
    rows, records = [], []
    for factor, fit, method, law in laws:
        values = [law.fit.parameters.get(name) for name in names]
        shown = [format_number(value) for value in values]
        if not law.fit.ok:
            shown = [NOT_IDENTIFIED, DASH, DASH, DASH]
        else:
            shown[3] = format_loss(values[3])
        rows.append((FACTOR_TITLES[factor], fit.settings.title, METHOD_TITLES[method], *shown))
        records.append(
            {"factor": factor, "task": fit.settings.task, "method": method}
            | law.fit.parameters
            | {"status": law.fit.status, "reason": law.fit.reason}
        )
    header = ("Factor", "Task", "Method", "A", "α", "β", "E")
    rules = tuple(i for i in range(len(rows) - 1) if rows[i][:2] != rows[i + 1][:2])
    caption = "Parameters of the multiplicative law"
    save(typeset([Block(caption, header, tuple(rows), rules)]), folder, "table")
    columns = ("factor", "task", "method", *names, "status", "reason")
    write_csv(Path(folder) / "table.csv", columns, records)


def held_out_table(fits: Sequence[TaskFit], folder: Path) -> None:
    """Tables 2 and 6: held-out error of both joint forms, by method and on average."""
    rows, records = [], []
    for fit in fits:
        for factor in FACTORS:
            laws = {
                (form.name, method): fit.law(method, form.name, factor)
                for form in JOINT_FORMS
                for method in METHODS
            }
            if any(laws.values()):
                rows.append((fit.settings.title, FACTOR_TITLES[factor], *_error_cells(laws)))
                records += _error_records(fit.settings.task, factor, laws)
    columns = [*(METHOD_TITLES[method] for method in METHODS), "Average"]
    over = [("Multiplicative", *[""] * 3), ("Additive", *[""] * 3)]
    names = [
        f"{above}\n{column}" for row in over for above, column in zip(row, columns, strict=True)
    ]
    header = ("\nTask", "\nFactor", *names)
    rules = tuple(i for i in range(len(rows) - 1) if rows[i][0] != rows[i + 1][0])
    caption = "Held-out error: mean absolute deviation, nats per target token"
    save(typeset([Block(caption, header, tuple(rows), rules)]), folder, "table")
    write_csv(Path(folder) / "table.csv", ERROR_COLUMNS, records)


def _average(laws: Mapping[tuple[str, str], Law | None], form: str) -> float | None:
    """Over the methods that have the law and an error; None if one of them is not identified."""
    present = [law for (name, _), law in laws.items() if name == form and law]
    errors = [law.deviation_held_out for law in present if law.deviation_held_out is not None]
    return float(np.mean(errors)) if errors and len(errors) == len(present) else None


def _error_cells(laws: Mapping[tuple[str, str], Law | None]) -> list[str]:
    cells = []
    for form in (MULTIPLICATIVE.name, ADDITIVE.name):
        for method in METHODS:
            law = laws[form, method]
            identified = law is None or law.fit.ok
            error = format_loss(law.deviation_held_out if law else None)
            cells.append(error if identified else "not\nidentified")
        cells.append(format_loss(_average(laws, form)))
    return cells


def _error_records(task: str, factor: str, laws: Mapping[tuple[str, str], Law | None]) -> list:
    base = {"task": task, "factor": factor}
    records = [
        base
        | {"form": form, "method": method, "mean_absolute_deviation": law.deviation_held_out}
        | {"status": law.fit.status, "reason": law.fit.reason}
        for (form, method), law in laws.items()
        if law
    ]
    records += [
        base
        | {"form": form.name, "method": "average"}
        | {"mean_absolute_deviation": _average(laws, form.name)}
        for form in JOINT_FORMS
    ]
    return records
