"""What config/sources.yaml, its siblings and its lock say of the raw files of a study."""

import pytest
import yaml

from finescale.errors import UserError
from finescale.study.readings import FORMATS, RECORDS
from finescale.study.source_files import read_sources
from finescale.study.sources import Pin, count_records

ONE, TWO = "1" * 64, "2" * 64
HUB = "hf://datasets/owner/name@0123abc"
SHARDED = {"url": f"{HUB}/c4-{{shard:05d}}-of-00012.json.gz", "shards": 12, "records": 24}
FOLDER = {"url": "hf://owner/model@0123abc", "files": {"config.json": {"sha256": ONE}, "w/a": None}}
ARCHIVE = {"url": "https://example.org/a.tgz", "sha256": TWO, "members": {"in/x": {"sha256": ONE}}}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", ["plain"]),
        ("archive", ["archive"]),
        ("archive:in/x", ["archive:in/x"]),
        ("folder", ["folder:config.json", "folder:w/a"]),
        ("folder:w/a", ["folder:w/a"]),
        ("sharded", [f"sharded:{shard}" for shard in range(12)]),
        ("sharded:3-5", ["sharded:3", "sharded:4", "sharded:5"]),
        ("sharded:11", ["sharded:11"]),
    ],
)
def test_a_name_stands_for_its_raw_files(declare, raw, expected):
    sources = declare(plain={"path": "x"}, archive=ARCHIVE, folder=FOLDER, sharded=SHARDED)
    assert sources.expand(raw) == expected
    assert all(isinstance(sources.pin(each), Pin) for each in expected)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("shardde", "did you mean `sharded`"),
        ("sharded:5-12", "0-11"),
        ("sharded:5-3", "0-11"),
        ("sharded:12", "has no shard `12`"),
        ("folder:config.jsn", "did you mean `config.json`"),
        ("archive:in/y", "did you mean `in/x`"),
    ],
)
def test_a_name_that_stands_for_nothing(declare, raw, message):
    sources = declare(archive=ARCHIVE, folder=FOLDER, sharded=SHARDED)
    with pytest.raises(UserError, match=message):
        [sources.pin(each) for each in sources.expand(raw)]


@pytest.mark.parametrize("path", [{}, {"path": "data/a.gz"}, {"path": "data/{shard}/a.gz"}])
def test_every_shard_has_a_place_of_its_own(declare, path):
    entry = {"url": "https://example.org/{shard}/a.gz", "shards": 2}
    with pytest.raises(UserError, match="all shards would lie at"):
        declare(sharded=entry | path)
    sources = declare(sharded=entry | {"path": "data/{shard}.gz"})
    assert [sources.file(f"sharded:{k}").path.name for k in range(2)] == ["0.gz", "1.gz"]


def test_where_files_are_and_come_from(declare, tmp_path):
    mirror = "https://example.org/c4-{shard}.json.gz"
    sources = declare(archive=ARCHIVE, folder=FOLDER, sharded=SHARDED | {"mirrors": [mirror]})
    shard = sources.file("sharded:7")
    assert shard.urls == (f"{HUB}/c4-00007-of-00012.json.gz", "https://example.org/c4-7.json.gz")
    assert shard.path == tmp_path / "resources/raw/sharded/c4-00007-of-00012.json.gz"
    part = sources.file("folder:w/a")
    assert part.urls == ("hf://owner/model@0123abc/w/a",)
    assert part.path == tmp_path / "resources/raw/folder/w/a"
    assert sources.file("archive").path == tmp_path / "resources/raw/archive/a.tgz"


def test_the_lock_pins_what_an_entry_does_not(declare):
    lock = {"sharded:1": {"sha256": TWO, "size": 5}, "folder:config.json": {"sha256": TWO}}
    sources = declare(lock, folder=FOLDER, sharded=SHARDED)
    assert sources.pin("sharded:1") == Pin(TWO, 5)
    assert sources.pin("sharded:0").sha256 is None
    assert sources.pin("folder:config.json").sha256 == ONE  # the entry's own holds


def test_users_have_files_of_their_own(declare, tmp_path):
    declare(plain={"path": "x"})
    own = tmp_path / "config/my.sources.yaml"
    own.write_text(yaml.safe_dump({"mine": {"path": "data/mine.tsv", "sha256": ONE}}))
    sources = read_sources(tmp_path / "config/sources.yaml", tmp_path)
    assert set(sources) == {"plain", "mine"}
    assert sources.file("mine").path == tmp_path / "data/mine.tsv"
    own.write_text(yaml.safe_dump({"plain": {"path": "y"}}))
    with pytest.raises(UserError, match=r"my\.sources\.yaml: plain: another file"):
        read_sources(tmp_path / "config/sources.yaml", tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"sha256": "1"}}'])
def test_a_broken_lock_is_named(declare, tmp_path, content):
    declare(plain={"path": "x"})
    (tmp_path / "config/sources.lock.json").write_text(content)
    with pytest.raises(UserError, match=r"sources\.lock\.json"):
        read_sources(tmp_path / "config/sources.yaml", tmp_path)


def test_records_are_counted_where_all_are_known(declare):
    members = {"in/x": {"sha256": ONE, "records": 3}, "in/y": {"sha256": TWO}}
    sources = declare(sharded=SHARDED, archive=ARCHIVE | {"members": members})
    assert count_records(["sharded", "archive:in/x"], sources) == 27
    assert count_records(["sharded:0-1"], sources) is None  # which shard has how many is not said
    assert count_records(["archive:in/x", "archive:in/y"], sources) is None


def test_the_default_reading_is_typed_records(declare):
    reading = {"format": "tsv", "columns": {"source": 0, "target": 1}}
    sources = declare(plain={"path": "x"}, table={"path": "y", "reading": reading})
    assert sources.reading("plain") == RECORDS
    assert sources.reading("table") == reading
    assert RECORDS["format"] in FORMATS


def test_files_may_be_a_list_of_names(declare):
    as_list = declare(folder=FOLDER | {"files": ["config.json", "w/a"]})
    as_mapping = declare(folder=FOLDER | {"files": {"config.json": None, "w/a": {}}})
    assert as_list["folder"] == as_mapping["folder"]
    assert as_list.file("folder:w/a").pin == Pin(None, None)


def test_null_is_as_good_as_nothing(declare):
    keys = ("mirrors", "sha256", "md5", "size", "records", "licence", "purpose", "reading")
    nothing = dict.fromkeys([*keys, "members", "files", "shards", "url"])
    assert declare(a={"path": "x", **nothing})["a"] == declare(a={"path": "x"})["a"]


def test_a_file_that_changed_is_put_back_or_locked_anew(declare):
    file = declare(mine={"path": "mine/train.tsv"}).file("mine")
    assert f"put the old file back at {file.path}" in file.remedy
    assert "delete its line in config/sources.lock.json" in file.remedy
    assert "`finescale sources --lock` again" in file.remedy
