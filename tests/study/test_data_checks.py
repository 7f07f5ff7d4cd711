"""Data sets and readings that do not go together are refused before anything is downloaded."""

import pytest
import yaml

from finescale.study.data_checks import data_mistakes
from finescale.study.sources import Sources
from tests.study.conftest import SOURCES
from tests.study.test_config import lines, mistakes

PAIR = {"source": 0, "target": 1}
TYPED = {"source": "s", "target": "t", "source_language": "a", "target_language": "b"}
BETWEEN = {"source": "in.{source}", "target": "in.{target}"}
TABLE = {"format": "tsv", "columns": PAIR}
JSONL, PARQUET = {"format": "jsonl"}, {"format": "parquet"}


def found(declare, reading, dataset=None, text=False, raw=("a",), **source) -> list[str]:
    """What is said of a data set whose sources `a` and `b` are read in that way."""
    entry = {"reading": reading, **source} if reading else source
    sources: Sources = declare(a={"path": "a", **entry}, b={"path": "b", **entry}, c={"path": "c"})
    full = {"raw": list(raw), **(dataset or {})}
    rest = {"test": {}, "zero_shot": {}, "later_test": {}}
    task = {"train": full, "dev": {"raw": ["c"]}, **rest}
    config = {"text": {"de": full}, "tasks": {}} if text else {"text": {}, "tasks": {"x": task}}
    where = "text.de" if text else "tasks.x.train"
    said = list(data_mistakes(config, sources))
    assert all(line.startswith(f"`{where}.") for line in said)
    return said


@pytest.mark.parametrize(
    ("reading", "dataset"),
    [
        (None, {}),
        ({"format": "records", "language": "en"}, {}),
        ({"format": "records"}, {"languages": ["en", "de"]}),
        ({**TABLE, "language": "en"}, {}),
        (TABLE, {"languages": ["en", "de"]}),
        ({**JSONL, "columns": TYPED}, {}),
        ({"format": "lines", **BETWEEN}, {"languages": ["en", "de"]}),
        ({"format": "lines", **BETWEEN, "language": "en"}, {}),
        (TABLE, {"languages": ["en", "de"], "cleaning": {"min_characters": 3}}),
        (
            TABLE,
            {"languages": ["en", "de"], "cleaning": {"min_characters": 3, "max_characters": 3}},
        ),
    ],
)
def test_data_of_a_task_that_can_be_read(declare, reading, dataset):
    assert found(declare, reading, dataset) == []


@pytest.mark.parametrize(
    ("reading", "dataset"),
    [
        (None, {}),
        ({"format": "text"}, {}),
        ({**JSONL, "columns": {"text": "text"}}, {}),
        ({**JSONL, "columns": {"text": "in.{source}"}, "language": "de"}, {}),
        ({**JSONL, "columns": {"text": "in.{source}"}}, {"cleaning": {"language": True}}),
    ],
)
def test_text_that_can_be_read(declare, reading, dataset):
    assert found(declare, reading, dataset, text=True) == []


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ({"format": "text"}, "is read as text, a task needs source and target"),
        ({**JSONL, "columns": {"text": "t"}}, "is read as text, a task needs source and target"),
        (TABLE, "does not say its languages: give the data set `languages: [source, target]`"),
        ({"format": "moses"}, "does not say its languages"),
        (
            {**PARQUET, "columns": {k: TYPED[k] for k in ("source", "target", "source_language")}},
            "does not say its languages",
        ),
        ({"format": "lines", **BETWEEN}, "has 'in.{source}' in its `reading`, which needs lang"),
        ({**PARQUET, "columns": TYPED | {"source": "{target}"}}, "has '{target}' in its `reading`"),
        (
            {"format": "wmt-xml", "member": "{source}.xml", "reference": "A"},
            "has '{source}.xml' in its `reading`",
        ),
    ],
)
def test_data_of_a_task_that_cannot_be_read(declare, reading, said):
    (line,) = found(declare, reading, raw=("a", "a") if reading["format"] == "moses" else ("a",))
    assert line.startswith(f"`tasks.x.train.raw`: `a` {said}")


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ({**TABLE, "language": "en"}, "is read as source and target, pretraining text needs text"),
        ({"format": "sgm", "source": "a", "target": "b"}, "is read as source and target"),
        ({**JSONL, "columns": {"text": "in.{source}"}}, "has 'in.{source}' in its `reading`"),
    ],
)
def test_text_that_cannot_be_read(declare, reading, said):
    (line,) = found(declare, reading, text=True)
    assert line.startswith(f"`text.de.raw`: `a` {said}")


@pytest.mark.parametrize(
    ("raw", "alone"),
    [
        (["a", "b"], []),
        (["a", "b", "c", "b", "a"], []),
        (["a"], ["a"]),
        (["a", "b", "a"], ["a"]),
        (["a", "c", "b"], ["a", "b"]),
    ],
)
def test_moses_files_come_in_pairs(declare, raw, alone):
    said = found(declare, {"format": "moses"}, {"languages": ["en", "de"]}, raw=raw)
    assert said == [
        f"`tasks.x.train.raw`: moses files come in pairs, source then target; `{name}` is without "
        "its second"
        for name in alone
    ]


@pytest.mark.parametrize("raw", ["a", "a:config.json", "a:model.safetensors"])
def test_a_model_is_no_data(declare, raw):
    files = {"files": ["config.json", "model.safetensors"]}
    (line,) = found(declare, None, raw=[raw], **files)
    assert line.startswith("`tasks.x.train.raw`: `a` is a model")


def test_a_folder_of_records_is_data(declare):
    assert found(declare, None, files=["one.jsonl", "two.jsonl"]) == []


def test_a_text_cannot_be_longer_and_shorter(declare):
    cleaning = {"cleaning": {"min_characters": 4, "max_characters": 3}}
    assert found(declare, None, cleaning) == [
        "`tasks.x.train.cleaning`: min_characters 4 is more than max_characters 3"
    ]


def test_a_study_is_refused_with_the_key(plan, smoke, tmp_path):
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "sources.yaml").write_bytes(SOURCES.read_bytes())
    own = {"mine": {"path": "x.tsv", "sha256": "1" * 64, "reading": TABLE}}
    (folder / "my.sources.yaml").write_text(yaml.safe_dump(own))
    smoke["tasks"]["help-en-de"]["test"]["help"]["raw"] = ["mine"]
    (line,) = lines(mistakes(plan, smoke, folder / "sources.yaml"))
    assert line.startswith("`tasks.help-en-de.test.help.raw`: `mine` does not say its languages")
    smoke["tasks"]["help-en-de"]["test"]["help"]["languages"] = ["en", "de"]
    plan(smoke, folder / "sources.yaml")
