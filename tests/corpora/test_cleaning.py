"""Filters drop what they say, count it, and give the same whoever does the work."""

import gzip
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.corpora import cleaning, convert, read_examples, read_texts
from finescale.errors import UserError

ENGLISH = "The committee has approved the report of the commission on agriculture."
GERMAN = "Der Ausschuss hat den Bericht der Kommission über die Landwirtschaft gebilligt."
READING = {"format": "tsv", "columns": {"source": 0, "target": 1}}
JSONL = {"format": "jsonl", "columns": {"text": "text"}, "language": "en"}


def clean(folder: Path, rows: list[tuple[str, str]], **settings) -> tuple[dict, list[str]]:
    """Counts, and the ids of the pairs that are kept."""
    (folder / "raw").write_text("".join(f"{a}\t{b}\n" for a, b in rows))
    recipe = {"readings": [READING], "languages": ["en", "de"], "cleaning": settings}
    counts = convert([folder / "raw"], recipe, "train", folder)
    return counts, [record["id"] for record in read_examples(folder / "train.jsonl")]


def test_lengths_are_of_both_sides(tmp_path):
    rows = [("ab", "abcd"), ("abc", "abc"), ("abcdefg", "abc"), ("äöü", "中中中中中中"), ("", "x")]
    counts, ids = clean(tmp_path, rows, min_characters=3, max_characters=6)
    assert ids == ["0-2", "0-4"]
    assert counts == {"read": 5, "kept": 2, "empty": 1, "min_characters": 1, "max_characters": 1}


def test_length_ratio_either_way(tmp_path):
    rows = [("ab", "abcd"), ("ab", "abcde"), ("abcde", "ab"), ("abcd", "ab")]
    counts, ids = clean(tmp_path, rows, max_length_ratio=2.0)
    assert ids == ["0-1", "0-4"]
    assert counts["max_length_ratio"] == 2


def test_english_on_the_german_side(tmp_path):
    rows = [(ENGLISH, GERMAN), (ENGLISH, ENGLISH), (GERMAN, GERMAN), ("1996", "12 %")]
    counts, ids = clean(tmp_path, rows, language=True)
    assert ids == ["0-1", "0-4"]  # numbers are of no language
    assert counts == {"read": 4, "kept": 2, "empty": 0, "language": 2}


def test_each_drop_has_one_reason(tmp_path):
    rows = [
        ("ab", "ab"),
        ("ab", "ab"),
        ("a", "a"),
        ("a", "a"),
        (ENGLISH, GERMAN),
        (ENGLISH, GERMAN),
    ]
    settings = {"min_characters": 2, "language": True, "duplicates": True}
    counts, ids = clean(tmp_path, rows, **settings)
    assert counts["read"] == sum(counts.values()) - counts["read"]
    assert counts["min_characters"] == 2
    assert "0-5" in ids
    assert "0-6" not in ids


def test_duplicates_stay_unless_asked(tmp_path):
    rows = [("x", "y"), ("x", "y"), ("x", "z"), ("xy", ""), ("y", "x")]
    assert clean(tmp_path, rows)[1] == ["0-1", "0-2", "0-3", "0-5"]
    counts, ids = clean(tmp_path, rows, duplicates=True)
    assert ids == ["0-1", "0-3", "0-5"]
    assert counts == {"read": 5, "kept": 3, "empty": 1, "duplicates": 1}


def test_a_filter_that_drops_nothing_is_listed(tmp_path):
    counts, _ = clean(tmp_path, [("x", "y")], duplicates=True, max_characters=5)
    assert counts == {"read": 1, "kept": 1, "empty": 0, "max_characters": 0, "duplicates": 0}


def test_a_language_that_nobody_knows(tmp_path):
    (tmp_path / "raw").write_text("a\tb\n")
    recipe = {"readings": [READING], "languages": ["en", "xx"], "cleaning": {"language": True}}
    with pytest.raises(UserError, match="does not know the languages xx"):
        convert([tmp_path / "raw"], recipe, "train", tmp_path)


def test_documents_whose_language_nobody_says(tmp_path):
    (tmp_path / "raw").write_text('{"text": "x"}\n')
    reading = {"format": "jsonl", "columns": {"text": "text"}}
    with pytest.raises(UserError, match="`language: CODE`"):
        convert(
            [tmp_path / "raw"],
            {"readings": [reading], "cleaning": {"language": True}},
            "text",
            tmp_path,
        )


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=5), st.integers(1, 50)
)
def test_first_occurrences(tmp_path_factory, files, bucket):
    folder = tmp_path_factory.mktemp("hashes")
    for number, values in enumerate(files):
        np.array(values, dtype="<u8").tofile(folder / str(number))
    seen: Counter[int] = Counter()
    wanted = [
        [not (seen.update([value]) or seen[value] > 1) for value in values] for values in files
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "BUCKET_HASHES", bucket)
        found = cleaning.first_occurrences([folder / str(number) for number in range(len(files))])
    assert [array.tolist() for array in found] == wanted


SHARDS = 4


def shards(folder: Path, documents: int = 500) -> list[Path]:
    """Files as C4's, in which two thirds of the documents come again."""
    rows = [
        json.dumps({"text": f"{ENGLISH} {n % (documents // 3)}", "url": n})
        for n in range(documents)
    ]
    paths = []
    for shard in range(SHARDS):
        content = "".join(row + "\n" for row in rows[shard::SHARDS]) + "\n"
        paths.append(folder / f"raw{shard}")
        paths[-1].write_bytes(gzip.compress(content.encode(), mtime=0))
    return paths


def sharded(
    raw: list[Path], out: Path, workers: int, unfinished: Path | None = None, **cleaning
) -> dict:
    out.mkdir()
    settings = {"readings": [JSONL], "shards": True, "cleaning": cleaning}
    return convert(raw, settings, "text", out, workers=workers, unfinished=unfinished)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("settings", [{}, {"duplicates": True, "language": True}])
def test_workers_change_nothing(tmp_path, settings):
    raw = shards(tmp_path)
    alone = sharded(raw, tmp_path / "alone", 1, **settings)
    together = sharded(raw, tmp_path / "together", 3, tmp_path / "resume", **settings)
    assert alone == together
    assert contents(tmp_path / "alone") == contents(tmp_path / "together")
    assert list(contents(tmp_path / "alone")) == [f"text-{n:05d}.jsonl" for n in range(SHARDS)]
    assert not list((tmp_path / "resume").iterdir())
    assert alone["read"] == 504
    assert alone["empty"] == 4
    if settings:
        assert alone["duplicates"] == 500 - 166
        texts = [r["text"] for p in sorted((tmp_path / "alone").iterdir()) for r in read_texts(p)]
        assert len(texts) == len(set(texts)) == alone["kept"] == 166
        assert next(read_texts(tmp_path / "alone/text-00000.jsonl"))["id"] == "0-1"


@pytest.mark.parametrize("settings", [{}, {"duplicates": True}])
def test_one_file_is_the_shards_one_behind_the_other(tmp_path, settings):
    raw = shards(tmp_path)
    counts = sharded(raw, tmp_path / "shards", 1, **settings)
    recipe = {"readings": [JSONL], "cleaning": settings}
    assert convert(raw, recipe, "text", tmp_path, workers=2) == counts
    whole = b"".join(contents(tmp_path / "shards").values())
    assert (tmp_path / "text.jsonl").read_bytes() == whole


def test_finished_shards_are_kept(tmp_path):
    """The third shard is damaged: the first two are not made again once it is mended."""
    raw = shards(tmp_path)
    good = raw[2].read_bytes()
    raw[2].write_bytes(good[:-30])
    with pytest.raises(UserError, match="raw2 cannot be unpacked"):
        sharded(raw, tmp_path / "first", 1, tmp_path / "resume", duplicates=True)
    assert list((tmp_path / "first").iterdir()) == []
    raw[2].write_bytes(good)
    wanted = sharded(raw, tmp_path / "whole", 1, duplicates=True)
    raw[0].unlink()
    raw[1].unlink()
    found = sharded(raw, tmp_path / "second", 1, tmp_path / "resume", duplicates=True)
    assert found == wanted
    assert contents(tmp_path / "second") == contents(tmp_path / "whole")


@pytest.mark.parametrize("name", ["records.jsonl", "hashes", "done.json"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_finished_part_that_is_damaged_is_made_again(tmp_path, name, damage):
    """The disk was full, or the machine stopped, before all of it was written."""
    raw = shards(tmp_path)
    wanted = sharded(raw, tmp_path / "whole", 1, duplicates=True)
    good = raw[2].read_bytes()
    raw[2].write_bytes(good[:-30])
    with pytest.raises(UserError):
        sharded(raw, tmp_path / "cut", 1, tmp_path / "resume", duplicates=True)
    raw[2].write_bytes(good)
    file = tmp_path / "resume/text.parts/text-00000" / name
    content = file.read_bytes()
    file.write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if damage == "changed" else b""))
    if damage == "gone":
        file.unlink()
    assert sharded(raw, tmp_path / "found", 1, tmp_path / "resume", duplicates=True) == wanted
    assert contents(tmp_path / "found") == contents(tmp_path / "whole")
    assert not list((tmp_path / "resume").iterdir())


PROGRAM = """
import sys
from pathlib import Path
from finescale.corpora import convert
raw, out, unfinished = [Path(p) for p in sys.argv[3:]], Path(sys.argv[1]), Path(sys.argv[2])
reading = {"format": "jsonl", "columns": {"text": "text"}, "language": "en"}
cleaning = {"language": True, "duplicates": True}
settings = {"readings": [reading], "shards": True, "cleaning": cleaning}
if __name__ == "__main__":
    out.mkdir()
    convert(raw, settings, "text", out, unfinished=unfinished, workers=2)
"""


def test_killed_it_goes_on(tmp_path):
    """The program is killed once a shard is done; its workers go too, and the next run ends it."""
    raw = shards(tmp_path, 8000)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    folders = [str(tmp_path / "cut"), str(tmp_path / "resume")]
    process = subprocess.Popen([sys.executable, program, *folders, *raw])
    done = tmp_path / "resume/text.parts"
    deadline = time.monotonic() + 60
    while not list(done.glob("[!.]*/done.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(done.glob("[!.]*/done.json"))
    settings = {"duplicates": True, "language": True}
    again = sharded(raw, tmp_path / "again", 2, tmp_path / "resume", **settings)
    assert again == sharded(raw, tmp_path / "alone", 1, **settings)
    assert contents(tmp_path / "again") == contents(tmp_path / "alone")
