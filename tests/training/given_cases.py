"""Finetunings of base models made elsewhere, by however many processes this program is started as.

`torchrun given_cases.py OUT BASE...` writes a folder for each base model, method and strategy.
"""

import importlib.util
import os
import sys
from pathlib import Path

from finescale.launch import ALONE, Company, Hardware, Place
from finescale.training.distributed import join

spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("tiny.py"))
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)


def run(out: Path, bases: list[Path], hardware: Hardware, company: Company = ALONE) -> None:
    """Every method on every base model."""
    for base in bases:
        for method, changes in tiny.METHODS.items():
            name = f"{base.name}-{method}"
            tiny.finetune_tiny(
                base, out / name, out / "resume" / name, **changes, on=(hardware, company)
            )


def main() -> None:
    out, *bases = map(Path, sys.argv[1:])
    with join(Hardware(), Place.of(os.environ)) as company:
        for strategy in ("ddp", "fsdp"):
            more = {"activation_checkpointing": strategy == "fsdp"}
            run(out / strategy, bases, Hardware(strategy=strategy, **more), company)


if __name__ == "__main__":
    main()
