"""Tables 2, 4 and 6: what the fits found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finescale.figures.intervals import (
    LEVEL_COLUMNS,
    interval_columns,
    intervals_are,
    level_row,
    level_words,
    parameter_intervals,
    status_words,
    with_bounds,
)
from finescale.figures.style import (
    FACTOR_TITLES,
    format_interval,
    format_loss,
    method_title,
    save,
    write_csv,
)
from finescale.figures.typeset import DASH, Block, typeset
from finescale.laws.fit import DEGENERATE, NOT_IDENTIFIED
from finescale.laws.forms import JOINT_FORMS, MULTIPLICATIVE
from finescale.laws.noise import noise_floor
from finescale.laws.points import FACTORS, METHODS, Point, cells
from finescale.laws.profile import LevelProfile
from finescale.laws.results import Law, TaskFit

COEFFICIENTS = ("A", "alpha", "beta", "E")
COEFFICIENT_COLUMNS = (
    *("factor", "task", "method", "status", "reason", "at_bound", "scheme", "shown"),
    *(*interval_columns(COEFFICIENTS), *LEVEL_COLUMNS),
)
AVERAGE = "average"
ALIKE = "≈"
HELD_OUT_CAPTION = (
    "Held-out error: mean absolute deviation, nats per target token; "
    f"{ALIKE} the forms differ by no more than seed noise"
)
ERROR_COLUMNS = (
    *("task", "factor", "form", "method", "mean_absolute_deviation", "status", "reason"),
    *("seed_noise", "within_seed_noise"),
)


def coefficient_table(fits: Sequence[TaskFit], folder: Path) -> None:
    """Table 4: the multiplicative law's parameters by factor, task and method, with intervals.

    The CSV has a row for each scheme of resampling, the one that is shown first.
    """
    laws = [
        (factor, fit, method, law)
        for factor in FACTORS
        for fit in fits
        for method in _methods(fits)
        if (law := fit.law(method, MULTIPLICATIVE.name, factor))
    ]
    rows, records = [], []
    for factor, fit, method, law in laws:
        level = fit.level(method, MULTIPLICATIVE.name)
        names = (FACTOR_TITLES[factor], fit.settings.title, method_title(method))
        rows.append((*names, *_coefficient_cells(law, level), status_words(law.fit)))
        base = {"factor": factor, "task": fit.settings.task, "method": method}
        records += [base | record for record in _coefficient_records(law, level)]
    header = ("Factor", "Task", "Method", "A", "α", "β", "E", "Status")
    rules = tuple(i for i in range(len(rows) - 1) if rows[i][:2] != rows[i + 1][:2])
    intervals = intervals_are(law.scheme for *_, law in laws if law.fit.ok)
    caption = "Parameters of the multiplicative law"
    caption += f"; brackets: {intervals}" if intervals else ""
    save(typeset([Block(caption, header, tuple(rows), rules)]), folder, "table")
    write_csv(Path(folder) / "table.csv", COEFFICIENT_COLUMNS, records)


def _coefficient_cells(law: Law, level: LevelProfile | None) -> list[str]:
    if not law.fit.ok:
        return [DASH] * len(COEFFICIENTS)
    intervals = parameter_intervals(law.ensemble)
    shown = [
        format_interval(law.fit.parameters[name], intervals.get(name)) for name in COEFFICIENTS
    ]
    return [*shown[:-1], level_words(law.fit, level) or shown[-1]]


def _coefficient_records(law: Law, level: LevelProfile | None) -> list[dict]:
    """A record for each scheme; one without a scheme if there are no resamples."""
    shared = {
        "status": law.fit.status,
        "reason": law.fit.reason,
        "at_bound": ";".join(law.fit.at_bound),
        **level_row(level),
    }
    by_scheme = law.intervals()
    schemes = sorted(by_scheme, key=lambda scheme: scheme != law.scheme) or [""]
    return [
        shared
        | {"scheme": scheme, "shown": scheme == (law.scheme or "")}
        | with_bounds(law.fit.parameters, by_scheme.get(scheme, {}))
        for scheme in schemes
    ]


def held_out_table(fits: Sequence[TaskFit], points: Sequence[Point], folder: Path) -> None:
    """Tables 2 and 6: held-out error of both joint forms, by method and on average.

    Errors of the two forms that differ by no more than the noise of the seeds are marked.
    """
    present = _methods(fits)
    rows, records = [], []
    for fit in fits:
        floor = noise_floor(cells(point for point in points if point.task == fit.settings.task))
        for factor in FACTORS:
            errors = _errors(fit, factor, present)
            if errors:
                names = fit.settings.title, FACTOR_TITLES[factor]
                rows.append((*names, *_error_cells(errors, present, floor), format_loss(floor)))
                records += _error_records(fit.settings.task, factor, errors, floor)
    columns = [*map(method_title, present), "Average"]
    over = [(form.name.capitalize(), *[""] * len(present)) for form in JOINT_FORMS]
    above_columns = [
        f"{above}\n{column}" for row in over for above, column in zip(row, columns, strict=True)
    ]
    header = ("\nTask", "\nFactor", *above_columns, "Seed\nnoise")
    rules = tuple(i for i in range(len(rows) - 1) if rows[i][0] != rows[i + 1][0])
    save(typeset([Block(HELD_OUT_CAPTION, header, tuple(rows), rules)]), folder, "table")
    write_csv(Path(folder) / "table.csv", ERROR_COLUMNS, records)


def _methods(fits: Iterable[TaskFit]) -> tuple[str, ...]:
    """The methods of all fits, in the paper's order."""
    present = {law.method for fit in fits for law in fit.laws}
    return (*filter(present.__contains__, METHODS), *sorted(present - set(METHODS)))


@dataclass(frozen=True)
class _Error:
    """A held-out error, or the words for why there is none."""

    value: float | None
    status: str = ""
    reason: str = ""


def _errors(fit: TaskFit, factor: str, present: Sequence[str]) -> dict[tuple[str, str], _Error]:
    """By form and method, and each form's average over the methods."""
    errors: dict[tuple[str, str], _Error] = {}
    for form in JOINT_FORMS:
        laws = {method: fit.law(method, form.name, factor) for method in present}
        of_form = {
            (form.name, method): _Error(law.deviation_held_out, law.fit.status, law.fit.reason)
            for method, law in laws.items()
            if law
        }
        errors |= of_form | {(form.name, AVERAGE): _Error(_average(of_form.values()))}
    return errors if len(errors) > len(JOINT_FORMS) else {}


def _average(errors: Iterable[_Error]) -> float | None:
    """None if a law is not identified, or its error not known."""
    values = [error.value for error in errors]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _alike(
    errors: Mapping[tuple[str, str], _Error], method: str, floor: float | None
) -> bool | None:
    """Whether seed noise hides which form is better; None if that cannot be known."""
    values = [
        errors[form.name, method].value for form in JOINT_FORMS if (form.name, method) in errors
    ]
    known = [value for value in values if value is not None]
    if floor is None or len(known) < len(JOINT_FORMS):
        return None
    return max(known) - min(known) <= floor


def _error_cells(
    errors: Mapping[tuple[str, str], _Error], present: Sequence[str], floor: float | None
) -> list[str]:
    words = []
    for form in JOINT_FORMS:
        for method in (*present, AVERAGE):
            error = errors.get((form.name, method), _Error(None))
            failed = error.status in (NOT_IDENTIFIED, DEGENERATE)
            shown = error.status.replace(" ", "\n") if failed else format_loss(error.value)
            words.append(f"{shown} {ALIKE}" if _alike(errors, method, floor) else shown)
    return words


def _error_records(
    task: str, factor: str, errors: Mapping[tuple[str, str], _Error], floor: float | None
) -> list[dict]:
    return [
        {"task": task, "factor": factor, "form": form, "method": method}
        | {"mean_absolute_deviation": error.value, "status": error.status, "reason": error.reason}
        | {"seed_noise": floor, "within_seed_noise": _alike(errors, method, floor)}
        for (form, method), error in errors.items()
    ]
