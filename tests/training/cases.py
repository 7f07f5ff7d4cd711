"""The same small trainings by however many processes this program is started as.

`torchrun cases.py OUT BASE SHORT` writes a folder for each case; BASE and SHORT were made by one
process: a base model, and a pretraining of 10 of 20 steps, to be gone on from.
"""

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

from finescale.launch import ALONE, Company, Hardware, Place
from finescale.training.distributed import join
from finescale.training.state import STATE_FILE

spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("tiny.py"))
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)

HALF = 4 * 32 * 10  # tokens
# large enough for Adafactor to factor its moments; 80 ids and 131 columns do not divide evenly
WIDE = {"layers": 1, "heads": 1, "head_dim": 128, "ffn_dim": 131, "model_dim": 129}
UNEVEN = {"batch_sequences": 3, "tokens": 3 * 32 * 8, "schedule_tokens": 3 * 32 * 8}
BFLOAT = {"precision": "bf16"}
SMALL = {"micro_batch_tokens": 33}  # one or two rows

PRETRAININGS = {
    "base": {},
    "short": {"tokens": HALF},
    "uneven": UNEVEN,
    "wide": {"model": WIDE, "learning_rate": 0.01, **UNEVEN},
    "bf16": BFLOAT,
}


def seventeen():
    """Batches of 8 and a last one of one example: not every process has a row of it."""
    data = tiny.data()
    return replace(data, subset=data.subset[:17])


def run(out: Path, base: Path, hardware: Hardware, company: Company = ALONE) -> None:
    """All cases; those that go on from others are left to the tests."""
    on = (hardware, company)
    for name, changes in PRETRAININGS.items():
        tiny.pretrain_tiny(out / name, out / "resume" / name, on=on, **changes)
    for method, changes in tiny.METHODS.items():
        for name, more in ((method, {}), (f"{method}-bf16", BFLOAT)):
            folder = out / "resume" / name
            settings = {**changes, **more, "data": seventeen(), "on": on}
            tiny.finetune_tiny(base, out / name, folder, seconds=0, **settings)


def main() -> None:
    out, base, short = map(Path, sys.argv[1:])
    with join(Hardware(), Place.of(os.environ)) as company:
        for name, hardware in {
            "ddp": Hardware(),
            "fsdp": Hardware(strategy="fsdp"),
            "ddp-small": Hardware(**SMALL, activation_checkpointing=True),
            "fsdp-small": Hardware(strategy="fsdp", activation_checkpointing=True, **SMALL),
        }.items():
            run(out / name, base, hardware, company)
            predecessor = short / STATE_FILE
            folders = out / name / "long", out / name / "resume" / "long"
            tiny.pretrain_tiny(*folders, predecessor=predecessor, on=(hardware, company))


if __name__ == "__main__":
    main()
