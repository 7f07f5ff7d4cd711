"""`finescale sources` against a server that answers as the hub does, and one for its files."""

import hashlib
import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from finescale.cli import main

REPOSITORY = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location(
    "file_server", REPOSITORY / "tests/corpora/file_server.py"
)
faulty = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(faulty)

FINESCALE = Path(sys.executable).with_name("finescale")
REVISION = "0123456789" * 4
TOKEN = "hf_secretsecretsecret"
SHARDS = [os.urandom(5000 + n) for n in range(3)]
ARCHIVE, SMALL, LOCAL = os.urandom(9000), b'{"small": "file"}', b"one\ttwo\n"
MLSUM = os.urandom(4000)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def hub():
    with faulty.serving(faulty.FileServer()) as server:
        yield server


@pytest.fixture
def cdn():
    with faulty.serving(faulty.FileServer()) as server:
        yield server


@pytest.fixture
def checkout(tmp_path, monkeypatch, hub, cdn) -> Path:
    """A folder with sources of every kind; none of them here but `local`."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_OFFLINE", "FINESCALE_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for number, content in enumerate(SHARDS):
        path = f"/datasets/allenai/c4/resolve/{REVISION}/en/{number:05d}.gz"
        serve_large(hub, cdn, path, content)
    small = f"/google/bleurt/resolve/{REVISION}/config.json"
    hub.files[small] = SMALL
    hub.answers[small] = {"X-Repo-Commit": REVISION}
    cdn.files = cdn.files | {"/wmt.tgz": ARCHIVE, "/mlsum.zip": MLSUM}
    (tmp_path / "local.tsv").write_bytes(LOCAL)
    (tmp_path / "config").mkdir()
    entries = {
        "c4": {
            "url": f"hf://datasets/allenai/c4@{REVISION}/en/{{shard:05d}}.gz",
            **{"shards": 3, "licence": "ODC-BY", "purpose": "pretraining"},
        },
        "bleurt": {"url": f"hf://google/bleurt@{REVISION}", "files": {"config.json": None}},
        "wmt": {
            "url": f"{cdn.url}/wmt.tgz",
            **{"sha256": sha256(ARCHIVE), "size": len(ARCHIVE), "licence": "research"},
        },
        "mlsum": {"url": f"{cdn.url}/mlsum.zip", "md5": hashlib.md5(MLSUM).hexdigest()},
        "local": {"path": "local.tsv"},
    }
    (tmp_path / "config/sources.yaml").write_text(yaml.safe_dump(entries, sort_keys=False))
    return tmp_path


def serve_large(hub, cdn, path: str, content: bytes) -> None:
    """A file as the hub has its large ones: it names the hash, and sends elsewhere for the file."""
    cdn.files[path] = content
    linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
    headers = {"Location": cdn.url + path + "?Signature=signed", "X-Repo-Commit": REVISION}
    hub.always[path] = faulty.Fault(status=302, headers=headers | linked)


def run(*arguments: str) -> int:
    return main(["sources", *arguments])


def locked(checkout: Path) -> dict:
    return json.loads((checkout / "config/sources.lock.json").read_text())


def test_the_list_says_what_there_is(checkout, capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines[2:] if line}
    assert rows["c4"] == ["c4", "3", "-", "no", "no", "ODC-BY", "pretraining"]
    assert rows["wmt"] == ["wmt", "1", "9", "kB", "no", "yes", "research", "-"]
    assert rows["local"][3:5] == ["yes", "no"]
    assert lines[-1].startswith("5 sources, 7 files; 9 kB as far as sizes are known; 1 here")


def test_everything_is_locked_then_fetched_then_right(checkout, hub, cdn, capsys):
    assert run("--lock", "--yes") == 0
    pins = locked(checkout)
    assert {name: entry["sha256"] for name, entry in pins.items()} == {
        "bleurt:config.json": sha256(SMALL),
        **{f"c4:{number}": sha256(content) for number, content in enumerate(SHARDS)},
        "local": sha256(LOCAL),
        "mlsum": sha256(MLSUM),
    }
    assert pins["c4:1"] == {
        "url": f"hf://datasets/allenai/c4@{REVISION}/en/00001.gz",
        **{"sha256": sha256(SHARDS[1]), "size": len(SHARDS[1])},
    }
    assert not any("en/0" in request.path for request in cdn.requests)  # the hub's word was enough
    assert run("--fetch", "c4", "wmt", "bleurt", "mlsum", "--yes") == 0
    assert (checkout / "resources/raw/c4/00002.gz").read_bytes() == SHARDS[2]
    assert (checkout / "resources/raw/wmt/wmt.tgz").read_bytes() == ARCHIVE
    capsys.readouterr()
    assert run("--check") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 wrong, 0 missing"
    assert run("--list") == 0
    assert "; 0 not pinned\n" in capsys.readouterr().out


def test_lock_and_fetch_ask_before_they_download(checkout, cdn, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    assert run("--lock", "mlsum") == 1
    assert run("--fetch", "wmt") == 0
    assert asked == [
        "Download 1 file, 4 kB? [y/N] ",  # its server was asked
        "Download 1 file, 9 kB? [y/N] ",
    ]
    assert "research" in capsys.readouterr().out  # the licence
    assert [(request.method, request.path) for request in cdn.requests] == [("HEAD", "/mlsum.zip")]


def test_check_names_what_is_wrong_and_what_is_missing(checkout, capsys):
    assert run("--lock", "local") == 0
    assert run("--fetch", "wmt", "--yes") == 0
    (checkout / "resources/raw/wmt/wmt.tgz").write_bytes(ARCHIVE[:-1] + b"?")
    (checkout / "local.tsv").write_bytes(LOCAL + b"more\n")
    capsys.readouterr()
    assert run("--check") == 1
    out = capsys.readouterr().out
    assert f"expected {sha256(ARCHIVE)}: remove resources/raw/wmt/wmt.tgz and fetch it again" in out
    assert f"local: local.tsv has {len(LOCAL) + 5} bytes, expected {len(LOCAL)}" in out
    assert "c4: 0 of 3 files here, 0 wrong, missing from resources/raw/c4" in out
    assert out.endswith("2 wrong, 5 missing\n")


def test_a_locked_hash_is_never_replaced(checkout, hub, cdn, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda question: "no")
    assert run("--lock", "c4", "local") == 0
    before = locked(checkout)
    serve_large(hub, cdn, f"/datasets/allenai/c4/resolve/{REVISION}/en/00001.gz", b"other")
    (checkout / "local.tsv").write_bytes(b"other")
    assert run("--lock") == 1  # mlsum is not downloaded without a yes
    for name in ("c4", "local"):
        assert run("--lock", name) == 1
        message = capsys.readouterr().err
        assert sha256(b"other") in message
        assert "delete its line from config/sources.lock.json" in message
    assert locked(checkout) == before


def place(checkout: Path, content: bytes) -> Path:
    path = checkout / "resources/raw/c4/00001.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("added", [b"?", b""])
def test_a_file_here_that_differs_from_the_hubs_is_not_pinned(checkout, monkeypatch, capsys, added):
    changed = SHARDS[1][:-2] + bytes([255 - SHARDS[1][-2]]) + added
    path = place(checkout, changed)
    assert run("--lock", "c4:1") == 1
    message = capsys.readouterr().err
    assert sha256(changed) in message
    assert sha256(SHARDS[1]) in message
    assert f"move {path.relative_to(checkout)} away" in message
    assert not (checkout / "config/sources.lock.json").exists()
    monkeypatch.setenv("FINESCALE_OFFLINE", "1")  # nobody can be asked: the user knows
    assert run("--lock", "c4:1") == 0
    assert locked(checkout)["c4:1"]["sha256"] == sha256(changed)


def test_a_file_here_that_is_the_hubs_is_pinned(checkout, hub, capsys):
    place(checkout, SHARDS[1])
    assert run("--lock", "c4:1") == 0
    assert locked(checkout)["c4:1"]["sha256"] == sha256(SHARDS[1])
    assert [request.method for request in hub.requests] == ["HEAD"]


def test_a_file_here_whose_hub_does_not_answer_can_be_pinned_offline(checkout, monkeypatch, capsys):
    place(checkout, SHARDS[1])
    monkeypatch.setenv("HF_ENDPOINT", "http://[::1")
    assert run("--lock", "c4:1") == 1
    assert "is not a URL" in capsys.readouterr().err
    hub_path = f"/datasets/allenai/c4/resolve/{REVISION}/en/00001.gz"
    with faulty.serving(faulty.FileServer()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        for location in ("http://[bad", None):
            headers = {"Location": location} if location else {}
            hub.always[hub_path] = faulty.Fault(status=302 if location else 401, headers=headers)
            assert run("--lock", "c4:1") == 1
            assert "FINESCALE_OFFLINE=1 pins" in capsys.readouterr().err


def test_a_file_whose_url_changed_is_not_pinned_any_more(checkout, hub, cdn, capsys):
    assert run("--lock", "c4") == 0
    path = checkout / "config/sources.yaml"
    newer = "9876543210" * 4
    path.write_text(path.read_text().replace(f"c4@{REVISION}", f"c4@{newer}"))
    assert run("--fetch", "c4", "--yes") == 1
    assert "finescale sources --lock c4" in capsys.readouterr().err


def test_a_revision_that_is_not_the_one_asked_for(checkout, hub, capsys):
    path = f"/datasets/allenai/c4/resolve/{REVISION}/en/00000.gz"
    hub.always[path].headers["X-Repo-Commit"] = "f" * 40
    assert run("--lock", "c4:0") == 1
    assert f"answers with revision {'f' * 40}" in capsys.readouterr().err


def test_a_wrong_published_md5(checkout, cdn, capsys):
    cdn.files["/mlsum.zip"] = b"changed"
    assert run("--lock", "mlsum", "--yes") == 1
    assert "MD5" in capsys.readouterr().err
    assert not (checkout / "config/sources.lock.json").exists()
    assert not (checkout / "resources/raw/mlsum/mlsum.zip").exists()


def test_interrupted_locking_keeps_what_it_has(checkout, hub, capsys):
    hub.always[f"/datasets/allenai/c4/resolve/{REVISION}/en/00002.gz"] = faulty.Fault(status=404)
    assert run("--lock", "c4") == 1
    assert "c4:2" in capsys.readouterr().err
    assert sorted(locked(checkout)) == ["c4:0", "c4:1"]
    lines = (checkout / "config/sources.lock.json").read_text().splitlines()
    assert [line.split('"')[1] for line in lines[1:-1]] == ["c4:0", "c4:1"]  # one line each


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fetch", "wmd"], "`wmd` is no task and no source; did you mean `wmt`?"),
        (["--fetch", "c4:0-7"], "the shards of `c4` are 0-2"),
        (["--fetch", "c4"], "finescale sources --lock c4"),
        (["--lock", "c4:9"], "no shard `9`"),
    ],
)
def test_mistakes_are_named(checkout, capsys, arguments, message):
    paper = checkout / "config/paper.yaml"
    shutil.copy(REPOSITORY / "config/paper.yaml", paper)
    (checkout / "workflow").mkdir()
    shutil.copytree(REPOSITORY / "workflow/schemas", checkout / "workflow/schemas")
    assert run(*arguments) == 1
    assert message in capsys.readouterr().err


def test_offline_nothing_is_asked(checkout, hub, cdn, monkeypatch, capsys):
    monkeypatch.setenv("FINESCALE_OFFLINE", "1")
    assert run("--fetch", "wmt", "--yes") == 1
    assert run("--lock", "c4") == 1
    message = capsys.readouterr().err
    assert "place the file from" in message
    assert "resources/raw/wmt/wmt.tgz" in message
    assert hub.requests + cdn.requests == []


def test_the_token_goes_to_the_hub_and_nowhere_else(
    checkout, hub, cdn, monkeypatch, caplog, capsys
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    (checkout / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(checkout / ".netrc"))
    assert run("--lock", "c4", "bleurt") == 0
    assert run("--fetch", "c4", "wmt", "--yes") == 0
    assert {request.headers.get("Authorization") for request in hub.requests} == {f"Bearer {TOKEN}"}
    assert cdn.requests
    assert not any("Authorization" in request.headers for request in cdn.requests)
    shutil.rmtree(checkout / "resources")
    for server in (hub, cdn):
        for path in [*server.files, *server.always]:
            server.always[path] = faulty.Fault(status=403)
    assert run("--fetch", "c4", "--yes") == 1
    captured = capsys.readouterr()
    assert "accept its terms on the hub with the account of HF_TOKEN" in captured.err
    written = "".join(path.read_text() for path in (checkout / "config").iterdir())
    everything = captured.out + captured.err + caplog.text + written
    assert TOKEN not in everything
    assert "Signature" not in captured.out + captured.err + written


def test_an_interrupted_download_goes_on(checkout, cdn):
    cdn.faults["/wmt.tgz"].append(faulty.Fault(after=4000, stall=60))
    command = [FINESCALE, "sources", "--fetch", "wmt", "--yes"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    part = checkout / "resources/raw/wmt/wmt.tgz.part"
    while not (part.exists() and part.stat().st_size == 4000):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr.read() == "\nInterrupted; the same command goes on from here.\n"
    assert run("--fetch", "wmt", "--yes") == 0
    assert cdn.sent("/wmt.tgz") == len(ARCHIVE)


def test_a_gated_file_asks_for_a_token(checkout, hub, capsys):
    hub.always[f"/google/bleurt/resolve/{REVISION}/config.json"] = faulty.Fault(status=401)
    assert run("--lock", "bleurt") == 1
    assert "set HF_TOKEN" in capsys.readouterr().err


def test_tasks_and_text_of_a_study(capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("FINESCALE_OFFLINE", "1")
    assert run("--list", "--config", "config/demo.yaml") == 0
    out = capsys.readouterr().out
    assert "help-corpus" in out
    assert "1 source, 1 file" in out
    assert run("--fetch", "wmt14-en-de", "--yes") == 1
    message = capsys.readouterr().err
    assert "newstest2022" in message or "europarl-v7" in message
    assert "mlsum" not in message
