"""How much a download will be, before anybody agrees to it: what servers say of sizes."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from urllib3.exceptions import HTTPError

from finescale.corpora.download.connection import Patience, Session, connect, offline
from finescale.corpora.download.hub import on_hub, web_address
from finescale.counts import format_bytes
from finescale.errors import UserError
from finescale.study.sources import RawFile

# an answer is a help, and not worth a long wait
BRIEF = Patience(attempts=1, connect_seconds=5.0, silence_seconds=10.0)
ASKED_AT_ONCE = 8
ASKED_EACH = 4  # files of a source; of more, the first stands for all


@dataclass(frozen=True)
class Size:
    """Bytes of several files: `about` where they are estimated, `more` where some are not known."""

    bytes: int
    about: bool = False
    more: bool = False

    def __add__(self, other: "Size") -> "Size":
        return Size(self.bytes + other.bytes, self.about or other.about, self.more or other.more)

    def __str__(self) -> str:
        if self.more and not self.bytes:
            return "size not known"
        about, more = "about " if self.about else "", " or more" if self.more else ""
        return about + format_bytes(self.bytes) + more


def ask_sizes(sources: Mapping[str, Sequence[RawFile]]) -> dict[str, Size]:
    """The sizes of the files of each source; servers are asked for what no pin says.

    Of many files of a source the first one is asked for: shards have about one size.
    """
    with connect(BRIEF) as session, ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        sizes = pool.map(lambda files: _size(files, session), sources.values())
        return dict(zip(sources, sizes, strict=True))


def _size(files: Sequence[RawFile], session: Session) -> Size:
    total = sum(file.pin.size or 0 for file in files)
    unknown = [file for file in files if file.pin.size is None]
    if len(unknown) <= ASKED_EACH:
        asked = [_ask(file, session) for file in unknown]
        return Size(total + sum(size or 0 for size in asked), more=None in asked)
    first = _ask(unknown[0], session)
    if first is None:
        return Size(total, more=True)
    return Size(total + first * len(unknown), about=True)


def _ask(file: RawFile, session: Session) -> int | None:
    """What the server of its first URL says; None where it says nothing, whatever the reason."""
    if offline() or not file.urls:
        return None
    url = file.urls[0]
    try:
        # the hub says it itself, before it sends elsewhere for a large file
        response = session.head(
            web_address(url), allow_redirects=not on_hub(url), timeout=BRIEF.timeout
        )
        if on_hub(url) and response.is_redirect and "X-Linked-Size" not in response.headers:
            response = session.head(web_address(url), allow_redirects=True, timeout=BRIEF.timeout)
    except (UserError, HTTPError, OSError, ValueError):
        return None  # the download itself says what is wrong
    if response.status_code >= 400:
        return None
    size = response.headers.get("X-Linked-Size") or response.headers.get("Content-Length", "")
    return int(size) if re.fullmatch("[0-9]+", size) else None
