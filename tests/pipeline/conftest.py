"""Checkouts of this repository in which Snakemake really runs."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from finescale.store import Artifact, Store

ROOT = Path(__file__).parents[2]
CODE = ("Snakefile", "config", "profiles", "slurm", "workflow", "resources")
TIMEOUT_SECONDS = 900


@dataclass
class Run:
    """What a run of Snakemake said, and whether it was content."""

    status: int
    log: str

    @property
    def finished(self) -> Counter[str]:
        """How many jobs of each rule were finished."""
        return Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", self.log))

    @property
    def planned(self) -> Counter[str]:
        """How many jobs of each rule are in the table of jobs."""
        table = self.log.partition("Job stats:")[2].partition("\ntotal")[0]
        return Counter(
            {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)", table, re.M)}
        )

    @property
    def nothing_done(self) -> bool:
        return self.status == 0 and "Nothing to be done" in self.log and not self.finished


class Checkout:
    """A copy of the repository, or of another checkout with its results."""

    def __init__(self, folder: Path, origin: Path = ROOT) -> None:
        self.folder = folder
        folder.mkdir()
        for name in CODE if origin == ROOT else (*CODE, "results", ".snakemake"):
            ignored = shutil.ignore_patterns("__pycache__")
            source = origin / name
            if source.is_dir():
                shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
            else:
                shutil.copy(source, folder / name)

    @property
    def store(self) -> Store:
        return Store(self.folder / "results" / "store")

    def command(self, *arguments: str, config: str | None = "smoke") -> list[str]:
        study = ["--configfile", f"config/{config}.yaml"] if config else []
        return [sys.executable, "-m", "snakemake", "-c2", *arguments, *study]

    def snakemake(self, *arguments: str, config: str | None = "smoke") -> Run:
        done = subprocess.run(
            self.command(*arguments, config=config),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        return Run(done.returncode, done.stdout)

    def finescale(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("finescale")
        return subprocess.run(
            [program, *arguments], cwd=self.folder, capture_output=True, text=True
        )

    def assert_sound(self) -> None:
        verified = self.finescale("verify")
        assert (verified.returncode, verified.stderr) == (0, ""), verified.stdout

    def edit_config(self, change: Callable[[dict[str, Any]], None], name: str = "smoke") -> None:
        path = self.folder / f"config/{name}.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    def artifact(self, stage: str, label: str) -> Artifact:
        """The artifact of a stage that people call by this label."""
        (found,) = [item for item in self.store.artifacts(stage) if item.label == label]
        return found

    def contents(self) -> dict[str, str]:
        """What the store holds: content hash by reference."""
        return {item.recipe.reference: item.content_sha256 for item in self.store.artifacts()}

    def points(self, table: str = "points") -> list[dict[str, str]]:
        """The rows of the smoke study's points.csv."""
        with (self.folder / f"results/smoke/{table}.csv").open() as stream:
            return list(csv.DictReader(stream))

    def log_of(self, artifact: Artifact) -> str:
        digest = artifact.recipe.digest[:20]
        return (self.folder / f"results/logs/{artifact.recipe.stage}/{digest}.log").read_text()

    def processes(self) -> list[int]:
        """The processes that work in this checkout."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if Path(os.readlink(entry / "cwd")) == self.folder:
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is not ours
                continue
        return found


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A fresh checkout without results."""
    yield Checkout(tmp_path / "checkout")
    shutil.rmtree(tmp_path / "checkout")


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, Run]]:
    """The whole smoke study, run once. Tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("smoke") / "checkout"
    checkout = Checkout(folder)
    run = checkout.snakemake()
    assert run.status == 0, run.log
    yield checkout, run
    shutil.rmtree(folder)


@pytest.fixture
def smoke(smoke_run: tuple[Checkout, Run], tmp_path: Path) -> Iterator[Checkout]:
    """A copy of the finished smoke study, to do anything with."""
    yield Checkout(tmp_path / "checkout", smoke_run[0].folder)
    shutil.rmtree(tmp_path / "checkout")
