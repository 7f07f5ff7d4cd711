"""What is not certainly the whole file that was meant is not taken; mistakes are one message."""

import hashlib
import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pytest

from finescale.corpora.download.connection import Patience
from finescale.corpora.download.files import download
from finescale.errors import UserError
from finescale.study.sources import Pin, RawFile

_spec = importlib.util.spec_from_file_location(
    "file_server", Path(__file__).with_name("file_server.py")
)
faulty = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(faulty)
Fault = faulty.Fault

pytestmark = pytest.mark.usefixtures("online")

CONTENT = os.urandom(1 << 20) * 3
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(backoff_seconds=0.01, connect_seconds=5.0, silence_seconds=20.0)


@pytest.fixture
def server():
    with faulty.serving(faulty.FileServer()) as running:
        running.files = {"/data": CONTENT}
        yield running


@pytest.fixture
def raw(server, tmp_path) -> RawFile:
    """A file of which nothing is known."""
    (tmp_path / "raw").mkdir()
    return RawFile("wmt", tmp_path / "raw/data", (f"{server.url}/data",), Pin(None, None))


def test_of_an_unknown_file_a_complete_answer_in_chunks_is_enough(raw, server):
    server.faults["/data"].extend(
        [Fault(chunked=True, after=1_000_000), Fault(chunked=True, ignores_range=True)]
    )
    download(raw, raw.path, patience=QUICK)
    assert raw.path.read_bytes() == CONTENT
    assert not server.faults["/data"]


DOUBTFUL = {
    "without a length": (Fault(length=None), "does not say how long"),
    "without a length, cut off": (Fault(length=None, after=1_000_000), "does not say how long"),
    "the rest without a length": (Fault(content_range="bytes 9-20/*"), "does not say how long"),
    "a page": (Fault(headers={"Content-Type": "text/html; charset=utf-8"}), "web page"),
    "a page in chunks": (Fault(chunked=True, headers={"Content-Type": "Text/HTML"}), "web page"),
}


@pytest.mark.parametrize(("fault", "reason"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_an_unknown_file_that_may_be_cut_off_or_a_page_is_refused(raw, server, fault, reason):
    server.always["/data"] = fault
    if fault.content_range:
        server.faults["/data"].append(Fault(after=9))
    with pytest.raises(UserError) as caught:
        download(raw, raw.path, patience=QUICK)
    message = str(caught.value)
    assert reason in message
    assert "size or SHA-256" in message
    assert list(raw.path.parent.iterdir()) == []
    if not fault.content_range:  # whatever is known, tells
        server.always["/data"] = replace(fault, after=None)
        known = replace(raw, pin=Pin(None, len(CONTENT)))
        assert download(known, raw.path, patience=QUICK).sha256 == SHA256


BAD_URLS = [
    *("http://[::1/data", "http://:0x/data", "http://a:99999999/data", "http:///data", "data"),
    *("ftp://127.0.0.1/data", "http://\u2100.invalid/", "http://a..b/data", "hf://a/b/c"),
    *("http://user:secret@[::1/data", "http://127.0.0.1:port/data", "", "http://*\n/"),
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_one_clear_message(raw, url):
    raw = replace(raw, urls=(url,))
    with pytest.raises(UserError) as caught:
        download(raw, raw.path, patience=QUICK)
    assert "secret" not in str(caught.value)
    assert not raw.path.exists()


@pytest.mark.parametrize("there", [b"other", CONTENT])
def test_what_another_process_has_brought_is_compared_with_the_pin(raw, there):
    raw = replace(raw, pin=Pin(SHA256, len(CONTENT)))
    raw.path.write_bytes(there)
    if there == CONTENT:
        assert download(raw, raw.path) == Pin(SHA256, len(CONTENT))
        return
    with pytest.raises(UserError, match=f"has 5 bytes, expected {len(CONTENT)}: remove it"):
        download(raw, raw.path)
