"""How long it takes to plan the paper's study, and how much memory.

    python benchmarks/plan_paper.py

`snakemake -n` on config/paper.yaml, beside Snakemake's bare start and the plan alone. Reach: at
most 1 ms CPU and 25 KB for each job beyond the bare start.
"""

import re
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
print(f"{len(plan.recipes)} recipes in {time.process_time() - start:.2f} s CPU")
"""


def main() -> None:
    """Print three rows of figures, and what each job takes."""
    bare = measure([SNAKEMAKE, "--version"])
    print("snakemake --version      ", bare)
    plan = measure([sys.executable, "-c", PLAN], ROOT)
    print("plan_study               ", plan, "-", plan.output.strip())
    dry_run = measure([SNAKEMAKE, "-n", "--configfile", "config/paper.yaml"])
    jobs = int(re.findall(r"^total +(\d+)$", dry_run.output, re.M)[-1])
    print("snakemake -n, paper.yaml ", dry_run, "-", jobs, "jobs")
    milliseconds = 1e3 * (dry_run.cpu_seconds - bare.cpu_seconds) / jobs
    kilobytes = 1e3 * (dry_run.peak_memory_mb - bare.peak_memory_mb) / jobs
    print(f"each job                   {milliseconds:.2f} ms CPU  {kilobytes:.1f} KB")


if __name__ == "__main__":
    main()
