"""Encoding that was killed goes on from the parts that were finished, to the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finescale.corpora import write_records
from finescale.errors import UserError
from finescale.store.kept import DONE, keep
from finescale.tokens import train_tokenizer
from tests.tokens.conftest import SENTINELS, sentences

PROGRAM = Path(__file__).parent / "programs" / "encode.py"
FILES = {"en": 9, "de": 7}
TIMEOUT_SECONDS = 60


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A tokenizer, and sixteen files that take a core a tenth of a second each."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "tokenizer.model").write_bytes(
        train_tokenizer(sentences(400), 500, 0.9995, SENTINELS)
    )
    words = sentences(2000)
    for language, count in FILES.items():
        for k in range(count):
            texts = (f"{language} {k} " + " ".join(words[i::37]) for i in range(37))
            repeated = [text for text in texts for _ in range(12)]
            write_records(
                folder / f"{language}-{k}.jsonl",
                ({"id": str(i), "text": text} for i, text in enumerate(repeated)),
            )
    return folder


@pytest.fixture(scope="module")
def expected(corpus, tmp_path_factory):
    """What an undisturbed run of one process writes."""
    folder = shutil.copytree(corpus, tmp_path_factory.mktemp("undisturbed") / "corpus")
    out = folder / "out"
    out.mkdir()
    subprocess.run([sys.executable, PROGRAM, folder, out, "1"], check=True)
    return contents(out)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finished(folder):
    """When each finished part was finished."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob(f"kept/[!.]*/{DONE}")}


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def wait_until(condition):
    limit = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_job_goes_on_and_its_workers_end(corpus, expected, tmp_path, workers):
    folder = shutil.copytree(corpus, tmp_path / "corpus")
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen([sys.executable, PROGRAM, folder, out, str(workers)])
    wait_until(lambda: len(finished(folder)) >= 4)
    own = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(Path(f"/proc/{child}/exe").exists() for child in own))
    before = finished(folder)
    assert 4 <= len(before) < 13
    assert not any(out.iterdir())
    subprocess.run([sys.executable, PROGRAM, folder, out, "2"], check=True)
    assert contents(out) == expected
    after = finished(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) > len(before)
    assert not list((folder / "kept").glob(".*"))


def damage_values(folder):
    values = folder / "values.npy"
    content = bytearray(values.read_bytes())
    content[-9] ^= 1
    values.write_bytes(content)


def cut_offsets(folder):
    os.truncate(folder / "offsets.npy", 200)


def empty_manifest(folder):
    (folder / DONE).write_text("")


def lose_values(folder):
    (folder / "values.npy").unlink()


@pytest.mark.parametrize("damage", [damage_values, cut_offsets, empty_manifest, lose_values])
def test_a_damaged_part_is_made_again(corpus, expected, tmp_path, damage):
    folder = shutil.copytree(corpus, tmp_path / "corpus")
    for name in ("first", "second"):
        out = tmp_path / name
        out.mkdir()
        subprocess.run([sys.executable, PROGRAM, folder, out, "1"], check=True)
        if name == "first":
            before = finished(folder)
            damage(folder / "kept" / "en-00002-00000")
    assert contents(out) == expected
    changed = {name for name, when in finished(folder).items() if before[name] != when}
    assert changed == {"en-00002-00000"}


def test_what_fails_leaves_nothing_under_its_name(tmp_path):
    def fail(out):
        (out / "values.npy").write_bytes(b"half")
        raise UserError("no")

    with pytest.raises(UserError):
        keep(tmp_path / "part", fail)
    assert not (tmp_path / "part").exists()
    assert keep(tmp_path / "part", lambda out: {"documents": 1}) == {"documents": 1}
    assert keep(tmp_path / "part", fail) == {"documents": 1}
