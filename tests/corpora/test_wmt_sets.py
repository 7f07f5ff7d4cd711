"""The test sets of WMT, as sacrebleu reads them (but for entities, which it leaves alone)."""

import html
import io
import tarfile
from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS
from sacrebleu.dataset.fake_sgml import FakeSGMLDataset
from sacrebleu.dataset.wmt_xml import WMTXMLDataset

from finescale.corpora import convert, read_examples
from finescale.corpora.formats import Raw
from finescale.errors import UserError
from finescale.study.source_files import read_sources

SOURCE = """<srcset setid="newstest2013" srclang="any">
<doc sysid="ref" docid="cdnews/2012/12/01/4" genre="news" origlang="cs">
<hl>
<seg id="1">A  Republican strategy &amp; more</seg>
</hl>
<p>
<seg id="2"> Leaders &lt;justified&gt; their policy, R&D. </seg>
</p>
</doc>
<DOC docid="abc" origlang="de"><p>
<seg id="1">a&para=1 &#8220;quoted&#x201d;</seg>
</p></DOC>
</srcset>
"""
SGM = {"format": "sgm", "source": "test/set-src.en.sgm", "target": "test/set-ref.de.sgm"}
DOCUMENT = """<doc id="{id}" origlang="en"{more}>
<src lang="en"><p><seg id="1">First  {id} &amp;amp;</seg><seg id="3">Third {id}</seg></p>
<p><seg id="2">Second {id}</seg></p></src>
<ref lang="de" translator="B"><p><seg id="1">Erster B</seg><seg id="2">Zweiter B</seg></p></ref>
<ref lang="de" translator="A"><p><seg id="2">Zweiter {id}</seg>
<seg id="1">Erster {id}</seg></p></ref>
<hyp system="online" lang="de"><p><seg id="1">1</seg><seg id="2">2</seg><seg id="3">3</seg></p>
</hyp>
</doc>
"""
XML = (
    '<?xml version="1.0" encoding="utf-8"?>\n<dataset id="wmttest2022"><collection id="general">\n'
    + DOCUMENT.format(id="d1", more="")
    + DOCUMENT.format(id="d2", more="")
    + DOCUMENT.format(id="suite", more=' testsuite="x"')
    + "</collection></dataset>\n"
)
BOMB = (
    f"<!DOCTYPE x [<!ENTITY a '{'x' * 1000}'>"
    + "".join(f"<!ENTITY {b} '{f'&{a};' * 100}'>" for a, b in ("ab", "bc", "cd", "de"))
    + "]><x>&e;</x>"
)


def archive(path: Path, **members: str) -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, text in members.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    return path


def read(path: Path, reading: dict) -> tuple[list[dict], dict]:
    settings = {"readings": [reading], "languages": ["en", "de"]}
    counts = convert([path], settings, "test", path.parent)
    return list(read_examples(path.parent / "test.jsonl")), counts


def reference(source: str = SOURCE) -> str:
    return source.replace("srcset", "refset").replace("strategy", "Strategie")


def sgm(folder: Path, source: str = SOURCE, target: str | None = None) -> Path:
    target = reference() if target is None else target
    members = {"test/set-src.en.sgm": source, "test/set-ref.de.sgm": target}
    return archive(folder / "data", **members)


def test_sgm_as_sacrebleu_but_for_entities(tmp_path):
    records, counts = read(sgm(tmp_path), SGM)
    assert [record["source"] for record in records] == [
        "A Republican strategy & more",
        "Leaders <justified> their policy, R&D.",
        "a&para=1 “quoted”",
    ]
    assert counts == {"read": 3, "kept": 3, "empty": 0}
    plain = SOURCE.replace(
        "a&para", "a&amp;para"
    )  # without `;` no entity, though browsers think so
    for text, side in ((plain, "source"), (reference(plain), "target")):
        (tmp_path / "set.sgm").write_text(text)
        FakeSGMLDataset("set")._convert_format(str(tmp_path / "set.sgm"), str(tmp_path / "txt"))
        theirs = (tmp_path / "txt").read_text().splitlines()
        assert [html.unescape(line) for line in theirs] == [record[side] for record in records]


def test_sgm_is_aligned_by_document_and_segment(tmp_path):
    """The order of the reference's documents does not matter."""
    head, first, second = reference().partition("<doc")[0], "", ""
    body = reference()[len(head) :].removesuffix("</refset>\n")
    first, second = body[: body.index("<DOC")], body[body.index("<DOC") :]
    shuffled, _ = read(sgm(tmp_path, target=head + second + first + "</refset>\n"), SGM)
    straight, _ = read(sgm(tmp_path), SGM)
    assert shuffled == straight


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("</seg>\n</p></DOC>", "</seg></p></DOC><doc docid='n'><seg id='9'>x</seg></doc>"), "'9'"),
        (('<seg id="2">', '<seg id="7">'), "segment '2' of document 'cdnews/2012/12/01/4'"),
        (("</seg>\n</hl>", "\n</hl>"), r"set-ref.de.sgm in .*, line 4: a segment begins"),
        ((reference(), "nothing"), "no segments"),
    ],
)
def test_sgm_that_does_not_fit(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read(sgm(tmp_path, target=reference().replace(*change)), SGM)


def test_xml_as_sacrebleu(tmp_path):
    member = "wmt22-news-systems-1.1/xml/wmttest2022.en-de.all.xml"
    reading = {"format": "wmt-xml", "member": f"*/{Path(member).name}", "reference": "A"}
    records, counts = read(archive(tmp_path / "data", **{member: XML}), reading)
    (tmp_path / "set.xml").write_text(XML)
    with (tmp_path / "set.xml").open("rb") as stream:
        theirs = WMTXMLDataset._unwrap_wmt21_or_later(stream)
    clean = WMTXMLDataset._clean
    assert [r["source"] for r in records] == [clean(text) for text in theirs["src"]]
    assert [r["target"] for r in records] == [clean(text) for text in theirs["ref:A"]]
    assert [r["id"] for r in records] == ["0-1", "0-2", "0-4", "0-5"]
    # the third segments have no reference; those of the test suite are left out
    assert counts == {"read": 9, "kept": 4, "empty": 2, "test_suite": 3}


def test_xml_names_the_translators_there_are(tmp_path):
    reading = {"format": "wmt-xml", "member": "x.xml", "reference": "C"}
    with pytest.raises(UserError, match="no reference 'C'; its translators: A, B"):
        read(archive(tmp_path / "data", **{"x.xml": XML}), reading)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (XML[:-30], "is not the XML"),
        (XML.replace('seg id="3"', "seg"), "has no number"),
        (XML.replace('seg id="3"', 'seg id="1"'), "a document has two segments of number 1"),
        (XML.replace('seg id="3"', 'seg id="0"').replace('"2">Z', '"9">Z'), "segment 9 .* no sour"),
        ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>", "is not the XML"),
        (BOMB, "is not the XML"),
        ('<?xml version="1.0" encoding="utg-8"?><x/>', "is not the XML"),
        ('<?xml version="1.0" encoding="gb18030"?><x/>', "is not the XML"),
    ],
)
def test_xml_that_is_none(tmp_path, text, message):
    reading = {"format": "wmt-xml", "member": "x.xml", "reference": "A"}
    with pytest.raises(UserError, match=message):
        read(archive(tmp_path / "data", **{"x.xml": text}), reading)


@pytest.mark.parametrize(
    ("source", "theirs", "pair"),
    [
        ("newstest2013", "wmt13", "en-de"),
        ("newsdev2017", "wmt17/dev", "en-zh"),
        ("newstest2020", "wmt20", "en-de"),
        ("newstest2020", "wmt20", "en-zh"),
        ("newstest2021", "wmt21", "en-de"),
        ("newstest2021", "wmt21", "en-zh"),
        ("newstest2022", "wmt22", "en-de"),
        ("newstest2022", "wmt22", "en-zh"),
    ],
)
def test_the_members_are_those_that_sacrebleu_reads(source, theirs, pair):
    root = Path(__file__).parents[2]
    sources = read_sources(root / "config/sources.yaml", root)
    raw = Raw(sources.reading(source), (), (source,), tuple(pair.split("-")), root)
    members = DATASETS[theirs].langpairs[pair]
    if isinstance(members, dict):  # with references that differ from the set's
        assert members["refs"] == [raw.reading["reference"]]
        members = [members["path"]]
    keys = [key for key in ("member", "source", "target") if key in raw.reading]
    assert [raw.fill(raw.reading[key]) for key in keys] == members
    if "member" in raw.reading and "refs" in DATASETS[theirs].kwargs:
        assert raw.reading["reference"] in DATASETS[theirs].kwargs["refs"]
    assert [sources[source].pin.md5] == DATASETS[theirs].md5
    assert sources.file(source).urls[0] == DATASETS[theirs].data[0]
