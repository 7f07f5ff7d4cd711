"""Tiny trainings by the workflow's own programs, to be killed and starved."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from finescale.store import Artifact, Job, Recipe, Store, forkserver, make_artifact
from finescale.tokens import train_tokenizer
from finescale.tokens.arrays import RaggedWriter, example_paths
from finescale.training.state import STATE_FILE, load_state
from tests.store.conftest import SmallDisk, Workshop, small_disk, workshop  # noqa: F401
from tests.tokens.conftest import sentences
from tests.training import tiny

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
PROGRAM = Path(__file__).parent / "programs" / "trainer.py"
TIMEOUT_SECONDS = 90  # below resume.STALE_AFTER_SECONDS: nobody has to wait for a stale lock
STEPS = 40
TOKENS = 4 * 32 * STEPS
PRETRAINING = {
    **tiny.PRETRAINING,
    "tokens": TOKENS,
    "schedule_tokens": 2 * TOKENS,  # so that the training state is published too
    "validation": {"sequences": 2, "logged_checkpoints": 2 * STEPS},  # a line for every step
}
FINETUNING = {
    **tiny.FINETUNING,
    "max_steps": STEPS,
    "dev": {**tiny.FINETUNING["dev"], "interval": 1, "patience": None},
}


def write_tokenizer(job: Job) -> None:
    model = train_tokenizer(sentences(400), 500, 0.9995, 8)
    (job.out / "tokenizer.model").write_bytes(model)


def write_streams(job: Job) -> None:
    streams = tiny.streams()
    np.save(job.out / "train.npy", streams.train)
    np.save(job.out / "validation.npy", streams.validation)


def write_examples(job: Job) -> None:
    for number, split in enumerate(job.parameters["splits"]):
        examples, paths = tiny.examples(30, seed=number), example_paths(job.out, split)
        for kind in ("source", "target"):
            values, offsets = paths[f"{kind}s"], paths[f"{kind}_offsets"]
            with RaggedWriter(values, offsets, np.uint16) as writer:
                writer.extend(getattr(examples, f"{kind}s"))
        np.save(paths["languages"], np.zeros(30, dtype=np.int16))


class Bench:
    """A results folder with what the two training programs read, and runs of them in it."""

    def __init__(self, folder: Path, socket: str = "") -> None:
        self.folder, self.socket = folder, socket
        self.store = Store(folder / "store")
        tokenizer = Recipe("tokenizer", 1, {}, {})
        streams = Recipe("tokens", 1, {"splits": ["train"]}, {})
        examples = Recipe("tokens", 1, {"splits": ["train", "dev", "test"]}, {})
        self.written = [
            (tokenizer, write_tokenizer),
            (streams, write_streams),
            (examples, write_examples),
        ]
        to_base = {"tokens": (streams.reference,), "tokenizer": (tokenizer.reference,)}
        base = Recipe("pretrain", 1, PRETRAINING, to_base)
        tuned = {
            "base": (base.reference,),
            "train": (examples.reference,),
            "test": (examples.reference,),
            "tokenizer": (tokenizer.reference,),
        }
        self.recipes = {"pretrain": base, "finetune": Recipe("finetune", 1, FINETUNING, tuned)}

    def write_inputs(self) -> None:
        for recipe, write in self.written:
            make_artifact(self.store, recipe, write)

    def changed(self, stage: str, **parameters: object) -> Recipe:
        recipe = self.recipes[stage]
        return Recipe(stage, 1, {**recipe.parameters, **parameters}, recipe.inputs)

    def start(
        self,
        recipe: Recipe,
        *options: str,
        forked: bool = True,
        seconds: float = 0,
        mebibytes: int = 0,
    ) -> subprocess.Popen[str]:
        """Start the program of the recipe's stage, by the fork server or as it is."""
        file = self.folder / f"{recipe.digest}.json"
        file.write_text(json.dumps({"label": "tiny", "recipe": recipe.to_dict()}))
        script = SCRIPTS / f"{recipe.stage}.py"
        settings = [
            str(seconds),
            str(mebibytes),
            script,
            file,
            "--store",
            self.store.root,
            *options,
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        if forked:
            environment[forkserver.SOCKET_VARIABLE] = self.socket
        with self.log.open("w") as log:
            return subprocess.Popen(
                [sys.executable, PROGRAM, *settings], stdout=log, stderr=log, env=environment
            )

    def run(self, recipe: Recipe, *options: str, **settings: float) -> tuple[int, str]:
        """Exit status and log of a whole run."""
        status = self.start(recipe, *options, **settings).wait(timeout=TIMEOUT_SECONDS)
        return status, self.log.read_text()

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def resume(self, recipe: Recipe) -> Path:
        return self.store.root.parent / "resume" / recipe.digest[:20]

    def saved_step(self, recipe: Recipe) -> int:
        file = self.resume(recipe) / STATE_FILE
        return load_state(file)[0].step if file.exists() else 0

    def artifact(self, recipe: Recipe) -> Artifact:
        return self.store.open(recipe.reference)

    def copy(self, folder: Path) -> "Bench":
        shutil.copytree(self.folder, folder)
        return Bench(folder, self.socket)


def steps(log: str) -> list[int]:
    """The steps that a training reports."""
    lines = [line for line in log.splitlines() if line.startswith("step ")]
    return [int(line.split()[1].split("/")[0]) for line in lines]


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> bool:
    """Wait, without sleep, until it has happened; False if the process ends before."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        if process.poll() is not None:
            return bool(happened())
    return True


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, int]]:
    """Socket and process of a fork server."""
    forkserver.start()
    process = forkserver._servers.pop()
    socket = os.environ.pop(forkserver.SOCKET_VARIABLE)
    wait_for(Path(socket).exists, process)
    yield socket, process.pid
    process.stdin.close()
    assert process.wait(timeout=20) == 0


@pytest.fixture(scope="session")
def whole(
    server: tuple[str, int], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bench, dict[str, str]]:
    """A bench with inputs and the base model, and what undisturbed runs make: content hashes."""
    bench = Bench(tmp_path_factory.mktemp("faults") / "bench", server[0])
    bench.write_inputs()
    content = {}
    for stage, recipe in bench.recipes.items():
        status, log = bench.run(recipe)
        assert (status, steps(log)) == (0, list(range(1, STEPS + 1))), log
        content[stage] = bench.artifact(recipe).content_sha256
    return bench, content


@pytest.fixture
def bench(whole: tuple[Bench, dict[str, str]], tmp_path: Path) -> Bench:
    """A copy with the base model and without the finetuning."""
    copy = whole[0].copy(tmp_path / "bench")
    shutil.rmtree(copy.store.folder(copy.recipes["finetune"].reference))
    return copy
