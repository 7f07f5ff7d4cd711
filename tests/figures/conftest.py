"""A study of two tasks with everything a figure must show, fitted once."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from finescale.laws import BaseModel, fit_pretraining, fit_task


@pytest.fixture(scope="session")
def grids() -> ModuleType:
    """tests/laws/grids.py."""
    path = Path(__file__).parents[1] / "laws" / "grids.py"
    spec = importlib.util.spec_from_file_location("grids", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def study(grids) -> SimpleNamespace:
    """Points, fits and pretraining laws.

    Task `help` has a whole grid, two more seeds in one cell and two runs that diverged; task `few`
    has two values of everything, so that none of its laws is identified.
    """
    points = [run for method in ("fmt", "prompt", "lora") for run in grids.grid(method, _loss)]
    few = [
        replace(run, task="few", split="fit")
        for run in points
        if run.finetuning_examples in (50, 100) and run.nominal_size <= 20_000
    ]
    base = grids.point(method="fmt")
    seeds = [
        replace(base, seed=seed, test_log_perplexity=_loss("llm_model_size", 10_000, 100) + extra)
        for seed, extra in ((1, 0.04), (2, -0.02))
    ]
    failed = [
        replace(base, seed=3, status="diverged", test_log_perplexity=None),
        replace(base, seed=4, status="base diverged", test_log_perplexity=None),
    ]
    settings = [grids.SETTINGS, replace(grids.SETTINGS, task="few", title="Few")]
    points = points + seeds + failed + few
    return SimpleNamespace(
        points=points,
        fits=[fit_task(points, one) for one in settings],
        pretraining_laws=[_pretraining("en-de", 4), _pretraining("en-zh", 2)],
    )


def _loss(factor: str, x: float, examples: float) -> float:
    base, alpha = {
        "llm_model_size": (10_000, 0.3),
        "pretraining_tokens": (800_000, 0.2),
        "pet_parameter_size": (4, 0.05),
    }[factor]
    noise = 1e-3 * math.sin(7 * math.log(x / base) + 3 * math.log(examples))
    return (3.0 * (x / base) ** -alpha * examples**-0.1 + 1.5) * (1 + noise)


def _pretraining(family: str, sizes: int):
    curve = [
        {"tokens": 1000 * k, "log_perplexity": 3 + 9 * (1000 * k) ** -0.3 + 0.01 * (-1) ** k}
        for k in range(1, 9)
    ]
    models = [
        BaseModel(
            name,
            nominal,
            8000,
            {
                "status": "ok",
                "model_parameters": nominal,
                "log_perplexity": 2 + 40 * nominal**-0.4,
                "curve": curve,
            },
        )
        for name, nominal in list({"XS": 1000, "S": 2000, "M": 4000, "L": 8000}.items())[:sizes]
    ]
    diverged = BaseModel("XL", 16_000, 8000, {"status": "diverged"})
    parameters = {
        "family": family,
        "base_size": "XS",
        "model_size_as": "total",
        "huber_delta": 1e-3,
        "resamples": 20,
        "held_out": {"llm_model_size": 8000, "pretraining_tokens": 7000},
    }
    return fit_pretraining([*models, diverged], parameters)
