"""How long Snakemake plans the paper's study, beside a bare workflow of the same size.

    python benchmarks/plan_paper.py

`snakemake -n` on config/paper.yaml with one, three (its own) and seven seeds, and on a bare
workflow with the same rules, edges and files (bare_workflow.py), in turns; medians. Reach: at most
1.3 times the CPU of the bare workflow, linear to 30,000 jobs; 1 ms CPU and 25 KB for each job
beyond Snakemake's bare start.
"""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml
from bare_workflow import write_bare_workflow
from measure import ROOT, SNAKEMAKE, measure

from finescale.study.files import plan_file

SEEDS = (1, 3, 7)
TURNS = 3
PLAN = """
import sys, time
from pathlib import Path
import finescale.study.files
start = time.process_time()
finescale.study.files.plan_file(Path(sys.argv[1]), Path())
print(f"{time.process_time() - start:.2f}")
"""


@dataclass(frozen=True)
class Planning:
    """Medians of several dry runs."""

    jobs: int
    cpu_seconds: float
    peak_memory_mb: float


def main() -> None:
    """Print a row for each number of seeds."""
    start = median_of([[SNAKEMAKE, "--version"]], [ROOT])[0]
    print(f"Snakemake's start: {start.cpu_seconds:.2f} s CPU, {start.peak_memory_mb:.0f} MB")
    print("seeds   jobs   study's plan   snakemake -n   bare workflow   ratio   each job")
    with tempfile.TemporaryDirectory() as folder:
        for seeds in SEEDS:
            compare(Path(folder), seeds, start)


def compare(folder: Path, seeds: int, start: Planning) -> None:
    """Plan the study and its bare workflow in turns, and print their figures."""
    config, bare_folder = folder / f"{seeds}.yaml", folder / str(seeds)
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    config.write_text(yaml.safe_dump({**content, "seeds": list(range(seeds))}))
    write_bare_workflow(plan_file(config, ROOT), bare_folder)
    dry_run = [SNAKEMAKE, "-n"]
    ours, bare = median_of([[*dry_run, "--configfile", str(config)], dry_run], [ROOT, bare_folder])
    if ours.jobs != bare.jobs:
        sys.exit(f"{ours.jobs} jobs in the study, {bare.jobs} in the bare workflow")
    plan = float(measure([sys.executable, "-c", PLAN, str(config)]).output)
    milliseconds = 1e3 * (ours.cpu_seconds - start.cpu_seconds) / ours.jobs
    kilobytes = 1e3 * (ours.peak_memory_mb - start.peak_memory_mb) / ours.jobs
    print(
        f"{seeds:5} {ours.jobs:6} {plan:12.2f} s {ours.cpu_seconds:12.1f} s "
        f"{bare.cpu_seconds:13.1f} s {ours.cpu_seconds / bare.cpu_seconds:7.2f} "
        f"  {milliseconds:.2f} ms, {kilobytes:.1f} KB",
        flush=True,
    )


def median_of(commands: list[list[str]], folders: list[Path]) -> list[Planning]:
    """Run the commands in turns."""
    turns = [
        [measure(command, folder) for command, folder in zip(commands, folders, strict=True)]
        for _ in range(TURNS)
    ]
    return [
        Planning(
            jobs_of(runs[0].output),
            median(run.cpu_seconds for run in runs),
            median(run.peak_memory_mb for run in runs),
        )
        for runs in zip(*turns, strict=True)
    ]


def jobs_of(output: str) -> int:
    """How many jobs a dry run has planned: the last row of its last table."""
    found = re.findall(r"^total +(\d+)$", output, re.M)
    return int(found[-1]) if found else 0


if __name__ == "__main__":
    main()
