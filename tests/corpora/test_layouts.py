"""Small files in the layouts of the real data sets become the records they should."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from finescale.corpora import convert, read_examples, read_texts
from finescale.errors import UserError

GERMAN = ["Wiederaufnahme der Sitzungsperiode", "Zeile\u2028zwei\x85drei\x0c", "„Ja“ &amp; Nein"]
ENGLISH = ["Resumption of the session", "Line\u2028two\x85three\x0c", '"Yes" &amp; no']
CHINESE = ["会议续开", "第二行", "是和否"]


def tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def lines(texts: list[str], end: str = "\n") -> bytes:
    return "".join(text + end for text in texts).encode()


def examples(raw, reading: dict, folder: Path, languages=("en", "de"), **more) -> list[dict]:
    """The records of some raw files, all read alike."""
    raw = raw if isinstance(raw, list) else [raw]
    settings = {"readings": [reading] * len(raw), **more}
    if languages:
        settings["languages"] = list(languages)
    convert(raw, settings, "train", folder)
    return list(read_examples(folder / "train.jsonl"))


def pairs(records: list[dict]) -> list[tuple[str, str]]:
    return [(record["source"], record["target"]) for record in records]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_europarl(tmp_path, mode):
    members = {
        "training/europarl-v7.cs-en.en": b"other\n",
        "training/europarl-v7.de-en.de": lines(GERMAN),
        "training/europarl-v7.de-en.en": lines(ENGLISH),
    }
    reading = {
        "format": "lines",
        "source": "training/europarl-v7.de-en.{source}",
        "target": "training/europarl-v7.de-en.{target}",
    }
    records = examples(tar(tmp_path / "data", members, mode), reading, tmp_path)
    assert pairs(records) == list(zip(ENGLISH, GERMAN, strict=True))
    assert records[1] | {"source": "", "target": ""} == {
        "id": "0-2",
        "source": "",
        "target": "",
        "source_language": "en",
        "target_language": "de",
    }
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_several_files_of_one_archive(tmp_path):
    """The CWMT sets: names of their own, some in several books, byte order marks and CRLF."""
    members = {
        "datum2017/Book2_cn.txt": lines(CHINESE[2:]),
        "datum2017/Book1_cn.txt": b"\xef\xbb\xbf" + lines(CHINESE[:2], "\r\n"),
        "datum2017/Book1_en.txt": lines(ENGLISH[:2], "\r\n"),
        "datum2017/Book2_en.txt": lines(ENGLISH[2:])[:-1],  # no end to the last line
    }
    reading = {
        "format": "lines",
        "source": "datum2017/Book*_en.txt",
        "target": "datum2017/Book*_c[hn].txt",
    }
    records = examples(zipped(tmp_path / "data", members), reading, tmp_path, ("en", "zh"))
    assert pairs(records) == list(zip(ENGLISH, CHINESE, strict=True))


PAIRS = {
    ("*.{source}", "*.{target}"): {
        ("a.en b.en", "a.de b.de"): "ab",
        ("a.en b.en", "a.de c.de"): "b.en, c.de",
        ("a.en b.en", "a.de"): "b.en",
        ("a.en", "b.de"): "a.en, b.de",
        ("a/x.en b/x.en", "b/x.de a/x.de"): "ab",
    },
    ("b[12].{source}", "b[12].{target}"): {
        ("b1.en b2.en", "b1.de b2.de"): "bb",
        ("b1.en", "b2.de"): "b1.en, b2.de",
    },
    ("?_{source}*", "*_{target}?"): {  # not to be compared: one of each alone
        ("a_en1", "a_de1"): "a",
        ("a_en1 b_en1", "a_de1 b_de1"): "a_en1, b_en1, a_de1, b_de1",
    },
    ("b[1].{source}", "b[12].{target}"): {("b1.en", "b1.de b2.de"): "b1.en, b1.de, b2.de"},
}


@pytest.mark.parametrize(
    ("patterns", "names", "outcome"),
    [(patterns, *case) for patterns, cases in PAIRS.items() for case in cases.items()],
)
def test_files_of_one_archive_are_paired_by_name(tmp_path, patterns, names, outcome):
    reading = {"format": "lines", "source": patterns[0], "target": patterns[1]}
    members = {name: f"{name[0]}\n".encode() for side in names for name in side.split()}
    path = zipped(tmp_path / "data", members)
    if "." in outcome or "_" in outcome:
        with pytest.raises(UserError, match=f"no partner, or more than one: {outcome};"):
            examples(path, reading, tmp_path)
    else:
        found = pairs(examples(path, reading, tmp_path))
        assert found == [(letter, letter) for letter in outcome]


def test_news_commentary(tmp_path):
    rows = ["Title\t标题", "\t", "a \t b\t c", *(f"{i}\t{i}" for i in range(200))]
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(lines(rows)))
    reading = {"format": "tsv", "columns": {"source": 0, "target": 1}}
    settings = {"readings": [reading], "languages": ["en", "zh"]}
    counts = convert([path], settings, "train", tmp_path)
    assert counts == {"read": 203, "kept": 201, "empty": 1, "columns": 1}
    assert pairs(list(read_examples(tmp_path / "train.jsonl")))[:2] == [
        ("Title", "标题"),
        ("0", "0"),
    ]


def test_wiki_titles_have_chinese_first(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(lines(["数学\tMathematics", '哲学\t"Philosophy"'])))
    reading = {"format": "tsv", "columns": {"source": 1, "target": 0}}
    records = examples(path, reading, tmp_path, ("en", "zh"))
    assert pairs(records) == [("Mathematics", "数学"), ('"Philosophy"', "哲学")]


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(
        b"\xef\xbb\xbf" + lines(["key\tquestion\tanswer", "q7\tWhy?\tBecause."], "\r\n")
    )
    columns = {"source": "question", "target": "answer", "id": "key"}
    reading = {"format": "tsv", "header": True, "columns": columns, "language": "en"}
    assert examples(path, reading, tmp_path, None) == [
        {
            "id": "q7",
            "source": "Why?",
            "target": "Because.",
            "source_language": "en",
            "target_language": "en",
        }
    ]


def test_wmt_in_parquet(tmp_path):
    """`translation` is a structure whose fields are the languages, with small row groups."""
    path = tmp_path / "data"
    rows = [{"zh": zh, "en": en} for zh, en in zip(CHINESE, ENGLISH, strict=True)]
    rows += [{"zh": None, "en": "x"}, None]
    parquet.write_table(pyarrow.table({"translation": rows}), path, row_group_size=2)
    columns = {"source": "translation.{source}", "target": "translation.{target}"}
    reading = {"format": "parquet", "columns": columns}
    records = examples([path, path], reading, tmp_path, ("en", "zh"))
    assert pairs(records) == list(zip(ENGLISH, CHINESE, strict=True)) * 2
    assert [record["id"] for record in records] == [f"{i}-{n}" for i in (0, 1) for n in (1, 2, 3)]


def test_cnn_dailymail(tmp_path):
    path = tmp_path / "data"
    articles = {"article": ["A story\nof two\tlines."], "highlights": ["Short."], "id": ["0a1b"]}
    parquet.write_table(pyarrow.table(articles), path)
    columns = {"source": "article", "target": "highlights", "id": "id"}
    reading = {"format": "parquet", "columns": columns, "language": "en"}
    (record,) = examples(path, reading, tmp_path, None)
    assert record["id"] == "0a1b"
    assert record["source"] == "A story\nof two\tlines."
    assert record["source_language"] == record["target_language"] == "en"


def test_mlsum_joins_languages(tmp_path):
    raw, readings = [], []
    for language in ("de", "es"):
        article = {"text": f"Text {language}", "summary": "S", "topic": "x", "date": "01/2010"}
        content = (json.dumps(article) + "\n").encode() * 2
        raw.append(zipped(tmp_path / language, {f"{language}_train.jsonl": content}))
        columns = {"source": "text", "target": "summary"}
        readings.append(
            {"format": "jsonl", "columns": columns, "member": "*.jsonl", "language": language}
        )
    convert(raw, {"readings": readings}, "train", tmp_path)
    records = list(read_examples(tmp_path / "train.jsonl"))
    assert [record["source_language"] for record in records] == ["de", "de", "es", "es"]
    assert [record["id"] for record in records] == ["0-1", "0-2", "1-1", "1-2"]


@pytest.mark.parametrize("split", ["dev", "devtest"])
def test_flores_has_codes_of_its_own(tmp_path, split):
    members = {
        f"./flores200_dataset/{split}/{code}.{split}": lines(texts)
        for code, texts in {"deu_Latn": GERMAN, "zho_Hans": CHINESE, "eng_Latn": ENGLISH}.items()
    }
    members["./flores200_dataset/metadata_dev.tsv"] = b"URL\tdomain\n"
    pattern = f"flores200_dataset/{split}/{{}}.{split}"
    reading = {
        "format": "lines",
        "source": pattern.format("{source}"),
        "target": pattern.format("{target}"),
        "codes": {"de": "deu_Latn", "zh": "zho_Hans"},
    }
    records = examples(tar(tmp_path / "data", members), reading, tmp_path, ("de", "zh"))
    assert pairs(records) == list(zip(GERMAN, CHINESE, strict=True))
    assert records[0]["source_language"] == "de"


def test_opus(tmp_path):
    """A zip of plain files, with a licence and link ids beside them."""
    members = {"LICENSE": b"free", "UNPC.en-zh.en": lines(ENGLISH), "UNPC.en-zh.zh": lines(CHINESE)}
    reading = {"format": "lines", "source": "*.{source}", "target": "*.{target}"}
    records = examples(zipped(tmp_path / "data", members), reading, tmp_path, ("en", "zh"))
    assert pairs(records) == list(zip(ENGLISH, CHINESE, strict=True))


def test_moses_pairs(tmp_path):
    """Two pairs of raw files, one side of them gzipped; ids count raw files."""
    contents = [lines(GERMAN), gzip.compress(lines(ENGLISH)), b"vier\n", b"four"]
    raw = []
    for number, content in enumerate(contents):
        raw.append(tmp_path / str(number))
        raw[-1].write_bytes(content)
    records = examples(raw, {"format": "moses"}, tmp_path, ("de", "en"))
    assert pairs(records) == [*zip(GERMAN, ENGLISH, strict=True), ("vier", "four")]
    assert records[-1]["id"] == "2-1"


def test_c4(tmp_path):
    rows = [{"text": "Erster\nText.", "timestamp": "2019", "url": "x"}, {"text": "Zweiter."}]
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows)))
    reading = {"format": "jsonl", "columns": {"text": "text"}}
    convert([path], {"readings": [reading]}, "text", tmp_path)
    assert list(read_texts(tmp_path / "text.jsonl")) == [
        {"id": "0-1", "text": "Erster\nText."},
        {"id": "0-2", "text": "Zweiter."},
    ]


def test_plain_text(tmp_path):
    """News Crawl: a document a line; parts of a gzip file one behind the other."""
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(lines(GERMAN)) + gzip.compress(lines(ENGLISH)))
    convert([path], {"readings": [{"format": "text"}]}, "text", tmp_path)
    assert [row["text"] for row in read_texts(tmp_path / "text.jsonl")] == GERMAN + ENGLISH


def test_one_pair_of_many_in_records_of_ours(tmp_path):
    path = tmp_path / "data"
    record = {"source": "s", "target": "t", "source_language": "en"}
    rows = [{"id": code, **record, "target_language": code} for code in ("de", "zh", "de")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"format": "records", "languages": ["en", "de"]}
    counts = convert([path], settings, "test", tmp_path)
    assert counts == {"read": 3, "kept": 2, "empty": 0, "other_languages": 1}
    assert list(read_examples(tmp_path / "test.jsonl")) == [rows[0], rows[2]]
