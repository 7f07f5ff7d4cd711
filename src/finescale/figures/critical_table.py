"""Table 5: where two methods meet, as the paper's power law and as it is."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from finescale.figures.intervals import Bounds
from finescale.figures.pairs import COLUMNS, CriticalPair, comparison_rows
from finescale.figures.style import (
    FACTOR_TITLES,
    format_count,
    format_interval,
    format_number,
    method_title,
    save,
    write_csv,
)
from finescale.figures.typeset import DASH, Block, typeset
from finescale.laws.crossing import SEARCHED, Comparison, Crossing
from finescale.laws.fit import NOT_IDENTIFIED
from finescale.laws.power_law import PowerLaw, power_law

CAPTION = (
    "Critical finetuning sizes (examples) with 95% intervals: "
    "by the power law H X^γ, as if both methods had the same E, and by the laws as they are"
)
HEADER = ("Factor", "Task", "Methods", "H", "γ", "X", "Critical size at X", "Resamples\nthat agree")
POWER_LAW_COLUMNS = (
    *("log10_h", "log10_h_low", "log10_h_high"),
    *("gamma", "gamma_low", "gamma_high"),
)


def critical_table(pairs: Sequence[CriticalPair], folder: Path) -> None:
    """A row for each pair of methods, at the base model's X. Writes `table.*`."""
    rows, records = [], []
    for pair in pairs:
        names = FACTOR_TITLES[pair.factor], pair.task, pair.title
        if pair.laws is None:
            rows.append((*names, NOT_IDENTIFIED, DASH, DASH, pair.reason, DASH))
            records.append(pair.labels())
            continue
        law = power_law(*pair.laws)
        (found,) = pair.compare([pair.base])
        rows.append((*names, *_power_law_cells(law), format_count(pair.base), *_cells(pair, found)))
        base = pair.labels() | {"x": pair.base} | _power_law_record(law)
        records += [base | row for row in comparison_rows(pair, found)]
    rules = tuple(i for i in range(len(rows) - 1) if rows[i][:2] != rows[i + 1][:2])
    save(typeset([Block(CAPTION, HEADER, tuple(rows), rules)]), folder, "table")
    write_csv(Path(folder) / "table.csv", (*COLUMNS, *POWER_LAW_COLUMNS), records)


def _power_law_cells(law: PowerLaw | None) -> tuple[str, str]:
    if law is None or not law.bounded:
        return "β not told apart", DASH
    return (
        _with_interval(law.log10_h, law.log10_h_interval, _power_of_ten),
        format_interval(law.gamma, law.gamma_interval),
    )


def _power_law_record(law: PowerLaw | None) -> dict:
    if law is None:
        return {}
    bounds = *(law.log10_h_interval or ("", "")), *(law.gamma_interval or ("", ""))
    values = law.log10_h, *bounds[:2], law.gamma, *bounds[2:]
    return dict(zip(POWER_LAW_COLUMNS, values, strict=True))


def _cells(pair: CriticalPair, found: Comparison) -> tuple[str, str]:
    """A line for each crossing, or who is better everywhere."""
    if not found.crossings:
        who = (
            f"{method_title(pair.method(found.better))} better" if found.better else "equally good"
        )
        return f"none, {who}", _share(found.shares.get(found.better or ""))
    lines = [_crossing_line(pair, one) for one in found.crossings]
    return "\n".join(lines), "\n".join(_share(one.share) for one in found.crossings)


def _crossing_line(pair: CriticalPair, one: Crossing) -> str:
    size = _with_interval(one.size, one.interval, _size)
    above = f"{method_title(pair.method(one.better_above))} above"
    return ", ".join([size, above, *(["extrapolated"] if one.extrapolated else [])])


def _with_interval(value: float, bounds: Bounds | None, shown: Callable[[float], str]) -> str:
    return f"{shown(value)} [{shown(bounds[0])}, {shown(bounds[1])}]" if bounds else shown(value)


def _power_of_ten(exponent: float) -> str:
    """10**exponent with two digits, also where it is too large to be a number."""
    if -2 <= exponent < 4:
        return format_number(10**exponent)
    whole = np.floor(exponent)
    mantissa = f"{10 ** (exponent - whole):.1f}"
    return f"{mantissa}e{whole:.0f}" if mantissa != "10.0" else f"1.0e{whole + 1:.0f}"


def _size(size: float) -> str:
    """Examples with two digits; a bound beyond the searched range as `<1` or `>1T`."""
    if not SEARCHED[0] <= size <= SEARCHED[1]:
        return f"<{format_count(SEARCHED[0])}" if size < 1 else f">{format_count(SEARCHED[1])}"
    return format_count(float(f"{size:.2g}"))


def _share(share: float | None) -> str:
    return DASH if share is None else f"{share:.0%}"
