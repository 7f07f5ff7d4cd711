"""What it takes to find that there is nothing to do, and to parse the workflow.

    python benchmarks/noop_paper.py

A store is faked in which the paper's whole study is complete: the manifest of every artifact, and
every view. Reach: at most 3 s CPU and 250 MB. The same for the smoke study, and for an empty
workflow: their difference is what this project adds to both starts of Snakemake in each job on a
cluster.
"""

import os
import tempfile
from pathlib import Path

from measure import ROOT, SNAKEMAKE, Usage, measure

from finescale.store import MANIFEST, Store
from finescale.study.files import plan_file
from finescale.study.plan import Plan

TURNS = 5
NOTHING = "Nothing to be done"


def main() -> None:
    """Print three rows."""
    plan = plan_file(ROOT / "config/paper.yaml", ROOT)
    with tempfile.TemporaryDirectory() as folder:
        fake_complete(plan, Path(folder))
        report(f"nothing to do, {len(plan.recipes)} artifacts", Path(folder), "paper", "-c1")
    with tempfile.TemporaryDirectory() as folder:
        smoke = plan_file(ROOT / "config/smoke.yaml", ROOT)
        fake_complete(smoke, Path(folder))
        report("nothing to do, smoke study", Path(folder), "smoke", "-c1")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text("rule all:\n    input:\n        [],\n")
        usage = median_of([SNAKEMAKE, "-c1"], Path(folder))
        print(f"{'an empty workflow':36} {usage}")


def fake_complete(plan: Plan, folder: Path) -> None:
    """Put an empty manifest where each artifact belongs, and every view."""
    store = Store(folder / "results/store")
    for reference in plan.recipes:
        store.folder(reference).mkdir(parents=True)
        (store.folder(reference) / MANIFEST).touch()
    for view in plan.views:
        shown, path = store.folder(view.reference) / view.file, folder / view.path
        shown.touch()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(shown, path.parent))


def report(name: str, folder: Path, config: str, *arguments: str) -> None:
    """Run the workflow of this checkout on the results in a folder."""
    files = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    study = ["--configfile", str(ROOT / f"config/{config}.yaml")]
    usage = median_of([SNAKEMAKE, *arguments, *files, *study], ROOT)
    if NOTHING not in usage.output:
        raise SystemExit(usage.output)
    print(f"{name:36} {usage}", flush=True)


def median_of(command: list[str], folder: Path) -> Usage:
    """The run whose CPU time is in the middle."""
    runs = sorted((measure(command, folder) for _ in range(TURNS)), key=lambda run: run.cpu_seconds)
    return runs[TURNS // 2]


if __name__ == "__main__":
    main()
