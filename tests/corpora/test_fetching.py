"""Whatever a server does, a download ends in the right file or in one clear error."""

import hashlib
import importlib.util
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from finescale.corpora import fetch
from finescale.corpora.download.connection import Patience
from finescale.corpora.download.files import download, download_all
from finescale.errors import UserError
from finescale.study.source_files import read_sources
from finescale.study.sources import Pin, RawFile, Sources

_spec = importlib.util.spec_from_file_location(
    "file_server", Path(__file__).with_name("file_server.py")
)
faulty = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(faulty)
Fault = faulty.Fault

pytestmark = pytest.mark.usefixtures("online")

CONTENT = os.urandom(1 << 20) * 3
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()
QUICK = Patience(backoff_seconds=0.01, connect_seconds=5.0, silence_seconds=20.0)
HASTY = replace(QUICK, silence_seconds=0.5)


@pytest.fixture
def server():
    with faulty.serving(faulty.FileServer()) as running:
        running.files = {"/data": CONTENT, "/mirror": CONTENT}
        yield running


@pytest.fixture
def other():
    with faulty.serving(faulty.FileServer()) as running:
        yield running


@pytest.fixture
def raw(server, tmp_path) -> RawFile:
    pin = Pin(SHA256, len(CONTENT))
    return RawFile("wmt", tmp_path / "raw" / "data", (f"{server.url}/data",), pin)


def arrives(raw: RawFile, content: bytes = CONTENT, patience: Patience = QUICK) -> None:
    arrived = download(raw, raw.path, patience=patience)
    assert raw.path.read_bytes() == content
    assert [path.name for path in raw.path.parent.iterdir()] == ["data"]
    assert arrived.sha256 == hashlib.sha256(content).hexdigest()
    assert arrived.size == len(content)


def fails(raw: RawFile, patience: Patience = QUICK) -> str:
    with pytest.raises(UserError) as caught:
        download(raw, raw.path, patience=patience)
    assert not raw.path.exists()
    message = str(caught.value)
    assert all(url.partition("?")[0] in message for url in raw.urls)
    assert str(raw.path) in message
    return message


FAULTS = {
    "dropped": [Fault(after=2_000_000)],
    "dropped thrice": [Fault(after=700_000), Fault(after=700_000), Fault(after=700_000)],
    "dropped before the first byte": [Fault(after=0)],
    "500 twice": [Fault(status=500), Fault(status=503)],
    "busy, come again": [Fault(status=429, headers={"Retry-After": "1"})],
    "silent": [Fault(after=1_000_000, stall=3)],
    "no ranges": [Fault(after=1_000_000), Fault(ignores_range=True)],
    "another range": [Fault(after=1_000_000), Fault(content_range="bytes 7-3145727/3145728")],
    "no range named": [Fault(after=1_000_000), Fault(content_range="bytes")],
    "changed in the middle": [Fault(after=1_000_000, etag='"old"')],
    "without a length": [Fault(length=None)],
    "without a length, cut off": [Fault(length=None, after=1_000_000)],
    "in chunks, cut off": [Fault(chunked=True, after=1_000_000), Fault(chunked=True)],
    "no bytes from there": [Fault(after=1_000_000), Fault(status=416)],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_passes(raw, server, faults):
    server.faults["/data"].extend(faults)
    arrives(raw, patience=HASTY)
    assert not server.faults["/data"]


LASTING = {
    "drops": (Fault(after=1000), "6 attempts"),
    "wrong bytes": (Fault(content=b"x" * len(CONTENT)), "SHA-256"),
    "too short": (Fault(content=CONTENT[:1000]), "offers 1000 bytes, expected 3145728"),
    "too long": (Fault(content=CONTENT + b"x"), "offers 3145729 bytes"),
    "endless": (Fault(content=CONTENT * 3, length=None), "more than the 3145728 bytes"),
    "length too large": (Fault(length=9_999_999), "offers 9999999 bytes"),
    "length too small": (Fault(length=5, after=5), "offers 5 bytes"),
    "broken": (Fault(status=500), "HTTP 500"),
    "busy": (Fault(status=429, headers={"Retry-After": "0"}), "HTTP 429"),
    "gone": (Fault(status=404), "HTTP 404"),
    "forbidden": (Fault(status=403), "HTTP 403"),
    "turns in circles": (Fault(status=302, headers={"Location": "/data"}), "redirects"),
    "silent": (Fault(after=0, stall=2), "attempts"),
}


@pytest.mark.parametrize(("fault", "reason"), LASTING.values(), ids=LASTING)
def test_a_fault_that_lasts(raw, server, fault, reason):
    server.always["/data"] = fault
    assert reason in fails(raw, HASTY)
    left = list(raw.path.parent.iterdir())
    assert sum(path.stat().st_size for path in left if path.suffix == ".part") < len(CONTENT)


@pytest.mark.parametrize(("fault", "reason"), LASTING.values(), ids=LASTING)
def test_a_mirror_stands_in(raw, server, fault, reason):
    server.always["/data"] = fault
    mirrored = replace(raw, urls=(*raw.urls, f"{server.url}/mirror"))
    arrives(mirrored, patience=HASTY)


def test_every_url_and_its_reason_are_named(raw, server, other):
    server.always["/data"] = Fault(content=b"x" * len(CONTENT))
    port = other.server_address[1]
    gone = f"http://127.0.0.1:{port}/gone?signature=secret"
    message = fails(replace(raw, urls=(*raw.urls, gone, "http://127.0.0.1:1/closed")))
    lines = message.splitlines()
    assert "SHA-256" in lines[1]
    assert "HTTP 404" in lines[2]
    assert "refused" in lines[3]
    assert "secret" not in message


def test_a_drop_costs_no_byte_twice(raw, server):
    server.faults["/data"].extend([Fault(after=2_000_000), Fault(after=500_000)])
    arrives(raw)
    assert server.sent("/data") == len(CONTENT)
    assert [request.headers.get("If-Range") for request in server.requests][1:] == ['"one"'] * 2


def test_a_file_that_does_not_grow_is_given_up_though_its_state_changes(raw, server):
    server.faults["/data"].extend(Fault(after=2_000_000, etag=f'"{n}"') for n in range(99))
    assert "attempts" in fails(raw)


def test_a_slow_server_is_not_waited_for(raw, server):
    server.always["/data"] = Fault(pause=0.3, content=CONTENT)
    hurried = replace(HASTY, slowest_bytes_per_second=1e9, attempts=2)
    assert "stalled" in fails(raw, hurried)


def test_what_another_run_left_is_completed(raw, server):
    raw.path.parent.mkdir()
    raw.path.with_name("data.part").write_bytes(CONTENT[:2_000_000])
    arrives(raw)
    assert server.sent("/data") == len(CONTENT) - 2_000_000


@pytest.mark.parametrize("left", [b"y" * 2_000_000, CONTENT + b"x", b"y" * len(CONTENT)])
def test_wrong_bytes_that_another_run_left_are_dropped(raw, left):
    raw.path.parent.mkdir()
    raw.path.with_name("data.part").write_bytes(left)
    arrives(raw)


def test_a_mirror_completes_what_the_first_server_began(raw, server):
    server.faults["/data"].append(Fault(after=2_000_000))
    server.always["/data"] = Fault(status=404)
    arrives(replace(raw, urls=(*raw.urls, f"{server.url}/mirror")))
    assert server.sent("/mirror") == len(CONTENT) - 2_000_000


def test_wrong_bytes_of_the_first_server_do_not_spoil_the_mirror(raw, server):
    server.faults["/data"].append(Fault(content=b"x" * len(CONTENT), after=2_000_000))
    server.always["/data"] = Fault(status=404)
    arrives(replace(raw, urls=(*raw.urls, f"{server.url}/mirror")))


@pytest.mark.parametrize("right", [True, False])
def test_a_published_md5_is_checked_where_there_is_no_sha256(raw, right):
    raw = replace(raw, pin=Pin(None, None, md5=MD5 if right else "0" * 32))
    if right:
        arrives(raw)
    else:
        assert f"MD5 {MD5}" in fails(raw)


def test_without_any_hash_only_the_same_state_is_completed(raw, server):
    raw = replace(raw, pin=Pin(None, None))
    server.faults["/data"].append(Fault(after=2_000_000))
    arrives(raw)
    assert server.sent("/data") == len(CONTENT)
    raw.path.unlink()
    raw.path.with_name("data.part").write_bytes(b"?" * 1000)  # nobody knows of what
    arrives(raw)


def test_a_compressed_file_is_left_as_it_is(raw, server):
    server.answers["/data"] = {"Content-Encoding": "x-gzip"}
    arrives(raw)


def test_several_files_at_once(server, tmp_path, capsys):
    contents = {f"/{n}": os.urandom(1000 + n) for n in range(30)}
    server.files = contents
    files = [
        RawFile(
            f"mc4:{name[1:]}",
            tmp_path / "raw" / name[1:],
            (server.url + name,),
            Pin(hashlib.sha256(content).hexdigest(), len(content)),
        )
        for name, content in contents.items()
    ]
    arrived = []
    download_all(files, lambda file, content: arrived.append((file.name, content.sha256)))
    assert sorted(arrived) == sorted((file.name, file.pin.sha256) for file in files)
    assert capsys.readouterr().out.count("checked") == 30


def test_of_several_files_those_that_fail_are_named(server, tmp_path, raw):
    lost = [replace(raw, name=f"lost-{n}", urls=(f"{server.url}/no",)) for n in range(2)]
    lost = [replace(file, path=tmp_path / file.name) for file in lost]
    with pytest.raises(UserError) as caught:
        download_all([lost[0], raw, lost[1]])
    assert "lost-0" in str(caught.value)
    assert "lost-1" in str(caught.value)
    assert raw.path.read_bytes() == CONTENT


@pytest.mark.parametrize("variable", ["FINESCALE_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_says_where_to_put_the_file(raw, server, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    message = fails(raw)
    assert variable in message
    assert server.requests == []


def test_a_proxy_of_the_environment_is_used(raw, monkeypatch):
    with faulty.serving(faulty.proxy(CONTENT)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_address[1]}")
        arrives(replace(raw, urls=("http://nowhere.invalid/data",)))
        assert proxy.asked == ["http://nowhere.invalid/data"]


def test_a_full_disk_is_known_before_anything_moves(raw, server):
    huge = replace(raw, pin=Pin(SHA256, 1 << 60))
    with pytest.raises(UserError, match="has room for"):
        download(huge, huge.path, patience=QUICK)
    assert server.requests == []


def test_two_processes_want_the_same_file(raw, server):
    server.always["/data"] = Fault(pause=0.05)
    command = [sys.executable, "-c", PROGRAM, raw.urls[0], str(raw.path), SHA256, str(len(CONTENT))]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert raw.path.read_bytes() == CONTENT
    assert server.sent("/data") == len(CONTENT)


PROGRAM = """
import sys; from pathlib import Path
from finescale.corpora.download.files import download
from finescale.study.sources import Pin, RawFile
url, path, sha256, size = sys.argv[1:]
file = RawFile("raw", Path(path), (url,), Pin(sha256, int(size)))
download(file, file.path)
"""


def declared(tmp_path: Path, **entry) -> Sources:
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump({"wmt": entry}))
    return read_sources(tmp_path / "sources.yaml", tmp_path)


def test_a_source_job_goes_on_where_the_last_one_ended(server, tmp_path, monkeypatch):
    sources = declared(tmp_path, url=f"{server.url}/data", sha256=SHA256, size=len(CONTENT))
    (tmp_path / "scratch").mkdir()
    server.faults["/data"].append(Fault(after=2_000_000))
    server.always["/data"] = Fault(status=404)
    with pytest.raises(UserError, match="HTTP 404"):
        fetch(SHA256, sources, tmp_path / "scratch/data", tmp_path / "resume")
    assert list((tmp_path / "scratch").iterdir()) == []
    server.always.clear()
    fetch(SHA256, sources, tmp_path / "scratch/data", tmp_path / "resume")
    assert (tmp_path / "scratch/data").read_bytes() == CONTENT
    assert server.sent("/data") == len(CONTENT)
    assert list((tmp_path / "resume").iterdir()) == []


def test_an_archive_is_downloaded_once_for_all_its_members(server, tmp_path):
    members = {"a": b"first", "b": b"second"}
    with tarfile.open(tmp_path / "new.tgz", "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    server.files["/new.tgz"] = (tmp_path / "new.tgz").read_bytes()
    pins = {
        name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in members.items()
    }
    sources = declared(tmp_path, url=f"{server.url}/new.tgz", members=pins)
    for name, content in members.items():
        fetch(pins[name]["sha256"], sources, tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    assert len(server.requests) == 1


def test_after_a_kill_at_most_a_megabyte_of_200_comes_again(server, tmp_path):
    big = bytes(100) + b"finescale" * (200_000_000 // 9)
    sha256 = hashlib.sha256(big).hexdigest()
    server.files["/big"] = big
    server.faults["/big"].append(Fault(pause=0.002))
    path, url = tmp_path / "big", f"{server.url}/big"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(path), sha256, str(len(big))]
    )
    part = tmp_path / "big.part"
    while not (part.exists() and part.stat().st_size > 60_000_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = part.stat().st_size
    server.faults["/big"].append(Fault(after=50_000_000))
    file = RawFile("big", path, (url,), Pin(sha256, len(big)))
    download(file, path, patience=QUICK)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    assert len(server.requests) == 3
    assert left + sum(request.sent for request in server.requests[1:]) <= len(big) + 1_000_000
