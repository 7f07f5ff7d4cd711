"""Mistakes in config/sources.yaml: each is named with its place, and with what is expected."""

import pytest

from finescale.errors import UserError
from finescale.study.source_files import read_sources
from tests.study.test_sources import ONE, SHARDED, TWO

WEB = "https://example.org/x"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "x", "md5": "12"}, "32 hexadecimal"),
        ({"url": "https://example.org/{shard}", "shards": "3"}, "expected how many files"),
        ({"url": "https://example.org/x", "mirrors": "https://example.org/y"}, "list of URLs"),
        ({"url": "https://example.org/x", "shards": 3}, r"\{shard\}"),
        ({**SHARDED, "files": {"a": None}}, "not both"),
        ({"path": "x", "files": {"../../etc/passwd": None}}, "points outside"),
        ({"path": "x", "files": {"/etc/passwd": None}}, "points outside"),
        ({"path": "x", "reading": "tsv"}, "reading needs a format"),
        ({"path": "x", "reading": {"format": "tsw"}}, "did you mean `tsv`"),
        ({"path": "x", "reading": {"format": "lines", "source": "a"}}, "lines needs target"),
        ({"path": "x", "reading": {"format": "text", "columns": {}}}, "text has no columns"),
        ({"path": "x", "reading": {"format": "tsv", "columns": {"from": 1}}}, r"\['from'\]"),
        (
            {"path": "x", "reading": {"format": "tsv", "columns": {"source": 1}}},
            "source and target",
        ),
        ({"path": "x", "reading": {"format": "tsv", "columns": 1}}, "expected a mapping"),
    ],
)
def test_a_bad_entry_is_named(declare, entry, message):
    with pytest.raises(UserError, match=message) as caught:
        declare(wrong=entry)
    assert "sources.yaml: wrong" in str(caught.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "a:b", "", " "])
def test_a_name_that_could_be_a_path_or_a_part(declare, name):
    with pytest.raises(UserError, match="letters, digits"):
        declare(**{name: {"path": "x"}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": 5}, "url is 5, expected one URL"),
        ({"url": [WEB, WEB]}, "others of the same bytes are its `mirrors`"),
        ({"path": 5}, "path is 5, expected one path"),
        ({"mirrors": [5]}, "list of URLs"),
        ({"sha256": 10**63}, "sha256 is 1000.*, expected 64 hexadecimal digits as text"),
        ({"sha256": ONE.upper().replace("1", "A")}, "sha256 is 'AAA"),
        ({"md5": 10**31}, "32 hexadecimal digits as text"),
        ({"size": -5}, "size is -5, expected a number of bytes"),
        ({"size": True}, "size is True"),
        ({"size": 1.5}, "size is 1.5"),
        ({"records": "many"}, "records is 'many', expected a number of examples"),
        ({"licence": 3}, "licence is 3, expected text"),
        ({"purpose": ["a"]}, "purpose is .*, expected text"),
        ({"license": "MIT"}, "unknown key `license`; did you mean `licence`"),
        ({5: "x"}, "unknown key `5`"),
        ({"shards": True}, "shards is True, expected how many files"),
        ({"shards": 0}, "shards is 0"),
        ({"members": ["a"]}, r"members is \['a'\], expected a mapping, such as {NAME: {sha256"),
        ({"files": "a"}, "files is 'a', expected a list of names, or a mapping such as"),
        ({"files": {}}, "expected a list of names"),
        ({"files": []}, "expected a list of names"),
        ({"files": [5]}, "5 is no name"),
        ({"files": [["a"]]}, r"\['a'\] is no name"),
        ({"files": [{"a": None}]}, "{'a': None} is no name"),
        ({"files": ["../a"]}, "points outside"),
        ({"files": {5: None}}, "5 is no name"),
        ({"files": {"a": ONE}}, "wrong: a: '111.* is no pin, expected {sha256: ..., size: ...}"),
        ({"files": {"a": {"sha": ONE}}}, "wrong: a: unknown key `sha`; did you mean `sha256`"),
        ({"files": {"a": {"size": "1"}}}, "wrong: a: size is '1'"),
        ({"files": ["a"], "sha256": ONE}, "sha256: each of several files has its own"),
        ({"files": ["a"], "records": 5}, "records: each of several files has its own"),
        ({**SHARDED, "size": 5}, "size: each shard has its own"),
        ({"url": "ftp://example.org/x"}, "starts with https://, http:// or hf://"),
        ({"url": "x.tsv"}, "a file that is here already has a `path`"),
        ({"url": "https://"}, "is no address"),
        ({"mirrors": ["file:///x"]}, "'file:///x' is no address"),
        ({"url": "hf://owner/name/x"}, "expected hf://.*@REVISION/PATH"),
        ({"url": "hf://owner/name@main"}, "expected hf://.*@REVISION/PATH"),
        ({"url": "hf://owner/name@main/"}, "expected hf://.*@REVISION/PATH"),
        ({"url": "hf://name@main/x"}, "expected hf://.*@REVISION/PATH"),
        ({"url": "hf://owner/name", "files": ["a"]}, "expected hf://.*@REVISION$"),
    ],
)
def test_a_value_that_cannot_be_meant(declare, change, message):
    with pytest.raises(UserError, match=message) as caught:
        declare(wrong={"url": WEB} | change)
    assert "sources.yaml: wrong" in str(caught.value)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"format": ["tsv"]}, r"no format \['tsv'\]"),
        ({"format": "tsv", "columns": {"source": [0], "target": 1}}, r"source is \[0\]"),
        ({"format": "tsv", "columns": {"source": 0, "target": None}}, "target is None"),
        ({"format": "tsv", "columns": {"source": 0, "target": -1}}, "target is -1, expected a num"),
        ({"format": "tsv", "columns": {"source": 0, "target": True}}, "target is True"),
        ({"format": "tsv", "columns": {"source": "a", "target": 1}}, "source is 'a'.*header: true"),
        ({"format": "tsv", "header": "no", "columns": {"text": 1}}, "header is 'no', expected tr"),
        ({"format": "tsv", "columns": {5: 1, "text": 0}}, r"unknown \['5'\]"),
        ({"format": "tsv", "columns": None}, "expected a mapping"),
        ({"format": "jsonl", "columns": {"text": 0}}, "text is 0, expected a name"),
        ({"format": "jsonl", "columns": {"text": " "}}, "text is ' ', expected a name"),
        ({"format": "text", "member": 5}, "member is 5, expected text"),
        (
            {"format": "text", "language": ["en", "de"]},
            r"language is \['en', 'de'\], expected text$",
        ),
        ({"format": "text", "language": False}, 'expected text, in quotes ("no")'),
        ({"format": "lines", "source": [], "target": "b"}, r"source is \[\], expected text"),
        ({"format": "lines", "source": "a", "target": "b", "codes": []}, r"codes is \[\]"),
        (
            {"format": "lines", "source": "a", "target": "b", "codes": {False: "nob"}},
            "text for text",
        ),
        ({"format": "text", 5: "x"}, "text has no 5"),
    ],
)
def test_a_reading_that_cannot_be_meant(declare, reading, message):
    message = message.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(UserError, match=message) as caught:
        declare(wrong={"path": "x", "reading": reading})
    assert "sources.yaml: wrong: reading" in str(caught.value)


def test_a_column_may_be_a_number_beside_names(declare):
    columns = {"source": "question", "target": 1}
    declare(a={"path": "x", "reading": {"format": "tsv", "header": True, "columns": columns}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5: {path: x}", "5: a name has letters"),
        ("~: {path: x}", "None: a name has letters"),
        ("a: {path: x}\nb: {path: y}\na: {path: z}", r"sources.yaml, line 3: `a` is there already"),
        ("a: {path: x, size: 1, size: 2}", "line 1: `size` is there already"),
        ("a: {path: x, files: [{b: 1, b: 2}]}", "`b` is there already"),
        ("? {a: 1}\n: x", "not YAML"),
        ("a: {path: x, purpose: 2024-13-01}", "cannot be read"),
    ],
)
def test_what_yaml_makes_of_a_file(tmp_path, text, message):
    file = tmp_path / "sources.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        read_sources(file, tmp_path)


def test_anchors_and_merged_keys_are_no_duplicates(tmp_path):
    file = tmp_path / "sources.yaml"
    file.write_text(
        "a: {path: x, reading: &r {format: tsv, columns: &c {source: 0, target: 1}}}\n"
        "b: {path: y, reading: {<<: *r, columns: {<<: *c, target: 2}}}\n"
        "c: {path: z, reading: *r}\n"
    )
    sources = read_sources(file, tmp_path)
    assert sources.reading("b")["columns"] == {"source": 0, "target": 2}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"url": WEB, "path": "x"}, {"url": f"{WEB}/y", "path": "x"}),
        ({"url": WEB, "path": "x"}, {"url": WEB, "path": "x"}),
        ({"path": "x", "sha256": ONE}, {"path": "x", "sha256": TWO}),
        ({"path": "m/w/a"}, {"path": "m", "files": {"w/a": {"sha256": ONE}}}),
    ],
)
def test_two_files_at_one_place(declare, tmp_path, first, second):
    with pytest.raises(UserError, match=r"sources\.yaml: b: `a` has a file at .* too: give one"):
        declare(a=first, b=second)


def test_a_file_of_the_user_may_be_read_in_two_ways(declare):
    turned = {"format": "tsv", "columns": {"source": 1, "target": 0}}
    sources = declare(
        a={"path": "x", "sha256": ONE, "records": 3},
        b={"path": "x", "sha256": ONE, "reading": turned},
        c={"path": "m", "files": ["a.tsv"]},
        d={"path": "m", "files": ["b.tsv", "a.tsv"], "reading": turned},
    )
    assert sources.file("a").path == sources.file("b").path
