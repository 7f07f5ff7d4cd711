"""`finescale show`: what a model wrote, as a person reads it."""

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.cli import main
from finescale.cli.show import columns_of, spread, wrap
from finescale.store import Recipe, Store, make_artifact

SUMMARY = {"status": "ok", "examples": 3, "empty": 1, "unended": 1, "cut_sources": 0}
LANGUAGES = {"source_language": "en", "target_language": "zh", "cut_source": False, "ended": True}
OUTPUTS = [
    {"id": "a", "source": "Click the button to open a file.", "reference": "单击按钮打开文件。"}
    | {"output": "单击打开文件。"},
    {"id": "b", "source": "Settings", "reference": "设置", "output": ""},
    {
        "id": "c",
        "source": "The end",
        "reference": "结束",
        "output": "\x1b[31mred 结束",
        "ended": False,
    },
]


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return Store("results/store")


def add(store, stage, files, label="", inputs=None, **parameters) -> Recipe:
    """An artifact with these files."""

    def write(job) -> None:
        for name, content in files.items():
            (job.out / name).write_bytes(content)

    recipe = Recipe(stage, 1, parameters, inputs or {})
    make_artifact(store, recipe, write, label=label)
    return recipe


def generation(store, outputs=OUTPUTS, **summary) -> Recipe:
    lines = "".join(json.dumps(LANGUAGES | output) + "\n" for output in outputs)
    files = {
        "outputs.jsonl": lines.encode(),
        "summary.json": json.dumps(SUMMARY | summary).encode(),
    }
    return add(store, "generate", files, "test of help lora", outputs=len(outputs), **summary)


def score(store, *generations, **scores) -> Recipe:
    """A score artifact: by id, for each generation in turn."""
    lines = [
        {"digest": recipe.digest, "id": name, "source_language": "en"} | values
        for recipe, by_id in zip(generations, scores["by_id"], strict=True)
        for name, values in by_id.items()
    ]
    packed = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
    inputs = {"outputs": tuple(recipe.reference for recipe in generations)}
    return add(store, "score", {"segments.jsonl.gz": packed}, "help test", inputs)


def shown(capsys, *arguments) -> list[str]:
    assert main(["show", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_texts_stand_side_by_side(store, capsys):
    lines = shown(capsys, generation(store).digest[:12])
    assert lines[:2] == [
        "test of help lora",
        "3 outputs: 1 empty, 1 not ended, 0 with a cut source",
    ]
    assert lines[3:7] == [
        "-- a, en-zh",
        "source                     reference                  output",
        "Click the button to open   单击按钮打开文件。         单击打开文件。",
        "a file.",
    ]
    assert lines[8:11] == [
        "-- b, en-zh",
        "source                     reference                  output",
        "Settings                   设置                       (empty)",
    ]
    assert lines[12] == "-- c, en-zh, not ended"


def test_a_model_cannot_write_to_the_terminal(store, capsys):
    text = "\n".join(shown(capsys, generation(store).digest))
    assert "\x1b" not in text
    assert "�[31mred 结束" in text


def test_segment_scores_of_this_generation_are_shown(store, capsys):
    one, other = generation(store), generation(store, OUTPUTS[:2])
    by_id = [{"a": {"chrf": 61.234, "bleu": 0.0}}, {"a": {"chrf": 99.0}, "b": {"chrf": 98.0}}]
    score(store, one, other, by_id=by_id)
    titles = [line for line in shown(capsys, one.digest) if line.startswith("--")]
    assert titles == ["-- a, en-zh, chrf 61.2, bleu 0", "-- b, en-zh", "-- c, en-zh, not ended"]


def test_as_many_examples_as_asked_for(store, capsys):
    many = [OUTPUTS[0] | {"id": f"n{i}"} for i in range(10)]
    lines = shown(capsys, generation(store, many).digest, "--examples", "2")
    assert [line for line in lines if line.startswith("--")] == ["-- n0, en-zh", "-- n5, en-zh"]


@pytest.mark.parametrize("width", [36, 50, 79, 200])
def test_nothing_is_wider_than_the_terminal(store, capsys, width):
    digest = generation(store).digest
    assert all(
        columns_of(line) <= max(width, 40) for line in shown(capsys, digest, "--width", str(width))
    )


def test_a_diverged_model_wrote_nothing(store, capsys):
    digest = generation(store, [], status="base diverged", examples=0).digest
    assert shown(capsys, digest)[1:] == ["no outputs: base diverged"]


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("score", "its generations are among its inputs: `finescale trace {digest}`"),
        ("finetune", "its generations are named in `results/<study>/index.csv`"),
        ("corpus", "`finescale trace {digest}` shows what it is made from"),
    ],
)
def test_anything_else_says_what_it_is_and_what_to_show(store, capsys, stage, said):
    digest = add(store, stage, {"data": b""}, "my label").digest[:12]
    assert main(["show", digest]) == 1
    message = capsys.readouterr().err
    assert f"{digest} is a {stage} artifact (my label), not the outputs of a model" in message
    assert said.format(digest=digest) in message
    assert "grep ,generate," in message


def test_no_example_is_a_mistake(store, capsys):
    assert main(["show", generation(store).digest, "--examples", "0"]) == 1
    assert "--examples is 0" in capsys.readouterr().err


def test_no_store_is_a_mistake(store, capsys):
    assert main(["show", "00"]) == 1
    assert "no store here" in capsys.readouterr().err


def test_a_pipe_and_a_terminal_get_the_same_plain_text(store):
    command = [Path(sys.executable).with_name("finescale"), "show", generation(store).digest]
    piped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours, theirs = pty.openpty()
    subprocess.run(command, stdout=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 1 << 16).decode().replace("\r\n", "\n") == piped
    os.close(ours)
    assert "\x1b" not in piped


@given(st.text(), st.integers(2, 20))
def test_wrapping_keeps_all_words_within_the_width(text, width):
    lines = wrap(text, width)
    assert all(columns_of(line) <= width for line in lines)
    assert len("".join(lines).replace(" ", "")) == len("".join(text.split()))


@given(st.lists(st.integers(), unique=True), st.integers(1, 30))
def test_spread_examples_are_in_order_and_begin_with_the_first(records, count):
    chosen = spread(records, count)
    assert len(chosen) == min(count, len(records))
    assert chosen == [record for record in records if record in chosen]
    assert chosen[:1] == records[:1]
