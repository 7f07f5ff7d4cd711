"""One file from one URL: goes on where an earlier attempt ended, and tries again when it breaks."""

import re
import time
from collections.abc import Callable, Iterator

import requests
from urllib3.exceptions import HTTPError

from finescale.corpora.download.connection import Patience, Session, plain
from finescale.corpora.download.contents import CHUNK_BYTES
from finescale.corpora.download.hub import on_hub, token, web_address
from finescale.corpora.download.partial import Part
from finescale.study.sources import Pin

PAGES = ("text/html", "application/xhtml+xml")


class Failed(Exception):
    """This URL will not give the file; the message says why."""


class Dropped(Exception):
    """The connection broke; another attempt may go on."""


def receive(
    url: str,
    part: Part,
    pin: Pin,
    session: Session,
    patience: Patience,
    heed: Callable[[int], None],
) -> None:
    """Make `part` complete from `url`: of the size of `pin`, where that is known.

    Where nothing is known of the file, only what is certainly whole and no web page is received.
    `heed` is told how much is there, now and then. Raises Failed when it does not work.
    """
    failures, furthest = 0, part.size
    heed(part.size)
    while True:
        try:
            _receive_once(url, part, pin, session, patience, heed)
            return
        except Dropped as error:
            if part.size - furthest >= patience.progress_bytes:
                failures, furthest = 0, part.size
            failures += 1
            if failures == patience.attempts:
                raise Failed(f"{error} ({failures} attempts)") from None
            time.sleep(patience.wait_seconds(failures))


def _receive_once(
    url: str,
    part: Part,
    pin: Pin,
    session: Session,
    patience: Patience,
    heed: Callable[[int], None],
) -> None:
    size = pin.size
    if size is not None and part.size == size:
        return
    with _get(url, part, session, patience) as response:
        if response.status_code == 206:
            whole = _continues(url, response, part)
        elif response.status_code == 200:
            if part.size:
                part.restart()
            whole = _length(response.headers.get("Content-Length"))
        elif response.status_code == 416 and part.size:
            part.restart()
            raise Dropped("the server has fewer bytes than were there")
        else:
            raise Failed(_refusal(url, response))
        if size is not None and whole not in (None, size):
            raise Failed(f"the server offers {whole} bytes, expected {size}")
        if size is None and not pin.sha256 and not pin.md5:
            _refuse_doubtful(response, whole, part)
        whole = whole if size is None else size
        part.remember({"url": url, "size": whole, "validator": _validator(response)})
        for data in _body(response, patience):
            if whole is not None and part.size + len(data) > whole:
                part.restart()
                raise Failed(f"the server sends more than the {whole} bytes of the file")
            part.write(data)
            heed(part.size)
    if whole is not None and part.size < whole:
        raise Dropped(f"the connection ended after {part.size} of {whole} bytes")


def _refuse_doubtful(response: requests.Response, whole: int | None, part: Part) -> None:
    """Of a file of which nothing is known: what may be cut off, or is a page about the file."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in PAGES:
        doubt = f"sends a web page ({kind}), perhaps to log in"
    elif whole is None and not (response.status_code == 200 and response.raw.chunked):
        doubt = "does not say how long the file is, so that it may be cut off"
    else:
        return
    part.restart()
    raise Failed(
        f"the server {doubt}, and neither size nor hash of the file is known: if this is the right"
        " address, give its size or SHA-256 with the URL"
    )


def _get(url: str, part: Part, session: Session, patience: Patience) -> requests.Response:
    headers = {}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        # what another server says of its state is no help here; the hash at the end is
        if part.remembered.get("url") == url and part.remembered.get("validator"):
            headers["If-Range"] = part.remembered["validator"]
    try:
        return session.get(web_address(url), headers=headers, stream=True, timeout=patience.timeout)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        # urllib3 has tried again already
        raise Failed(plain(error)) from None


def _continues(url: str, response: requests.Response, part: Part) -> int | None:
    """The whole size that an answer with a range names.

    Raises Dropped, with the part emptied, when the range is not what was asked for, or is of
    another state of the file than what is there.
    """
    given = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", given.strip())
    if found is None or int(found[1]) != part.size:
        wanted = part.size
        part.restart()
        raise Dropped(f"asked for the bytes from {wanted}, the server answers {given!r}")
    whole = _length(found[2])
    if part.remembered.get("url") == url:
        for key, now in (("size", whole), ("validator", _validator(response))):
            before = part.remembered.get(key)
            if before is not None and now is not None and before != now:
                part.restart()
                raise Dropped("the file changed on the server")
    return whole


def _validator(response: requests.Response) -> str | None:
    """What tells one state of a file from another: its strong ETag, else its date."""
    tag = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified")


def _length(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _refusal(url: str, response: requests.Response) -> str:
    reason = f"HTTP {response.status_code} {response.reason or ''}".strip()
    if response.status_code in (401, 403) and on_hub(url):
        if token():
            return f"{reason}: accept its terms on the hub with the account of HF_TOKEN"
        return f"{reason}: if its terms ask for an account, set HF_TOKEN"
    return reason


def _body(response: requests.Response, patience: Patience) -> Iterator[bytes]:
    """What arrives, as it arrives. Raises Dropped when it breaks off, stops or trickles."""
    since, arrived = time.monotonic(), 0
    try:
        while data := response.raw.read1(CHUNK_BYTES, decode_content=False):
            yield data
            arrived += len(data)
            seconds = time.monotonic() - since
            if seconds >= patience.silence_seconds:
                if arrived < patience.slowest_bytes_per_second * seconds:
                    raise Dropped(f"stalled: {arrived} bytes in {seconds:.0f} s")
                since, arrived = time.monotonic(), 0
    except (HTTPError, OSError) as error:
        raise Dropped(plain(error)) from None
