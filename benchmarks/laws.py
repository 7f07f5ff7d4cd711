"""How fast the scaling-law engine is, and how near to the optimum it ends.

    OMP_NUM_THREADS=1 python benchmarks/laws.py [results/demo/points.csv]

Prints a table in Markdown; seconds are CPU seconds of one thread, all in one run, so that their
ratios hold. The synthetic problem is Hoffmann et al.'s (2022) as Besiroglu et al. (2024) repeat it:
the additive law of 240 points (N, D, loss), log residuals, Huber 1e-3, a grid of 4,500 starts. The
reference is scipy.optimize.minimize on the same objective in the same coordinates. The demo's laws
are fitted if its points are given.

Reach: 4,500 starts <= 1.5 s, objective <= scipy's + 1e-12, at least 25 times less CPU than scipy
with finite differences; 4,000 resamples <= 1.5 s, none worse by > 1e-9; the demo <= 10 s;
import <= 0.5 s without torch; exact data to 1e-6.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np

from finescale.laws import (
    ADDITIVE,
    CANDIDATES,
    FINETUNING_DATA,
    LOG_LEAST_SQUARES,
    PAPER,
    PRETRAINING,
    BaseModel,
    Data,
    Form,
    Objective,
    Settings,
    fit_law,
    fit_pretraining,
    fit_task,
    read_points,
)
from finescale.laws.engine import descend, minimise
from finescale.laws.layout import Layout
from finescale.laws.points import Point, infer_base
from finescale.laws.problem import Problem
from finescale.laws.reference import descend_by_scipy
from finescale.store import Store

SEED = 20240227
POINTS, RESAMPLES, CHECKED = 240, 4000, 200
HOFFMANN = {"A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658, "E": 1.8172}
GRID = {  # of logarithms of the coefficients, and of exponents
    "A": np.arange(0, 26, 5),
    "B": np.arange(0, 26, 5),
    "alpha": np.arange(0, 2.1, 0.5),
    "beta": np.arange(0, 2.1, 0.5),
    "E": np.arange(-1, 1.1, 0.5),
}
LARGEST = 100.0  # bound of every parameter but E in theta: none, in effect
DEMO_RESAMPLES = 400
TRUTHS = {
    "single": {"A": 3.0, "beta": 0.2, "E": 0.5},
    "pretraining": {"A": 300.0, "alpha": 0.3, "E": 1.0},
    "multiplicative": {"A": 1.2e5, "alpha": 0.52, "beta": 0.15, "E": 0.75},
    "additive": {"A": 3e3, "alpha": 0.4, "B": 4.0, "beta": 0.2, "E": 0.6},
    "power": {"A": 30.0, "alpha": 0.1, "beta": 0.05},
    "rectified": {"A": 4e5, "alpha": 0.5, "beta": 0.25, "E": 0.75, "D_l": 15.0},
}

Made = TypeVar("Made")


def main() -> None:
    """Print the table."""
    print("| what | measured |\n|---|---|")
    problem, starts = synthetic()
    best = compare_starts(problem, starts)
    compare_resamples(problem, best)
    if len(sys.argv) > 1:
        time_demo(Path(sys.argv[1]))
    time_import()
    recover()


def show(what: str, measured: str) -> None:
    """A row of the table."""
    print(f"| {what} | {measured} |", flush=True)


def timed(make: Callable[[], Made]) -> tuple[Made, float]:
    """What it makes, and the CPU seconds it takes."""
    start = time.process_time()
    return make(), time.process_time() - start


def synthetic() -> tuple[Problem, np.ndarray]:
    """The problem, and the grid of starts."""
    rng = np.random.default_rng(SEED)
    size, tokens = np.exp(rng.uniform(np.log([[5e7], [1e9]]), np.log([[1.6e10], [3e11]]), (2, 240)))
    loss = ADDITIVE.predict(HOFFMANN, X=size, D=tokens) * np.exp(rng.normal(0, 0.01, POINTS))
    layout = Layout(ADDITIVE, {"": Data(loss, {"X": size, "D": tokens})}, (), {}, {})
    values = dict(zip(GRID, np.transpose(list(product(*GRID.values()))), strict=True))
    parameters = {
        name: np.exp(value) if name in ADDITIVE.coefficients else value
        for name, value in values.items()
    }
    problem = layout.problem(log=True, delta=1e-3)
    among = np.arange(len(layout.names)) == layout.index["E"]
    problem = replace(
        problem,
        lower=np.where(among, problem.lower, -LARGEST),
        upper=np.where(among, problem.upper, LARGEST),
    )
    return problem, layout.theta(parameters, len(values["A"]))


def compare_starts(problem: Problem, starts: np.ndarray) -> np.ndarray:
    """The best of all starts, by the engine and by scipy; returns the engine's."""
    found, ours = timed(lambda: minimise(problem, starts))
    show(
        f"best of {len(starts):,} starts", f"{ours:.2f} s, {found.agreeing}/{found.finalists} agree"
    )
    for name, analytic in (("finite differences", False), ("analytic gradients", True)):
        ends, theirs = timed(lambda a=analytic: descend_by_scipy(problem, starts, analytic=a))
        show(
            f"scipy L-BFGS-B, {name}",
            f"{theirs:.1f} s, {theirs / ours:.0f} times ours; "
            f"our objective minus its: {found.value - np.nanmin(ends.value):.0e}",
        )
    return found.theta


def compare_resamples(problem: Problem, best: np.ndarray) -> None:
    """Case resamples from the best fit, some of them also by scipy."""
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(POINTS, np.full(POINTS, 1 / POINTS), RESAMPLES).astype(float)
    start = np.tile(best, (RESAMPLES, 1))
    found, ours = timed(lambda: descend(replace(problem, weights=weights), start))
    show(f"{RESAMPLES:,} resamples", f"{ours:.2f} s")
    checked = rng.choice(RESAMPLES, CHECKED, replace=False)
    for method in ("BFGS", "L-BFGS-B"):
        start_time = time.process_time()
        theirs = [
            descend_by_scipy(replace(problem, weights=weights[row]), best[None], method=method)
            for row in checked
        ]
        seconds = (time.process_time() - start_time) * RESAMPLES / CHECKED
        worse = found.value[checked] - np.array([ends.value[0] for ends in theirs])
        show(
            f"scipy {method}, analytic gradients, {CHECKED} of them",
            f"{seconds:.1f} s for all, {seconds / ours:.0f} times ours; "
            f"ours is worse by {np.nanmax(worse):.0e} at most, better by {-np.nanmin(worse):.0e}",
        )


def time_demo(points_csv: Path) -> None:
    """All laws of the demo with their intervals."""
    points = read_points(points_csv)
    fits, seconds = timed(lambda: fit_all(points))
    laws = [law for fit in fits for law in fit.laws]
    show(f"demo: {len(laws)} laws of {len(fits)} tasks", f"{seconds:.1f} s")
    store = Store(points_csv.resolve().parents[2])
    count, more = timed(lambda: fit_all_pretraining(store))
    show(f"demo: {count} pretraining laws", f"{more:.1f} s; with the others {seconds + more:.1f} s")


def fit_all(points: list[Point]) -> list:
    """Every task by the paper's procedure."""
    fits = []
    for task in dict.fromkeys(point.task for point in points):
        mine = [point for point in points if point.task == task]
        base = infer_base(mine)
        fits.append(
            fit_task(mine, Settings(task, task, "total", PAPER, False, DEMO_RESAMPLES, base))
        )
    return fits


def fit_all_pretraining(store: Store) -> int:
    """The laws of every family; how many there are."""
    count = 0
    for artifact in store.artifacts("pretraining_law"):
        parameters = artifact.recipe.parameters | {"resamples": DEMO_RESAMPLES}
        models = [
            BaseModel(
                row["size"],
                row["nominal_size"],
                row["pretraining_tokens"],
                json.loads(store.open(reference).file("result.json").read_text()),
            )
            for row, reference in zip(
                parameters["rows"], artifact.recipe.inputs["models"], strict=True
            )
        ]
        count += len(fit_pretraining(models, parameters))
    return count


def time_import() -> None:
    """In a fresh process."""
    code = "import time, sys, finescale.laws; print(time.process_time(), 'torch' in sys.modules)"
    printed = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    torch = "with" if printed[1] == "True" else "without"
    show(
        "import finescale.laws",
        f"{float(printed[0]):.2f} s, Python's start included, {torch} torch",
    )


def recover() -> None:
    """Every law from exact data, by every objective."""
    size, examples = np.meshgrid([1e9, 2e9, 4e9, 8e9], np.geomspace(1e4, 1e6, 10))
    variables = {"X": size.ravel(), "D": examples.ravel()}
    objectives = (PAPER, Objective("log", 1e-3), LOG_LEAST_SQUARES)
    for form in (FINETUNING_DATA, PRETRAINING, *CANDIDATES):
        worst = max(relative_error(form, variables, objective) for objective in objectives)
        show(f"exact data, {form.name} law", f"parameters to {worst:.0e}")


def relative_error(form: Form, variables: dict[str, np.ndarray], objective: Objective) -> float:
    """The largest of all parameters."""
    truth = TRUTHS[form.name]
    loss = np.broadcast_to(form.predict(truth, **variables), variables["X"].shape)
    fit = fit_law(form, {"": Data(loss, variables)}, objective=objective)
    return max(abs(fit.parameters[name] / value - 1) for name, value in truth.items())


if __name__ == "__main__":
    main()
