"""Builds a corpus from a tiny site: roles, members, archive, and the checks on packages."""

import hashlib
import json
import tarfile
from collections import Counter

import pytest
from builder import packages
from builder.archive import describe_members, encode, pin, sources_entry, write_archive
from builder.corpus import build_members
from builder.pages import Block, Page
from builder.roles import HINDI_PAGES, assign_roles
from builder.site import Site
from builder.translation import clean_pairs

ENGLISH = "The {0} command changes the {0} of the cell in the sheet."
GERMAN = "Der Befehl {0} ändert die {0} der Zelle in der Tabelle."
CHINESE = "{0} 命令用于修改工作表中单元格的属性，{1}。"
SHARED = ("Choose the entry that you want to use here.", "Wählen Sie den Eintrag, den Sie nutzen.")
WORDS = ["colour", "border", "height", "margin", "number", "format", "author", "header"]
ROLES = {
    f"libreoffice/{word}": role
    for word, role in zip(WORDS, ["pretrain"] * 3 + ["train"] * 3 + ["dev", "test"], strict=True)
}


def tiny_pages():
    """One paragraph a page, of its own, and one that all pages share."""
    pages = {code: {} for code in ("en", "de", "zh", "fr", "es", "hi", "tr", "pl")}
    for number, name in enumerate(ROLES):
        word = name.split("/")[1]
        texts = dict.fromkeys(pages, (ENGLISH.format(word), SHARED[0]))
        texts["de"] = (GERMAN.format(word), SHARED[1])
        texts["zh"] = (
            CHINESE.format(word, chr(0x5000 + number) * 12),
            "请在此处选择要使用的条目。",
        )
        for code, pair in texts.items():
            blocks = [Block(str(i), "paragraph", text) for i, text in enumerate(pair)]
            pages[code][name] = Page(name, tuple(blocks))
    return pages


@pytest.fixture(scope="module")
def built():
    nothing = {"en": {}, "de": {}, "zh": {}}
    return build_members(Site(tiny_pages(), ROLES), nothing)


def test_pages_go_where_their_role_says(built):
    members, _ = built
    for split in ("train", "dev", "test"):
        expected = {name for name, role in ROLES.items() if role == split}
        for target in ("de", "zh"):
            records = members[f"help-en-{target}/{split}"]
            assert {record["id"].split("#")[0] for record in records} == expected
    assert {r["id"] for r in members["zero-shot/zh-de"]} >= {"libreoffice/header#0"}
    documents = members["pretraining/de.libreoffice"]
    assert [r["text"] for r in documents] == [GERMAN.format(word) for word in WORDS[:3]]


def test_text_shared_between_roles_stays_in_the_most_held_out_one(built):
    members, drops = built
    holders = [
        name
        for name, records in members.items()
        if name.startswith("help-en-de") and any(r["source"] == SHARED[0] for r in records)
    ]
    assert holders == ["help-en-de/test"]
    assert drops["help-en-de/train"]["held-out text"] == 1  # two more are duplicates of it
    assert drops["help-en-de/train"]["duplicate"] == 2
    assert drops["pretraining/de.libreoffice"]["finetuning text"] == 3


def test_a_text_that_stands_for_many_is_no_translation():
    pages = tiny_pages()
    stale = Block("0", "paragraph", "Ein alter Text für eine Gruppe von neuen Befehlen.")
    for name in ROLES:
        pages["de"][name] = Page(name, (stale, pages["de"][name].blocks[1]))
    drops = Counter()
    site = Site(pages, ROLES)
    assert {s.key for s in clean_pairs(site, "de", "train", drops)} == {"1"}
    assert drops["one text for several"] == 3
    assert {s.key for s in clean_pairs(site, "de", "dev", drops)} == {"0", "1"}


def test_roles_follow_hindi_first_and_then_the_name_alone():
    names = [f"page{i}" for i in range(4000)]
    hindi = {name: i for i, name in enumerate(names)}
    roles = assign_roles(hindi)
    richest = names[-HINDI_PAGES:]
    assert {roles[name] for name in richest} == {"test"}
    shares = Counter(roles[name] for name in names[:-HINDI_PAGES])
    total = sum(shares.values())
    assert shares["pretrain"] / total == pytest.approx(0.55, abs=0.03)
    assert shares["dev"] / total == pytest.approx(0.45 * 0.08, abs=0.015)
    assert shares["test"] / total == pytest.approx(0.45 * 0.05, abs=0.015)
    fewer = assign_roles({name: hindi[name] for name in names[1000:]})
    assert fewer == {name: roles[name] for name in names[1000:]}


def test_archive_depends_on_the_records_alone(tmp_path, built):
    contents = encode(built[0])
    write_archive(tmp_path / "one.tar.xz", contents)
    write_archive(tmp_path / "two.tar.xz", dict(reversed(contents.items())))
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "two.tar.xz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.xz") as archive:
        infos = archive.getmembers()
        assert {n.name: archive.extractfile(n).read() for n in infos} == contents
    assert [info.name for info in infos] == sorted(contents)
    assert {(i.mtime, i.uid, i.gid, i.uname, i.gname, i.mode) for i in infos} == {
        (0, 0, 0, "", "", 0o644)
    }


def test_report_and_sources_entry_pin_every_member(built):
    members, drops = built
    described = describe_members(members, drops)
    contents = encode(members)
    assert {n: (d["sha256"], d["size"]) for n, d in described.items()} == {
        name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in contents.items()
    }
    assert described["help-en-de/dev.jsonl"]["words"] == {"source": 12, "target": 11}
    assert f"help-en-de/dev.jsonl: {{sha256: {pin(contents['help-en-de/dev.jsonl'])['sha256']}" in (
        sources_entry(pin(b"archive"), described)
    )


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A folder with one package, pinned; dpkg-deb is replaced by the first line of the file."""

    def describe(path):
        name, version = path.read_text().split("\n")[0].split()
        return packages.Package(name, version, hashlib.sha256(path.read_bytes()).hexdigest())

    monkeypatch.setattr(packages, "_describe", describe)
    monkeypatch.setattr(packages, "PACKAGES", ["help"])
    (tmp_path / "help_1_all.deb").write_text("help 1\ntext")
    packages.write_pins(tmp_path / "packages.json", tmp_path)
    return tmp_path


def test_pinned_packages_pass(packaged):
    pins = packages.read_pins(packaged / "packages.json")
    assert packages.check(packaged, pins) == [packaged / "help_1_all.deb"]
    assert set(json.loads((packaged / "packages.json").read_text())[0]) == {
        "name",
        "version",
        "sha256",
    }


def test_another_package_is_refused_with_both_digests(packaged):
    pins = packages.read_pins(packaged / "packages.json")
    (packaged / "help_1_all.deb").write_text("help 1\nother text")
    with pytest.raises(packages.PackageError, match=rf"(?s){pins[0].sha256}.*found help 1 .*--pin"):
        packages.check(packaged, pins)


def test_a_missing_package_is_named(packaged):
    pins = packages.read_pins(packaged / "packages.json")
    (packaged / "help_1_all.deb").unlink()
    with pytest.raises(packages.PackageError, match=r"expected one help_\*\.deb, found 0"):
        packages.check(packaged, pins)
