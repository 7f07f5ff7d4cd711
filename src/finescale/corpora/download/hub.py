"""The Hugging Face hub: its addresses, its token, and what it says of a file without sending it."""

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from finescale.errors import UserError
from finescale.study.source_checks import HUB_ADDRESS

if TYPE_CHECKING:
    import requests

HUB = "https://huggingface.co"
REDIRECTS = 5


@dataclass(frozen=True)
class Answer:
    """What the hub says of a file: its SHA-256 where it is a large one, and its size in bytes."""

    sha256: str | None
    size: int | None


def endpoint() -> str:
    """Where the hub is: `HF_ENDPOINT` names another host that answers as it does."""
    return _url(os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB)


def web_address(url: str) -> str:
    """The https address of `hf://[datasets/]OWNER/NAME@REVISION/PATH`; other URLs as they are.

    UserError where the revision or the path is missing, or it is no URL.
    """
    if _url(url).startswith(f"{HUB}/"):
        return endpoint() + url.removeprefix(HUB)
    if not url.startswith("hf://"):
        return url
    found = HUB_ADDRESS.fullmatch(url)
    if found is None:
        raise UserError(f"{url}: expected hf://[datasets/]OWNER/NAME@REVISION/PATH")
    kind, repository, revision, path = found.groups()
    return f"{endpoint()}/{kind or ''}{repository}/resolve/{revision}/{path}"


def _url(text: str) -> str:
    try:
        urlsplit(text)
    except ValueError as error:
        raise UserError(f"{shown(text)} is not a URL: {error}") from None
    return text


def shown(url: str) -> str:
    """A URL without user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL, but may still hold a password
        return re.sub("//.*@", "//", re.split("[?#]", url)[0])
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def on_hub(url: str) -> bool:
    """Whether the hub serves this URL, as far as the URL says."""
    return origin(web_address(url)) == origin(endpoint())


def origin(url: str) -> tuple[str, str]:
    """Scheme and host with its port: what a token may be sent to."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def token() -> str | None:
    """The user's hub token, from the environment and nowhere else."""
    return os.environ.get("HF_TOKEN") or None


def authorize(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Put the token into a request to the hub itself; take any out of a request to others."""
    request.headers.pop("Authorization", None)
    given = token()
    if given and origin(request.url or "") == origin(endpoint()):
        request.headers["Authorization"] = f"Bearer {given}"
    return request


def ask(session: "requests.Session", url: str, seconds: tuple[float, float]) -> Answer | None:
    """What the hub says of the file at `url`; None where it has no such file for us.

    `seconds` to connect and to answer. UserError when it serves another revision than was asked
    for. Raises requests' own exceptions where it cannot be reached.
    """
    address = web_address(url)
    for _ in range(REDIRECTS):
        response = session.head(address, allow_redirects=False, timeout=seconds)
        target = urljoin(address, response.headers.get("Location", address))
        linked = response.headers.get("X-Linked-Etag")
        if linked or not response.is_redirect or origin(target) != origin(address):
            break
        address = target  # the repository was renamed
    if response.status_code >= 400:
        return None
    _check_revision(url, response.headers.get("X-Repo-Commit"))
    sha256 = (linked or "").strip('"')
    size = response.headers.get("X-Linked-Size", "")
    is_sha256 = re.fullmatch("[0-9a-f]{64}", sha256)
    return Answer(sha256 if is_sha256 else None, int(size) if size.isdecimal() else None)


def _check_revision(url: str, commit: str | None) -> None:
    asked = re.search(r"(?:@|/resolve/)([0-9a-f]{40})/", url)
    if asked and commit and commit != asked[1]:
        raise UserError(f"{url}: the server answers with revision {commit}")
