"""BLEU, chrF and RougeL against the command lines of the packages that define them."""

import csv
import json
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.metrics import text

TOKENIZERS = {"de": "13a", "zh": "zh"}


def scored(metric, outputs, references, language):
    extra = (language,) if metric == "bleu" else ()
    return getattr(text, metric)(outputs, references, *extra)


def run(*command):
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def files(corpus, tmp_path):
    """References and outputs as files with a line for each segment."""
    paths = tmp_path / "references", tmp_path / "outputs"
    for path, lines in zip(paths, corpus[1:], strict=True):
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return paths


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_the_numbers_of_sacrebleus_command_line(metric, corpus, files):
    language, references, outputs = corpus
    ours = scored(metric, outputs, references, language)
    command = ["sacrebleu", files[0], "-i", files[1], "-m", metric, "-w", "12"]
    command += ["-tok", TOKENIZERS[language]] if metric == "bleu" else []
    said = json.loads(run(*command, "-f", "json"))
    assert ours.corpus(ours.statistics.sum(axis=0)) == pytest.approx(said["score"], abs=1e-11)
    assert said["score"] > 0
    assert text.signatures(language)[metric] == said["signature"]
    lines = run(*command, "--sentence-level", "-f", "text").splitlines()
    segments = [float(line.split(" = ")[1].split()[0]) for line in lines]
    assert ours.segments == pytest.approx(segments, abs=1e-11)


def test_the_numbers_of_rouge_scores_command_line(corpus, files, tmp_path):
    _, references, outputs = corpus
    table = tmp_path / "scores.csv"
    where = [f"--target_filepattern={files[0]}", f"--prediction_filepattern={files[1]}"]
    run("rouge_score.rouge", *where, f"--output_filename={table}", "--noaggregate")
    with table.open() as lines:
        said = [float(row["rougeL-F"]) for row in csv.DictReader(lines)]
    ours = text.rouge_l(outputs, references)
    assert ours.segments == pytest.approx(said, abs=5e-7)
    assert max(said) > 0
    assert ours.corpus(ours.statistics.sum(axis=0)) == pytest.approx(np.mean(said), abs=5e-7)


def test_the_two_tokenizers_of_rouge_differ_where_they_should():
    def both(output, reference):
        tokenizers = (None, text.UnicodeTokenizer())
        return [text.rouge_l([output], [reference], one).segments[0] for one in tokenizers]

    assert both("Größe", "Grüße") == [1.0, 0.0]
    assert both("门和窗", "门和窗") == [0.0, 1.0]
    assert both("the red door", "the red window") == pytest.approx([2 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ("Größe, GRÖSSE!", ["größe", "grösse"]),
        ("u\u0308ber", ["über"]),
        ("在LibreOffice 7中", ["在", "libreoffice", "7", "中"]),
        ("", []),
        ("„…“ – ·", []),
    ],
)
def test_unicode_tokens(given, tokens):
    assert text.UnicodeTokenizer().tokenize(given) == tokens


@given(st.text("ab 门ü,", max_size=8), st.text("ab 门ü,", max_size=8))
def test_rouge_l_is_the_f1_of_a_longest_common_subsequence(output, reference):
    first, second = map(text.UnicodeTokenizer().tokenize, (output, reference))

    @cache
    def common(i, j):
        if i == len(first) or j == len(second):
            return 0
        if first[i] == second[j]:
            return 1 + common(i + 1, j + 1)
        return max(common(i + 1, j), common(i, j + 1))

    length = len(first) + len(second)
    expected = 2 * common(0, 0) / length if length else 0.0
    (found,) = text.rouge_l([output], [reference], text.UnicodeTokenizer()).segments
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["bleu", "chrf", "rouge_l"])
@pytest.mark.parametrize("outputs", [["", " \n"], ["", "door"]])
def test_an_empty_output_has_the_score_zero(metric, outputs):
    ours = scored(metric, outputs, ["red", "a red door"], "de")
    assert ours.segments[0] == 0
    assert np.isfinite(ours.segments).all()
    corpus = ours.corpus(ours.statistics.sum(axis=0))
    assert corpus == 0 if outputs[1].isspace() else corpus >= 0


def test_an_output_may_have_several_lines():
    for metric in ("bleu", "chrf", "rouge_l"):
        flat, broken = (
            scored(metric, [output], ["a red door by the river"], "en").segments
            for output in ("a red door by a river", "a red door\nby a river")
        )
        assert flat == broken > 0
