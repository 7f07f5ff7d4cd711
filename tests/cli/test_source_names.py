"""What names on the command line stand for, and what is said before anything is downloaded."""

import hashlib
import importlib.util
import os
import shutil
from pathlib import Path

import pytest
import yaml

from finescale.cli import main
from finescale.cli.source_names import Choice
from finescale.corpora.download.sizes import Size, ask_sizes
from finescale.study.source_files import read_sources

REPOSITORY = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location(
    "file_server", REPOSITORY / "tests/corpora/file_server.py"
)
faulty = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(faulty)


@pytest.fixture
def server():
    with faulty.serving(faulty.FileServer()) as running:
        yield running


@pytest.fixture
def checkout(tmp_path, monkeypatch, server) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_OFFLINE", "FINESCALE_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "config").mkdir()
    return tmp_path


def declare(checkout: Path, **entries: dict) -> None:
    (checkout / "config/sources.yaml").write_text(yaml.safe_dump(entries))


def sources():
    return read_sources(Path("config/sources.yaml"), Path())


def sizes(*names: str) -> dict[str, str]:
    files = {name: [sources().file(raw) for raw in sources().expand(name)] for name in names}
    return {name: str(size) for name, size in ask_sizes(files).items()}


def test_a_tasks_name_goes_before_a_sources_whatever_else_is_named(checkout):
    for folder in ("workflow/schemas", "config"):
        shutil.copytree(REPOSITORY / folder, checkout / folder, dirs_exist_ok=True)
    config = Path("config/paper.yaml")
    before = Choice(sources(), config).of(["wmt14-en-de"])
    (checkout / "config/own.sources.yaml").write_text(
        yaml.safe_dump({name: {"path": "own.tsv"} for name in ("wmt14-en-de", "text")})
    )
    chosen = Choice(sources(), None)
    assert chosen.of(["wmt14-en-de"]) == before
    assert "wmt14-en-de" not in before
    assert chosen.of(["wmt14-en-de", "europarl-v7"])[: len(before)] == before
    assert "text" not in chosen.of(["text"])
    assert chosen.of(["europarl-v7"]) == ["europarl-v7"]


def test_the_help_says_so(capsys):
    with pytest.raises(SystemExit):
        main(["sources", "--help"])
    assert "it is the task" in " ".join(capsys.readouterr().out.split())


def test_a_users_own_file_of_another_size_is_never_to_be_removed(checkout, capsys):
    pin = {"sha256": "0" * 64, "size": 7}
    declare(
        checkout,
        own={"path": "own.tsv", **pin},
        net={"path": "own.tsv", "url": "https://example.org/own.tsv", **pin},
    )
    (checkout / "own.tsv").write_bytes(b"the only copy")
    assert main(["sources", "--fetch", "own"]) == 1
    message = capsys.readouterr().err
    assert "own.tsv has 13 bytes, own should have 7: " in message
    assert "remove the file" not in message
    assert main(["sources", "--fetch", "net"]) == 1
    assert "remove the file to fetch it again" in capsys.readouterr().err


def test_the_size_of_many_shards_is_estimated_from_the_first(checkout, server):
    server.files = {f"/{n}.gz": bytes(1000 + n) for n in range(9)}
    declare(checkout, c4={"url": f"{server.url}/{{shard}}.gz", "shards": 9})
    assert sizes("c4") == {"c4": "about 9 kB"}
    assert [(request.method, request.path) for request in server.requests] == [("HEAD", "/0.gz")]


def test_the_hub_says_the_size_of_a_large_file_itself(checkout, server):
    address = f"a/b/resolve/{'0' * 40}"
    server.always[f"/{address}/large"] = faulty.Fault(
        status=302, headers={"X-Linked-Size": "7000", "Location": "http://127.0.0.1:1/"}
    )
    server.files[f"/{address}/small"] = bytes(30)
    declare(checkout, b={"url": f"hf://a/b@{'0' * 40}", "files": {"large": None, "small": None}})
    assert sizes("b") == {"b": "7.03 kB"}


def test_what_no_server_says_is_not_known(checkout, server, monkeypatch):
    server.files = {"/1": bytes(1000), "/endless": bytes(5)}
    server.always["/endless"] = faulty.Fault(length=None)
    entries = {
        "gone": {"url": f"{server.url}/2"},
        "endless": {"url": f"{server.url}/endless"},
        "closed": {"url": "http://127.0.0.1:1/x"},
        "bad": {"url": "http://[::1/x"},
        "none": {"url": f"{server.url}/{{shard}}", "shards": 9},
        "some": {"url": server.url, "files": {"1": None, "2": None}},
        "known": {"url": f"{server.url}/1", "size": 12_000},
    }
    declare(checkout, **entries)
    unknown = dict.fromkeys(("gone", "endless", "closed", "bad", "none"), "size not known")
    told = unknown | {"some": "1 kB or more", "known": "12 kB"}
    assert sizes(*entries) == told
    monkeypatch.setenv("FINESCALE_OFFLINE", "1")
    asked = len(server.requests)
    assert sizes(*entries) == told | {"some": "size not known"}
    assert len(server.requests) == asked


def test_sizes_add_up():
    whole = sum([Size(10), Size(20, about=True), Size(0, more=True)], Size(0))
    assert whole == Size(30, about=True, more=True)
    assert str(whole) == "about 30 bytes or more"


def test_the_question_names_estimates(checkout, server, monkeypatch, capsys):
    server.files = {f"/{n}": os.urandom(1000) for n in range(6)}
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    shown = []
    monkeypatch.setattr("builtins.input", lambda question: shown.append(question) or "n")
    sha256 = hashlib.sha256(server.files["/0"]).hexdigest()
    declare(
        checkout,
        one={"url": f"{server.url}/0", "sha256": sha256},
        six={"url": f"{server.url}/{{shard}}", "shards": 6},
    )
    assert main(["sources", "--fetch", "one"]) == 0
    assert main(["sources", "--lock"]) == 1
    assert shown == ["Download 1 file, 1 kB? [y/N] ", "Download 6 files, about 6 kB? [y/N] "]


@pytest.mark.parametrize("url", ["http://[::1/x", "hf://a/b", "gopher://x", "x"])
@pytest.mark.parametrize("action", ["--fetch", "--lock"])
def test_a_bad_url_is_a_message(checkout, capsys, url, action):
    declare(checkout, a={"url": url, "sha256": "0" * 64}, b={"url": url, "path": "b"})
    assert main(["sources", action, "a" if action == "--fetch" else "b", "--yes"]) == 1
    assert url in capsys.readouterr().err
