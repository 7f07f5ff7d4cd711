"""Archives that want harm, or are broken, end in one message and leave nothing behind."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finescale.corpora import archives, convert
from finescale.errors import UserError

READING = {"format": "lines", "source": "c.{source}", "target": "c.{target}"}
GOOD = {"c.en": b"one\ntwo\n", "c.de": b"eins\nzwei\n"}


def tar(path: Path, *more: tarfile.TarInfo, mode: str = "w", members: dict = GOOD) -> Path:
    with tarfile.open(path, mode) as archive:
        for entry in more:
            archive.addfile(entry, io.BytesIO(b"evil\n" * 20))
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def read(path: Path, reading: dict = READING, split: str = "train") -> str:
    settings = {"readings": [reading], "languages": ["en", "de"]}
    convert([path], settings, split, path.parent)
    return (path.parent / f"{split}.jsonl").read_text()


def refused(path: Path, reading: dict = READING) -> str:
    """The message of a reading that fails; nothing but what was there may be left."""
    before = {item: item.stat().st_size for item in path.parent.rglob("*")}
    with pytest.raises(UserError) as caught:
        read(path, reading)
    assert {item: item.stat().st_size for item in path.parent.rglob("*")} == before
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def inside(tmp_path) -> Path:
    """A folder below another, so that an escape would be seen."""
    folder = tmp_path / "deep" / "inside"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "name", ["../escaped", "../../escaped", "/tmp/finescale-escaped", "a/../../x"]
)
def test_names_that_point_elsewhere_touch_nothing(inside, name):
    read(tar(inside / "data", entry(name, size=100)))
    assert sorted(path.name for path in inside.parent.parent.rglob("*")) == [
        "data",
        "deep",
        "inside",
        "train.jsonl",
    ]
    assert not Path("/tmp/finescale-escaped").exists()


def test_even_asked_for_such_a_name_is_only_read(inside):
    path = tar(inside / "data", members={"../c.en": b"one\n", "/c.de": b"eins\n"})
    reading = {"format": "lines", "source": "../c.en", "target": "/c.de"}
    assert '"one"' in read(path, reading)
    assert [item.name for item in inside.parent.iterdir()] == ["inside"]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"5"],
)
def test_what_is_no_file_is_not_there(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    members = {"c.de": b"eins\n"}
    path = tar(tmp_path / "data", entry("c.en", kind, str(secret)), members=members)
    assert "holds no file 'c.en'; it holds c.de (1 files)" in refused(path)


def test_a_link_in_a_zip_is_not_there(tmp_path):
    with zipfile.ZipFile(tmp_path / "data", "w") as archive:
        link = zipfile.ZipInfo("c.en")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("c.de", "eins\n")
    assert "holds no file 'c.en'" in refused(tmp_path / "data")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_put_out(tmp_path, compress):
    bomb = compress(b"\0" * 80_000_000)
    assert len(bomb) < 100_000
    path = tmp_path / "data"
    path.write_bytes(bomb)
    assert "more than 200 times its size" in refused(path, {"format": "moses"} | TEXT)
    members = {"c.de": b"", "c.en": bomb}
    assert "c.en in" in refused(tar(path, members=members))
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(entry("c.en", size=80_000_000), io.BytesIO(b"\0" * 80_000_000))
    assert "more than 200 times its size" in refused(path)


TEXT = {"format": "tsv", "columns": {"source": 0, "target": 1}}


def test_a_bomb_in_a_zip_is_put_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "data", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in GOOD:
            archive.writestr(name, (b"a" * 99_999 + b"\n") * 800)
    assert "c.en in" in refused(tmp_path / "data")


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50)
    many = {f"c.{i}": b"" for i in range(60)}
    assert "more than 50 members" in refused(tar(tmp_path / "data", members=many))
    with zipfile.ZipFile(tmp_path / "data", "w") as archive:
        for name in many:
            archive.writestr(name, b"")
    assert "more than 50 members" in refused(tmp_path / "data")


def test_a_size_that_is_not_true(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(entry("c.en", size=1 << 40).tobuf() + b"few bytes" * 100)
    assert "times its size" in refused(path)


def test_two_members_of_one_name(tmp_path):
    path = tar(tmp_path / "data", entry("c.en", size=100))
    assert "holds 2 files 'c.en'" in refused(path)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2", "zip"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_truncated_archive(tmp_path, mode, share):
    path = tmp_path / "data"
    members = {name: data + bytes(range(33, 120)) * 2000 for name, data in GOOD.items()}
    if mode == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        tar(path, mode=mode, members=members)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    message = refused(path)
    assert "cannot be unpacked" in message or "no archive" in message


def test_a_zip_whose_directory_lies_before_its_start(tmp_path):
    path = tmp_path / "data"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data)
    content = path.read_bytes()
    path.write_bytes(content[:5] + content[8:])
    assert "cannot be unpacked" in refused(path)


def test_a_zip_with_a_file_of_no_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "data", "w") as archive:
        archive.writestr("x", b"one\n")
    content = bytearray((tmp_path / "data").read_bytes())
    start = content.find(b"PK\1\2")
    content[start + 28], content[start + 32] = 0, 1  # its one letter is a comment
    (tmp_path / "data").write_bytes(content)
    assert "cannot be unpacked" in refused(tmp_path / "data")


def test_a_tar_with_a_member_of_exabytes(tmp_path):
    """Python's tarfile goes through them a block at a time, though the file has ended."""
    entry = tarfile.TarInfo("huge")
    entry.size = 1 << 60
    header = entry.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "data").write_bytes(header + bytes(1024))
    assert "huge in" in refused(tmp_path / "data")


def test_a_zip_with_a_password(tmp_path):
    path = tmp_path / "data"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data)
    content = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag in both headers
        start = content.find(magic)
        while start >= 0:
            content[start + at] |= 1
            start = content.find(magic, start + 1)
    path.write_bytes(content)
    assert "is encrypted" in refused(path)


def test_zstd_is_named(tmp_path):
    (tmp_path / "data").write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 100)
    assert "zstd" in refused(tmp_path / "data")


def test_an_archive_without_a_member(tmp_path):
    assert "name a `member`" in refused(tar(tmp_path / "data", mode="w:gz"), TEXT)


def test_near_names_are_shown(tmp_path):
    path = tar(tmp_path / "data", members=GOOD | {"training/c.en": b"", "other": b""})
    assert "training/c.en" in refused(path, READING | {"source": "train/c.en"})


def test_an_archive_without_anything(tmp_path):
    assert "is an empty archive" in refused(tar(tmp_path / "data", entry("d", b"5"), members={}))
    zipfile.ZipFile(tmp_path / "data", "w").close()
    assert "is an empty archive" in refused(tmp_path / "data")


TWO = {"format": "lines", "source": "*.{source}", "target": "*.{target}"}


@pytest.mark.parametrize("at", [5, 4 * 512 + 5])
def test_a_tar_with_a_damaged_header_does_not_end_there(tmp_path, at):
    """Nor one that is cut between two members: Python's tarfile stops without a word."""
    members = {f"{name}{side}": b"1\n" for name in "ab" for side in (".en", ".de")}
    path = tar(tmp_path / "data", members=members)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: at // 512 * 512])
    assert "data" in refused(path, TWO)
    content[at] ^= 1
    path.write_bytes(content)
    assert "data" in refused(path, TWO)


def test_the_checksum_of_a_compressed_tar(tmp_path):
    path = tar(tmp_path / "data", mode="w:gz")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    assert "cannot be unpacked" in refused(path)


@pytest.mark.parametrize("kind", ["tar", "gz", "zip", "text"])
@given(garbage=st.binary(max_size=400), at=st.floats(0, 1))
def test_no_garbage_makes_it_hang_or_fall(kind, garbage, at, tmp_path_factory):
    """Bytes put anywhere into a file: it is read, or a message says why not."""
    path = tmp_path_factory.mktemp("garbage") / "data"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in GOOD.items():
                archive.writestr(name, data)
    elif kind == "text":
        path.write_bytes(b"a\tb\n" * 50)
    else:
        tar(path, mode="w" if kind == "tar" else "w:gz")
    content = path.read_bytes()
    start = int(at * len(content))
    path.write_bytes(content[:start] + garbage + content[start + len(garbage) :])
    try:
        read(path, TEXT if kind == "text" else READING)
    except UserError as error:
        assert "split 'train'" in str(error) or str(path) in str(error)


class Dripping(io.BytesIO):
    """Gives a few bytes at a time, as a slow disk may."""

    def read(self, most: int | None = -1) -> bytes:
        return super().read(min(most, 7) if most and most > 0 else most)


def unpacked(file: io.BytesIO, most: int) -> Iterator[bytes]:
    reader = archives.Gunzip(file)
    return iter(lambda: reader.read(most), b"")


MEMBERS = st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 20)), min_size=1)


@given(MEMBERS, st.integers(1, 40))
def test_members_of_a_gzip_file_are_read_as_gzip_does(members, most):
    file = b"".join(gzip.compress(content) + b"\0" * zeros for content, zeros in members)
    pieces = list(unpacked(Dripping(file), most))
    assert b"".join(pieces) == gzip.decompress(file)
    assert all(len(piece) <= most for piece in pieces)


@given(st.data())
def test_a_gzip_file_that_is_cut_or_changed_is_refused(data):
    file = gzip.compress(b"one\ntwo\n" * 9, mtime=0) * 2
    cut = data.draw(st.integers(1, len(file) - 1).filter(lambda at: at != len(file) // 2))
    for damaged in (file[:cut], file + b"no gzip", file[:-8] + b"\1\2\3\4" + file[-4:]):
        with pytest.raises(archives.DAMAGE):
            list(unpacked(io.BytesIO(damaged), 1 << 16))
