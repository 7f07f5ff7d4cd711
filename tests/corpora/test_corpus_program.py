"""The program of the corpus stage: records, counts, and messages that name what people know."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from finescale.corpora import text_paths
from finescale.store import Recipe, Store, make_artifact

PROGRAM = Path(__file__).parents[2] / "workflow/scripts/corpus.py"
JSONL = {"format": "jsonl", "columns": {"text": "text"}}


def source(store: Store, name: str, content: bytes) -> str:
    recipe = Recipe("source", 1, {"name": name}, {})
    make_artifact(store, recipe, lambda job: (job.out / "data").write_bytes(content) and None, name)
    return recipe.reference


def run(store: Store, splits: dict, inputs: dict, *options: str):
    """The recipe, and the program's end."""
    recipe = Recipe("corpus", 1, {"splits": splits}, inputs)
    file = store.root.parent / "recipe.json"
    file.write_text(json.dumps({"recipe": recipe.to_dict(), "label": "corpus"}))
    command = [sys.executable, PROGRAM, file, "--store", store.root, *options]
    return recipe, subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results/store")


def test_splits_and_their_counts(store):
    record = {"id": "1", "source": "a", "target": "b", "source_language": "en"}
    plain = json.dumps(record | {"target_language": "de"}).encode() + b"\n"
    inputs = {
        "dev": (source(store, "ours", plain),),
        "train": (source(store, "table", b"a\tb\n\t\nc\td\n"),),
    }
    table = {"format": "tsv", "columns": {"source": 0, "target": 1}}
    train = {"readings": [table], "languages": ["en", "de"]}
    splits = {"dev": {"format": "records"}, "train": train}
    recipe, done = run(store, splits, inputs)
    assert done.returncode == 0, done.stderr
    artifact = store.open(recipe.reference)
    assert artifact.file("dev.jsonl").read_bytes() == plain
    assert artifact.json("stats.json") == {"train": {"read": 3, "kept": 2, "empty": 1}}
    names = [entry["name"] for entry in artifact.manifest["files"]]
    assert names == ["dev.jsonl", "stats.json", "train.jsonl"]


def test_records_alone_have_no_counts(store):
    inputs = {"text": (source(store, "ours", b'{"id": "1", "text": "x"}\n'),)}
    recipe, done = run(store, {"text": {"format": "records"}}, inputs)
    assert done.returncode == 0, done.stderr
    artifact = store.open(recipe.reference)
    assert [entry["name"] for entry in artifact.manifest["files"]] == ["text.jsonl"]
    assert text_paths(artifact) == [artifact.folder / "text.jsonl"]


def test_shards_by_two_processes(store):
    shards = [source(store, f"c4:{n}", f'{{"text": "document {n}"}}\n'.encode()) for n in range(3)]
    splits = {"text": {"readings": [JSONL], "shards": True}}
    recipe, done = run(store, splits, {"text": tuple(shards)}, "--workers", "2")
    assert done.returncode == 0, done.stderr
    paths = text_paths(store.open(recipe.reference))
    assert [path.name for path in paths] == [f"text-{n:05d}.jsonl" for n in range(3)]
    assert json.loads(paths[2].read_text()) == {"id": "2-1", "text": "document 2"}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_mistake_is_one_line_that_names_the_source(store, workers):
    shards = [source(store, f"c4:{n}", b'{"text": "x"}\n[]\n' * n) for n in range(2)]
    splits = {"text": {"readings": [JSONL], "shards": True}}
    _, done = run(store, splits, {"text": tuple(shards)}, "--workers", workers)
    assert done.returncode == 1
    assert done.stderr.startswith("error: c4:1 (")
    assert done.stderr.endswith("data), line 2: not a JSON object\n")
    assert done.stderr.count("\n") == 1
