"""What a complete demo took, and what its next runs take.

    make demo && python benchmarks/demo.py

Prints the CPU seconds and peak memory of each stage from the artifacts' provenance, times a run
with nothing to do, and invalidates one finetuning and counts the jobs that remake its chain. Reach:
at most 1.5 GB a job, at most 3 s for nothing.
"""

import collections
import re
import sys
from pathlib import Path

from measure import ROOT, SNAKEMAKE, measure

from finescale.store import Store

FINESCALE = str(Path(sys.executable).with_name("finescale"))
DEMO = [SNAKEMAKE, "--cores", "2", "--configfile", "config/demo.yaml"]


def main() -> None:
    """Print the tables."""
    store = Store(ROOT / "results/store")
    print_stages(store)
    nothing = measure(DEMO)
    assert "Nothing to be done" in nothing.output, "the demo is not complete: make demo"
    print("nothing to do            ", nothing)
    run = next(store.artifacts("finetune"))
    measure([FINESCALE, "invalidate", run.recipe.digest[:12], "--yes"])
    again = measure(DEMO)
    jobs = collections.Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", again.output))
    print("after invalidating one   ", again)
    print(f"  {run.label}:", ", ".join(f"{count} {rule}" for rule, count in jobs.items()))


def print_stages(store: Store) -> None:
    """Artifacts, CPU seconds and peak memory by stage."""
    stages = collections.defaultdict(list)
    for artifact in store.artifacts():
        stages[artifact.recipe.stage].append(artifact.manifest["provenance"])
    print(f"{'stage':<16} {'artifacts':>9} {'CPU s':>8} {'CPU s each':>10} {'peak MB':>8}")
    for stage, provenance in stages.items():
        cpu = sum(item["cpu_seconds"] for item in provenance)
        peak = max(item["peak_memory_mb"] for item in provenance)
        count = len(provenance)
        print(f"{stage:<16} {count:9} {cpu:8.1f} {cpu / count:10.2f} {peak:8}")


if __name__ == "__main__":
    main()
