"""Sessions with file servers: how patient they are, whom they trust, and what they say of errors.

requests reads the proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`) and follows redirects;
urllib3's Retry waits and tries again where no connection comes about or a server answers 429 or
5xx, for as long as Retry-After says.
"""

import os
import re
from dataclasses import dataclass

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from finescale.corpora.download.hub import authorize, shown, token

OFFLINE = ("FINESCALE_OFFLINE", "HF_HUB_OFFLINE")
BUSY = (429, 500, 502, 503, 504)  # answers that a second request may mend


@dataclass(frozen=True)
class Patience:
    """How long a download waits for a server, and how often it tries."""

    attempts: int = 6  # in a row without `progress_bytes` between them
    backoff_seconds: float = 0.5  # before the second attempt; doubles with each
    longest_wait_seconds: float = 60.0
    longest_retry_after_seconds: int = 600
    connect_seconds: float = 20.0
    silence_seconds: float = 60.0  # without a byte
    slowest_bytes_per_second: float = 1000.0  # over `silence_seconds`
    progress_bytes: int = 1 << 20

    @property
    def timeout(self) -> tuple[float, float]:
        return self.connect_seconds, self.silence_seconds

    def wait_seconds(self, attempt: int) -> float:
        """Before the attempt after that many failures."""
        return min(self.backoff_seconds * 2 ** (attempt - 1), self.longest_wait_seconds)


class Session(requests.Session):
    """A session whose only credential is the hub's token, which goes to the hub's host alone."""

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Of a redirected request: requests itself would ask ~/.netrc here."""
        authorize(prepared_request)


def connect(patience: Patience) -> Session:
    """A new session."""
    retry = Retry(
        total=patience.attempts - 1,
        backoff_factor=patience.backoff_seconds,
        backoff_max=patience.longest_wait_seconds,
        status_forcelist=BUSY,
        allowed_methods=("GET", "HEAD"),
        raise_on_status=False,
        retry_after_max=patience.longest_retry_after_seconds,
    )
    session = Session()
    session.auth = authorize
    # the bytes as they are stored: a server may otherwise unpack or pack them on the way
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def offline() -> str | None:
    """The environment variable that forbids the network, if one does."""
    for name in OFFLINE:
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            return name
    return None


def plain(error: BaseException) -> str:
    """What went wrong on the way, in one line; addresses of redirects may be signed: not shown."""
    while (inner := _within(error)) is not None:
        error = inner
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.sub(r"https?://\S+", lambda found: shown(found[0]), text)
    text = re.sub(r"\?\S*", "?...", text)
    given = token()
    return text.replace(given, "***") if given else text


def _within(error: BaseException) -> BaseException | None:
    inside = [getattr(error, "reason", None), *reversed(error.args)]
    return next((each for each in inside if isinstance(each, BaseException)), None)
