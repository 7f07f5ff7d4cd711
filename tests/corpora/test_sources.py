"""What leaves `fetch` has the pinned bytes, or there is a message and no file."""

import errno
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
import yaml

from finescale.corpora import fetch, not_pinned
from finescale.errors import UserError
from finescale.study.source_files import read_sources
from finescale.study.sources import Sources

CONTENT = {"mt/train.jsonl": b"one\n" * 50_000, "mt/dev.jsonl": b"two\n", "last": b"\0" * 3_000_000}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pin(content: bytes) -> dict:
    return {"sha256": sha256(content), "size": len(content)}


def write_archive(path: Path, content: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:xz") as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_archive(tmp_path / "corpus.tar.xz", CONTENT)
    (tmp_path / "plain.txt").write_bytes(b"plain")
    return tmp_path


def declare(root: Path, **entries: dict) -> Sources:
    (root / "sources.yaml").write_text(yaml.safe_dump(entries))
    return read_sources(root / "sources.yaml", root)


def embedded(root: Path) -> dict:
    archive = pin((root / "corpus.tar.xz").read_bytes())
    members = {name: pin(data) for name, data in CONTENT.items()}
    return {"path": "corpus.tar.xz", "licence": "MPL-2.0", "members": members, **archive}


def test_of_two_sources_with_the_same_bytes_the_one_that_is_here_is_taken(root):
    here = pin(b"plain")
    sources = declare(root, first={"path": "gone", **here}, second={"path": "plain.txt", **here})
    fetch(here["sha256"], sources, root / "data")
    assert (root / "data").read_bytes() == b"plain"


@pytest.mark.parametrize("name", CONTENT)
def test_a_member_is_unpacked(root, name):
    fetch(sha256(CONTENT[name]), declare(root, corpus=embedded(root)), root / "data")
    assert (root / "data").read_bytes() == CONTENT[name]


def test_a_file_is_taken(root):
    sources = declare(root, plain={"path": "plain.txt", **pin(b"plain")})
    fetch(sha256(b"plain"), sources, root / "data")
    assert (root / "data").read_bytes() == b"plain"


def refused(root: Path, sources: Sources, wanted: bytes) -> str:
    """The message of a fetch that fails; nothing may be left behind."""
    before = set(root.iterdir())
    with pytest.raises(UserError) as caught:
        fetch(sha256(wanted), sources, root / "data")
    assert set(root.iterdir()) == before
    return str(caught.value)


def test_a_changed_file_is_refused(root):
    sources = declare(root, plain={"path": "plain.txt", **pin(b"other")})
    message = refused(root, sources, b"other")
    assert sha256(b"plain") in message
    assert sha256(b"other") in message
    assert "plain.txt" in message


def test_a_changed_member_is_refused(root):
    sources = declare(root, corpus=embedded(root))
    write_archive(root / "corpus.tar.xz", CONTENT | {"mt/dev.jsonl": b"TWO\n"})
    message = refused(root, sources, CONTENT["mt/dev.jsonl"])
    assert "mt/dev.jsonl" in message
    assert sha256(b"TWO\n") in message
    assert sha256(b"two\n") in message


def test_a_wrong_size_is_refused(root):
    sources = declare(root, plain={"path": "plain.txt", "sha256": sha256(b"plain"), "size": 6})
    assert "expected" in refused(root, sources, b"plain")


@pytest.mark.parametrize("damage", ["truncate", "flip", "garbage", "empty"])
def test_a_corrupt_archive_is_named(root, damage):
    sources = declare(root, corpus=embedded(root))
    path = root / "corpus.tar.xz"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    if damage == "flip":
        content[middle] ^= 255
    path.write_bytes(
        {"truncate": content[:middle], "garbage": b"x" * 999, "empty": b""}.get(damage, content)
    )
    message = refused(root, sources, CONTENT["last"])
    assert str(path) in message
    assert sha256(path.read_bytes()) in message
    assert "put the old file back" in message


def test_a_missing_member_is_named(root):
    sources = declare(root, corpus=embedded(root))
    write_archive(root / "corpus.tar.xz", {"mt/train.jsonl": b""})
    assert "holds no file 'mt/dev.jsonl'" in refused(root, sources, CONTENT["mt/dev.jsonl"])


def test_a_link_is_not_followed(root):
    secret = root / "secret"
    secret.write_bytes(b"secret")
    with tarfile.open(root / "corpus.tar.xz", "w:xz") as archive:
        entry = tarfile.TarInfo("data")
        entry.type, entry.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(entry)
    sources = declare(root, corpus={"path": "corpus.tar.xz", "members": {"data": pin(b"secret")}})
    assert "holds no file 'data'" in refused(root, sources, b"secret")


@pytest.mark.parametrize("member", ["../data", "a/../../data", "/etc/passwd"])
def test_a_member_outside_of_the_archive_cannot_be_declared(root, member):
    with pytest.raises(UserError, match="outside of the archive"):
        declare(root, corpus={"path": "corpus.tar.xz", "members": {member: pin(b"")}})


def test_an_escaping_member_of_the_archive_touches_nothing(root):
    folder = root / "inside"
    folder.mkdir()
    write_archive(
        root / "corpus.tar.xz", {"../escaped": b"evil", "/tmp/escaped": b"evil", "good": b"good"}
    )
    sources = declare(root, corpus={"path": "corpus.tar.xz", "members": {"good": pin(b"good")}})
    before = set(root.iterdir())
    fetch(sha256(b"good"), sources, folder / "data")
    assert set(root.iterdir()) == before
    assert [path.name for path in folder.iterdir()] == ["data"]


def test_offline_a_source_that_is_not_there_says_where_to_put_it(root, monkeypatch):
    monkeypatch.setenv("FINESCALE_OFFLINE", "1")
    url = "https://example.org/wmt/train.tsv.gz"
    sources = declare(root, wmt={"url": url, **pin(b"wmt")})
    message = refused(root, sources, b"wmt")
    assert url in message
    assert str(root / "resources/raw/wmt/train.tsv.gz") in message


URL = "https://example.org/plain.txt"


def downloaded(root: Path, content: bytes = b"plain", path: str = "plain.txt") -> Sources:
    return declare(root, plain={"url": URL, "path": path, **pin(content)})


def test_a_file_of_the_network_is_linked(root):
    fetch(sha256(b"plain"), downloaded(root), root / "data")
    assert (root / "data").samefile(root / "plain.txt")
    (root / "data").unlink()
    assert "it is downloaded again" in refused(root, downloaded(root, b"other"), b"other")


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_users_own_file_is_copied_so_that_a_change_in_place_stays_outside(root, mode):
    sources = declare(root, plain={"path": "plain.txt", **pin(b"plain")})
    (root / "plain.txt").chmod(mode)
    fetch(sha256(b"plain"), sources, root / "data")
    with (root / "plain.txt").open("r+b") as stream:
        stream.write(b"P")
    assert (root / "data").read_bytes() == b"plain"
    assert (root / "data").stat().st_mode == (root / "sources.yaml").stat().st_mode


@pytest.mark.parametrize(("mode", "links"), [(0o600, False), (0o644, True), (0o444, True)])
def test_a_file_that_others_cannot_read_is_not_linked(root, mode, links):
    (root / "plain.txt").chmod(mode)
    before = os.umask(0o022)
    try:
        fetch(sha256(b"plain"), downloaded(root), root / "data")
    finally:
        os.umask(before)
    assert (root / "data").samefile(root / "plain.txt") == links
    assert (root / "data").stat().st_mode & 0o444 == 0o444


def test_a_symbolic_link_is_followed(root):
    (root / "link.txt").symlink_to(root / "plain.txt")
    fetch(sha256(b"plain"), downloaded(root, path="link.txt"), root / "data")
    assert (root / "data").samefile(root / "plain.txt")
    assert not (root / "data").is_symlink()


def test_a_file_of_another_file_system_is_copied(root, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    fetch(sha256(b"plain"), downloaded(root), root / "data")
    assert (root / "data").read_bytes() == b"plain"
    assert "expected" in refused(root, downloaded(root, b"x"), b"x")


def test_a_member_never_unpacks_to_more_than_its_pinned_size(root, monkeypatch):
    write_archive(root / "bomb.tar.xz", {"data": b"\0" * 50_000_000})
    sources = declare(root, bomb={"path": "bomb.tar.xz", "members": {"data": pin(b"small")}})
    before = sum(path.stat().st_size for path in root.iterdir())
    assert "goes on after the expected 5 bytes" in refused(root, sources, b"small")
    assert sum(path.stat().st_size for path in root.iterdir()) == before


def test_unpinned_sources_are_named_with_what_to_do(root):
    sources = declare(
        root,
        wmt={"url": "https://example.org/wmt"},
        c4={"url": "https://example.org/{shard}", "shards": 9},
        corpus={"path": "corpus.tar.xz", "members": {"a": {"sha256": None}}},
    )
    message = str(not_pinned(["wmt", "c4:0", "c4:1", "corpus:a"], sources))
    assert "finescale sources --lock wmt c4\n" in message
    assert "corpus:a: write its sha256 and size into" in message


def test_an_unknown_hash_is_named(root):
    assert sha256(b"?") in refused(root, declare(root, corpus=embedded(root)), b"?")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"sha256": "12"}, "path or a url"),
        ({"path": "x", "sha256": "12"}, "64 hexadecimal"),
        ({"path": "x", "sha256": "Z" * 64}, "64 hexadecimal"),
        ({"path": "x", "size": "3"}, "number of bytes"),
        ("x", "path or a url"),
    ],
)
def test_a_bad_declaration_is_named(root, entry, message):
    with pytest.raises(UserError, match=message) as caught:
        declare(root, wrong=entry)
    assert "sources.yaml: wrong" in str(caught.value)


def test_bad_sources_files_are_named(root):
    with pytest.raises(UserError, match="missing"):
        read_sources(root / "none.yaml", root)
    (root / "bad.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not YAML"):
        read_sources(root / "bad.yaml", root)
    (root / "list.yaml").write_text("- a")
    with pytest.raises(UserError, match="mapping"):
        read_sources(root / "list.yaml", root)
