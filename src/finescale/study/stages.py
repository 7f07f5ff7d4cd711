"""The stages and their versions.

A version is part of every recipe of its stage: raise it when a change of code changes results.
`tests/study/test_stage_code.py` fails when the code of a stage's program, or of what the program
imports, changed and neither its version nor `tests/study/stage_code.json` says what follows.
"""

STAGES = {
    "source": 1,
    "corpus": 1,
    "tokenizer": 1,
    "tokens": 1,
    "card": 1,
    "pretrain": 1,
    "checkpoint": 1,
    "finetune": 1,
    "generate": 1,
    "score": 1,
    "loss": 1,
    "later_points": 1,
    "search": 1,
    "points": 1,
    "joined_points": 1,
    "fit": 2,
    "pretraining_law": 2,
    "figure": 3,
    "table": 3,
    "report": 2,
}
