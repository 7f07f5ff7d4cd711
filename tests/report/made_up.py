"""Laws, points and drawings that nobody measured."""

from collections.abc import Mapping, Sequence

import numpy as np

from finescale.laws import PAPER, Base, Fit, Law, Point, Settings, TaskFit
from finescale.laws.intervals.resampling import BASE_MODEL
from finescale.report import Drawing, Study, eight_claims

BASE = Base(1000, 8000, {"lora": 4, "prompt": 4})
EXAMPLES = (10, 1000)  # what laws were fitted to


def law(
    method: str = "fmt",
    factor: str = "llm_model_size",
    form: str = "multiplicative",
    resamples: Mapping[str, Sequence[float]] | None = None,
    **parameters: float,
) -> Law:
    """A law whose parameters are A = 1, alpha = 0, beta = 0.5, E = 0 unless given.

    `resamples` gives those of some parameters; the others are the same in each.
    """
    values = {"A": 1.0, "alpha": 0.0, "beta": 0.5, "E": 0.0} | parameters
    if form == "additive":
        values = {"B": 1.0} | values
    drawn = {}
    if resamples:
        count = len(next(iter(resamples.values())))
        drawn = {name: np.full(count, value) for name, value in values.items()}
        drawn |= {name: np.array(row, float) for name, row in resamples.items()}
    return Law(
        method=method,
        form=form,
        factor=factor,
        nominal_size=None,
        x=None,
        fit=Fit(form, "converged", parameters=values),
        deviation_fitted=0.0,
        deviation_held_out=0.0,
        fitted_examples=EXAMPLES,
        fitted_x=(100.0, 1000.0),
        resamples={BASE_MODEL: drawn} if drawn else {},
    )


def task_fit(*laws: Law, task: str = "help") -> TaskFit:
    settings = Settings(task, task.title(), "nominal", PAPER, False, 20, BASE)
    return TaskFit(settings, {"ok": 2, "diverged": 1, "base diverged": 0}, laws, ())


def point(method: str = "fmt", loss: float | None = 2.0, **changes: object) -> Point:
    """An ok run at the base."""
    values = {
        "study": "test",
        "task": "help",
        "family": "en-de",
        "nominal_size": 1000,
        "pretraining_tokens": 8000,
        "pet_parameter_size": BASE.pet_parameter_size.get(method),
        "finetuning_examples": 100,
    }
    return Point(**values | {"method": method, "test_log_perplexity": loss} | changes)


SVG = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="216pt" height="144pt"
 viewBox="0 0 216 144" xmlns="http://www.w3.org/2000/svg" version="1.1">
 <defs><style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style></defs>
 <g id="figure_1"><defs><path id="m1" d="M 0 1.23456 L 2 3"/></defs>
  <use xlink:href="#m1" x="1.000001" y="2"/></g>
</svg>
"""


LENGTHS = {"total": 40, "mean": 10.0, "median": 9, "p95": 20, "max": 21}
RAW = {"name": "corpus:a.jsonl", "size": 1234, "records": 4, "licence": "MPL-2.0"}


def card_set(kind: str, name: str, source: str, **overlap: Mapping[str, int]) -> dict:
    """A split or test set of a card, with one sample."""
    end = {"characters": LENGTHS, "words": LENGTHS}
    return {
        **{"kind": kind, "name": name, "raw": [RAW | {"purpose": "", "pinned": True}]},
        **{"examples": 4, "repeated": 1, "cleaning": None, "overlap": overlap},
        **{"languages": [{"source": "en", "target": "de", "examples": 4}]},
        **{"source": end | {"tokens": LENGTHS, "cut": 2}, "target": end},
        "samples": [
            {"id": "n1", "source": source, "target": "Ziel"}
            | {"source_language": "en", "target_language": "de"}
        ],
    }


def card(task: str = "help") -> dict:
    """The data card of a task; of its test set, training holds a target."""
    nothing = dict.fromkeys(("pair", "source", "near_source", "long_target", "near_target"), 0)
    overlap = nothing | {"examples": 4, "target": 1, "long_source": 2}
    return {
        **{"task": task, "title": task.title(), "template": "{source}"},
        "most_tokens": {"source": 21, "target": 21},
        "sets": [
            card_set("train", "train", "To <b>learn</b> from"),
            card_set("dev", "dev", "To choose by", train=overlap),
            card_set("test", "news", "To measure on", train=overlap, dev=overlap),
        ],
    }


def study(**changes: object) -> Study:
    """A study of one task with three figures and a table."""
    rows = "task,method,status,alpha,alpha_low,alpha_high\nhelp,fmt,a < b,0.15,0.12,0.19\n"
    digest = "0123456789abcdef" * 4
    fits = [
        task_fit(
            *(
                law(method, factor, alpha=0.1, resamples={"alpha": [0.1] * 20 + [0.2] * 20})
                for method in ("fmt", "lora", "prompt")
                for factor in ("llm_model_size", "pretraining_tokens", "pet_parameter_size")
            )
        )
    ]
    points = [
        point(),
        point(seed=1),
        point("lora", split="held-out"),
        point("lora", None, seed=1, status="diverged"),
    ]
    plain = {
        "name": "small",
        "config": "study: small\nseeds: [0, 1]\n",
        "fits": fits,
        "points": points,
        "claims": eight_claims(fits, points, []),
        "drawings": [
            *(Drawing("figure", name, digest, rows, SVG) for name in ("figure10", "search")),
            Drawing("figure", "figure2", digest, rows, SVG),
            Drawing("table", "table4", digest, rows),
        ],
        "cards": [card()],
        "unsupported": {"figure3": "no task has two or more pretraining_tokens"},
    }
    return Study(**plain | changes)
