"""A store of small artifacts, made in this process or by real programs."""

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finescale.store import Artifact, Job, Recipe, Store, make_artifact

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_SECONDS = 90  # below resume.STALE_AFTER_SECONDS: nobody has to wait for a stale lock
DROP_CAPABILITY, OVERRIDE_PERMISSIONS = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def obey_permissions() -> None:
    """Take from root, in a child process, the right to write where permissions forbid it."""
    ctypes.CDLL(None).prctl(DROP_CAPABILITY, OVERRIDE_PERMISSIONS, 0, 0, 0)


class Workshop:
    """Makes recipes and artifacts in the store of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "results" / "store")
        self.store.root.mkdir(parents=True)
        self.made: list[str] = []

    def recipe(self, *inputs: Recipe, stage: str = "toy", **files: str) -> Recipe:
        """A recipe for files with these texts; `data` is there unless said otherwise."""
        references = tuple(item.reference for item in inputs)
        return Recipe(stage, 1, {"files": files or {"data": "text\n"}}, {"inputs": references})

    def make(self, recipe: Recipe, text: str | None = None) -> Artifact:
        """Make an artifact in this process, with `text` in its files instead of the recipe's."""

        def write(job: Job) -> None:
            self.made.append(recipe.digest)
            read = "".join(item.file("data").read_text() for item in job.opened)
            for name, own in job.parameters["files"].items():
                (job.out / name).write_text((own if text is None else text) + read)

        make_artifact(self.store, recipe, write, label=f"label of {recipe.digest[:4]}")
        return self.store.open(recipe.reference)

    def command(self, recipe: Recipe) -> list[str]:
        file = self.folder / f"{recipe.digest}.json"
        file.write_text(json.dumps({"label": "", "recipe": recipe.to_dict()}))
        return [sys.executable, PROGRAMS / "stage.py", file, "--store", self.store.root]

    def run(
        self, recipe: Recipe, largest_file: int | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the stage program to its end; it may write no file above `largest_file` bytes."""

        def confine() -> None:
            obey_permissions()
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        return subprocess.run(
            self.command(recipe),
            env=os.environ | environment,
            preexec_fn=confine,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )

    def start(self, recipe: Recipe, **environment: str) -> subprocess.Popen[str]:
        """Start the stage program, with its standard input and output in our hands."""
        return subprocess.Popen(
            self.command(recipe),
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start_paused(self, recipe: Recipe, after: str) -> subprocess.Popen[str]:
        """Start the stage program and return when it has just written the file `after`."""
        process = self.start(recipe, PAUSE_AFTER=after)
        while (line := process.stdout.readline()) != "paused\n":
            assert line, "the program ended before its pause"
        return process

    def scratch_folders(self) -> list[Path]:
        return sorted(self.store.root.glob("*/.tmp-*"))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


class Team:
    """Programs that do the same thing at the same time, round by round."""

    def __init__(self, size: int, program: str, *arguments: Any) -> None:
        command = [sys.executable, PROGRAMS / program, *map(str, arguments)]
        self.members = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(size)
        ]
        assert {member.stdout.readline() for member in self.members} == {"ready\n"}

    def round(self, line: str = "") -> list[str]:
        """Give all members the line, and return what each answers; empty where one failed."""
        for member in self.members:
            member.stdin.write(line + "\n")
            member.stdin.flush()
        return [member.stdout.readline().strip() for member in self.members]

    def dismiss(self) -> None:
        for member in self.members:
            member.communicate(timeout=TIMEOUT_SECONDS)


@pytest.fixture
def team() -> Iterator[type[Team]]:
    teams: list[Team] = []

    def build(*arguments: Any) -> Team:
        teams.append(Team(*arguments))
        return teams[-1]

    yield build
    for one in teams:
        one.dismiss()


class SmallDisk:
    """A disk of its own with little room, where mounting is allowed; else a limit on files."""

    ROOM = 256 * 1024

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.mounted = self._mount(f"size={self.ROOM}")

    def _mount(self, options: str) -> bool:
        try:
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder]
            return subprocess.run(command, capture_output=True).returncode == 0
        except FileNotFoundError:
            return False

    @property
    def largest_file(self) -> int | None:
        """The limit that stands in for a full disk where there is no disk of its own."""
        return None if self.mounted else self.ROOM

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "fill").open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(512))

    def enlarge(self) -> None:
        if self.mounted:
            self._mount("remount,size=16m")

    def forbid_writing(self) -> None:
        if self.mounted:
            self._mount("remount,ro")
        else:
            for folder in [self.folder, *self.folder.rglob("*")]:
                folder.chmod(0o555)

    def remove(self) -> None:
        if self.mounted:
            subprocess.run(["umount", self.folder], check=True)
        for folder in self.folder.rglob("*/"):
            folder.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.remove()
