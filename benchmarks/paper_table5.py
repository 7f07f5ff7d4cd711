"""Table 5 of the paper against its Table 4, and the critical sizes that Table 4 implies.

    python benchmarks/paper_table5.py

Prints two tables in Markdown. The first takes every printed number for the interval it was rounded
from and tells for each of the 18 columns whether H and gamma can come from the coefficients, as 16
can. The second gives the critical sizes by the coefficients as printed, with the central 95% over
what they may have been before rounding (R uniform draws).
"""

import csv
from itertools import combinations
from pathlib import Path

import numpy as np

from finescale.laws.critical.crossing import Comparison, compare
from finescale.laws.critical.published import recompute, rounded
from finescale.laws.forms import MULTIPLICATIVE
from finescale.laws.intervals.ensemble import Ensemble

PAPER = Path(__file__).resolve().parents[1] / "resources/paper"
TABLE4, TABLE5 = PAPER / "table4_coefficients.csv", PAPER / "table5_critical.csv"
METHODS = ("fmt", "prompt", "lora")
SIZES = (1e9, 1.6e10)  # parameters
SEARCHED = (1.0, 1e20)  # finetuning examples
R, SEED = 2000, 20240227


def main() -> None:
    """Print both tables."""
    print_agreement()
    print()
    print_critical_sizes()


def print_agreement() -> None:
    """The 18 columns of Table 5 as rows."""
    print(
        "| X | task | pair | gamma: printed | by Table 4 | log10 H: printed | by Table 4 | agree |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for column in recompute(TABLE4, TABLE5):
        gamma, log10_h = np.mean(column.printed_gamma), np.mean(column.printed_log10_h)
        print(
            f"| {column.factor} | {column.task} | {column.pair} | {gamma:.2g} "
            f"| {span(column.gamma)} | {log10_h:.1f} | {span(column.log10_h)} "
            f"| {'yes' if column.agrees else '**no**'} |"
        )


def print_critical_sizes() -> None:
    """Critical finetuning sizes over model size, by the coefficients and their rounding."""
    with open(TABLE4, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["factor"] == "llm_model_size"]
    rng = np.random.default_rng(SEED)
    laws = {(row["task"], row["method"]): rounded_law(row, rng) for row in rows}
    print("| task | pair | critical size at 1B | at 16B |")
    print("|---|---|---|---|")
    for task in dict.fromkeys(row["task"] for row in rows):
        for pair in combinations(METHODS, 2):
            first, second = (laws[task, method] for method in pair)
            found = compare(first, second, at={"X": SIZES}, fitted=SEARCHED, searched=SEARCHED)
            print(
                f"| {task} | {' v '.join(pair)} |", " | ".join(words(c, pair) for c in found), "|"
            )


def rounded_law(row: dict[str, str], rng: np.random.Generator) -> Ensemble:
    """The printed law, with draws from what its coefficients may have been before rounding."""
    parameters = {name: float(row[name]) for name in MULTIPLICATIVE.parameters}
    draws = {name: rng.uniform(*rounded(value), R) for name, value in parameters.items()}
    return Ensemble(MULTIPLICATIVE, parameters, draws)


def words(found: Comparison, pair: tuple[str, str]) -> str:
    """All crossings of a comparison, or which method is better everywhere."""
    names = dict(zip(("first", "second"), pair, strict=True))
    if found.better:
        return f"none: {names[found.better]} better (in {found.shares[found.better]:.0%})"
    return "; ".join(
        f"{one.size:.3g} ({one.interval[0]:.1g} to {one.interval[1]:.1g}), "
        f"{names[one.better_above]} better above (in {one.share:.0%})"
        for one in found.crossings
    )


def span(bounds: tuple[float, float]) -> str:
    """An interval with two decimals."""
    return " to ".join(f"{round(bound, 2) + 0.0:.2f}" for bound in bounds)  # no minus zero


if __name__ == "__main__":
    main()
