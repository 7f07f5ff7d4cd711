"""The programs of the stages tokenizer and tokens, on text in shards."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finescale.corpora import write_records
from finescale.store import Recipe, Store, make_artifact
from finescale.tokens import train_tokenizer
from tests.tokens.conftest import SENTINELS, sentences

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
SHARDS = {"en": (150, 0, 250), "de": (120, 80)}
TOKENIZER = {"vocab_size": 500, "character_coverage": 0.9995, "sentinels": SENTINELS}


def texts_of(language):
    return [
        f"{language} {text}"
        for text in sentences(sum(SHARDS[language]), seed=len(SHARDS[language]))
    ]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "store")


@pytest.fixture
def corpora(store):
    """Text of two languages, in three and two files; their references."""

    def make(language):
        def write(job):
            texts = iter(texts_of(language))
            for k, count in enumerate(SHARDS[language]):
                records = ({"id": str(i), "text": next(texts)} for i in range(count))
                write_records(job.out / f"text-{k:05d}.jsonl", records)

        recipe = Recipe("corpus", 1, {"language": language}, {})
        make_artifact(store, recipe, write)
        return recipe.reference

    return tuple(map(make, SHARDS))


@pytest.fixture
def run(store, tmp_path):
    """Run a stage's program; the artifact it made."""

    def start(stage, parameters, inputs, *options):
        recipe = Recipe(stage, 1, parameters, inputs)
        path = tmp_path / "recipe.json"
        path.write_text(json.dumps({"recipe": recipe.to_dict(), "label": stage}))
        program = SCRIPTS / f"{stage}.py"
        command = [sys.executable, program, path, "--store", store.root, *options]
        subprocess.run(command, check=True)
        return store.open(recipe.reference)

    return start


@pytest.mark.parametrize("documents", [None, 170])
def test_a_tokenizer_learns_from_the_first_documents_of_each_language(run, corpora, documents):
    given = TOKENIZER if documents is None else TOKENIZER | {"documents": documents}
    made = run("tokenizer", given, {"text": corpora}).file("tokenizer.model").read_bytes()
    texts = [text for language in SHARDS for text in texts_of(language)[:documents]]
    assert made == train_tokenizer(texts, **TOKENIZER)


def test_a_stream_of_shards_by_several_processes(run, store, corpora):
    tokenizer = run("tokenizer", TOKENIZER, {"text": corpora}).recipe.reference
    inputs = {"tokenizer": (tokenizer,), "text": corpora}
    plain = {
        "kind": "pretraining",
        "languages": list(SHARDS),
        "seed": 0,
        "validation_share": 0.1,
    }
    whole = run("tokens", plain, inputs, "--workers", "2").json("stats.json")
    assert whole["languages"]["en"]["documents"] == 400
    assert whole["languages"]["de"]["documents"] == 200
    mixed = run("tokens", plain | {"shares": [0.5, 0.5], "tokens": 5000}, inputs, "--workers", "2")
    stats = mixed.json("stats.json")
    assert 5000 <= stats["train"]["tokens"] + stats["validation"]["tokens"] < 5100
    english, german = (stats["languages"][language]["tokens"] for language in SHARDS)
    assert abs(english - german) < 100
    assert len(np.load(mixed.file("train.npy"))) == stats["train"]["tokens"]
    assert not list((store.root.parent / "resume").glob("*/*"))  # unfinished work is gone
