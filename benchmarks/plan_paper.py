"""How long it takes to plan the paper's study, and how much memory.

    python benchmarks/plan_paper.py

`snakemake -n` on config/paper.yaml, beside Snakemake's bare start and the plan alone. Reach: at
most 5 s CPU and 250 MB.
"""

import sys

from measure import ROOT, SNAKEMAKE, measure

PLAN = """
import time, yaml
from pathlib import Path
from finescale.study.build import plan_study
config = yaml.safe_load(Path("config/paper.yaml").read_text())
start = time.process_time()
schema, sources = Path("workflow/schemas/config.schema.yaml"), Path("config/sources.yaml")
plan = plan_study(config, schema, sources, "paper")
finetunings = sum(recipe.stage == "finetune" for recipe in plan.recipes.values())
print(f"{finetunings} finetunings planned in {time.process_time() - start:.2f} s CPU")
"""


def main() -> None:
    """Print three rows of figures."""
    print("snakemake --version      ", measure([SNAKEMAKE, "--version"]))
    plan = measure([sys.executable, "-c", PLAN], ROOT)
    print("plan_study               ", plan, "-", plan.output.strip())
    dry_run = measure([SNAKEMAKE, "-n", "--configfile", "config/paper.yaml"])
    finetunings = dry_run.output.count("finetune: ")
    print("snakemake -n, paper.yaml ", dry_run, "-", finetunings, "finetunings listed")


if __name__ == "__main__":
    main()
