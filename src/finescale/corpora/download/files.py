"""Downloading raw files: whole, checked while they stream, and in place only when they are right.

requests and urllib3 do sessions, proxies, redirects, and the waits between attempts to connect or
after 429 and 5xx. Not in them, and done here: going on in the middle of a file that broke off
(`transfer`), hashing what streams by, also over a kill (`partial`), other addresses of the same
file, limits to its size, and several files at once.
"""

import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from finescale.corpora.download.connection import Patience, Session, connect, offline
from finescale.corpora.download.contents import difference, hash_file, needs_md5
from finescale.corpora.download.hub import shown, web_address
from finescale.corpora.download.partial import Part, open_part
from finescale.corpora.download.progress import Progress
from finescale.corpora.download.transfer import Failed, receive
from finescale.counts import format_bytes
from finescale.errors import UserError
from finescale.study.sources import Pin, RawFile

AT_ONCE = 4  # files
MOST_FAILURES = 4  # files that fail before the rest is not tried: the network may be down
PATIENT = Patience()


def download(
    file: RawFile,
    destination: Path,
    part: Path | None = None,
    heed: Callable[[int], None] = lambda size: None,
    patience: Patience = PATIENT,
) -> Pin:
    """Bring a raw file to `destination` from the first of its URLs that has the right bytes.

    What is unfinished stays in `part` (default: beside the destination) for the next attempt.
    Without a SHA-256 in its pin the file is checked by what else is known. Returns what arrived.
    UserError names every URL and why it failed; then there is nothing at `destination`.
    """
    refuse_offline(file)
    part = part or destination.with_name(destination.name + ".part")
    destination.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    by_md5 = needs_md5(file.pin)
    with open_part(part, by_md5) as unfinished, connect(patience) as session:
        if destination.is_file():  # another process has brought it while this one waited
            return _brought(file, destination, by_md5)
        for url in file.urls:
            try:
                _bring(url, unfinished, file.pin, session, patience, heed)
                unfinished.put(destination)
                return unfinished.content
            except Failed as error:
                reasons.append(f"{shown(web_address(url))}: {error}")
            except OSError as error:
                raise UserError(
                    f"{file.name}: {error}. What is there stays for the next attempt."
                ) from None
    raise UserError(
        "\n  ".join([f"{file.name} could not be downloaded:", *reasons, _by_hand(file)])
    )


def _brought(file: RawFile, destination: Path, by_md5: bool) -> Pin:
    content = hash_file(destination, by_md5)
    if wrong := difference(content, file.pin):
        raise UserError(f"{file.name}: {destination} {wrong}: remove it to download it again")
    return content


def _bring(
    url: str,
    part: Part,
    pin: Pin,
    session: Session,
    patience: Patience,
    heed: Callable[[int], None],
) -> None:
    """Complete `part` from one URL and check it; Failed, and an empty part, when it is wrong."""
    _refuse_without_room(part, pin)
    if part.size and not _may_continue(url, part, pin):
        part.restart()
    inherited = part.size > 0
    try:
        receive(url, part, pin, session, patience, heed)
    except Failed:
        if not _may_continue(url, part, pin):
            part.restart()
        raise
    wrong = difference(part.content, pin)
    if wrong is None:
        return
    part.restart()
    if not inherited:
        raise Failed(f"what it sends {wrong}")
    _bring(url, part, pin, session, patience, heed)  # what was there before may have been wrong


def _may_continue(url: str, part: Part, pin: Pin) -> bool:
    """Whether bytes that are there may be completed from `url`: at the end a hash tells, or they
    came from the same state of the same file."""
    if pin.size is not None and part.size > pin.size:
        return False
    known = part.remembered
    same = known.get("url") == url and known.get("validator") is not None
    return bool(pin.sha256 or pin.md5 or same)


def refuse_offline(file: RawFile) -> None:
    """UserError when the environment forbids the network, with the place for the file."""
    if variable := offline():
        raise UserError(
            f"{file.name} is not here, and {variable} forbids downloads:\n  {_by_hand(file)}"
        )


def _by_hand(file: RawFile) -> str:
    return f"by hand: place the file from {shown(web_address(file.urls[0]))} at {file.path}"


def _refuse_without_room(part: Part, pin: Pin) -> None:
    room = shutil.disk_usage(part.path.parent).free
    if pin.size is not None and pin.size - part.size > room:
        raise OSError(
            f"{part.path.parent} has room for {format_bytes(room)}, the file needs"
            f" {format_bytes(pin.size - part.size)}"
        )


def download_all(
    files: Sequence[RawFile], finish: Callable[[RawFile, Pin], None] = lambda file, content: None
) -> None:
    """Bring several raw files to their paths, some at a time, and show how it goes.

    `finish` is called, in this thread, with each file that has arrived and what it holds. UserError
    at the end names the files that failed; after a few failures the rest is not tried.
    """
    failures: list[str] = []
    with Progress([file.pin.size for file in files]) as progress:
        for file, outcome in _outcomes(files, progress):
            if isinstance(outcome, UserError):
                failures.append(str(outcome))
                if len(failures) == MOST_FAILURES:
                    failures.append("the rest was not tried")
                    break
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                progress.arrived(file.name)
                finish(file, outcome)
    if failures:
        raise UserError("\n".join(failures))


def _outcomes(
    files: Sequence[RawFile], progress: Progress
) -> Iterable[tuple[RawFile, Pin | BaseException]]:
    """Each file with its content or what went wrong, in the order in which they end.

    The threads are daemons, so that an interrupt ends the program: parts are whole at any moment.
    """
    waiting: queue.SimpleQueue[RawFile] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[RawFile, Pin | BaseException]] = queue.SimpleQueue()
    for file in files:
        waiting.put(file)

    def work() -> None:
        while not stopped.is_set():
            try:
                file = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((file, download(file, file.path, heed=progress.of(file.name))))
            except BaseException as error:  # whatever it is, the waiting thread hears of it
                done.put((file, error))

    stopped = threading.Event()
    for _ in range(min(AT_ONCE, len(files))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in files:
            yield done.get()
    finally:
        stopped.set()
