"""What the fork server saves: the same small study with it and without it.

    python benchmarks/forkserver.py

Runs the smoke study twice in folders of its own. The ratio is of CPU seconds of the whole run,
both in one go on the same machine; the results must be the same bytes.
"""

import tempfile
from pathlib import Path

from measure import ROOT, SNAKEMAKE, Usage, measure

from finescale.store import Store


def main() -> None:
    """Print both runs, their ratio, and whether they agree."""
    with tempfile.TemporaryDirectory() as folder:
        forked = smoke(Path(folder, "forked"))
        # a scheduler's job is never forked
        alone = smoke(Path(folder, "alone"), SLURM_JOB_ID="0")
        same = contents(Path(folder, "forked")) == contents(Path(folder, "alone"))
    print("with the fork server     ", forked)
    print("without it               ", alone)
    ratio = alone.wall_seconds / forked.wall_seconds
    print(f"wall ratio {ratio:.2f}; same bytes: {same}")


def smoke(folder: Path, **environment: str) -> Usage:
    """One complete smoke study in `folder`."""
    folder.mkdir()
    command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", "2", "--configfile", str(ROOT / "config/smoke.yaml")]
    return measure(command, folder, **environment)


def contents(folder: Path) -> dict[str, str]:
    """Content hash of every artifact."""
    artifacts = Store(folder / "results/store").artifacts()
    return {item.recipe.reference: item.content_sha256 for item in artifacts}


if __name__ == "__main__":
    main()
