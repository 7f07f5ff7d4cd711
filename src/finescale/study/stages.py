"""The stages, their versions, and the code each stands for.

A version is part of every recipe: raise it when a change of code changes results. The modules are
what `tests/study/test_stage_code.py` watches: when their code changes, either the version goes up
or `tests/study/stage_code.json` records that the results stay the same.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """`modules` are packages or modules of finescale whose code decides the stage's result."""

    version: int
    modules: tuple[str, ...]


STAGES = {
    "source": Stage(1, ("corpora.sources",)),
    "corpus": Stage(1, ("corpora.records",)),
    "tokenizer": Stage(1, ("tokens.tokenizer",)),
    "tokens": Stage(1, ("tokens",)),
    "pretrain": Stage(1, ("models", "training")),
    "finetune": Stage(1, ("models", "training", "corpora.subsets")),
    "points": Stage(1, ("laws.points",)),
    "joined_points": Stage(1, ("laws.points",)),
    "fit": Stage(1, ("laws",)),
    "pretraining_law": Stage(1, ("laws",)),
    "figure": Stage(1, ("laws", "figures")),
    "table": Stage(1, ("laws", "figures")),
}
