"""Folders for unfinished work, held by one process at a time.

The lock is a file with a heartbeat, because the folder may be on a file system that several hosts
share. A waiting process judges by its own clock whether the heartbeat still moves, so clocks that
disagree do no harm.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from finescale.store.publishing import process_is_alive

HEARTBEAT_SECONDS = 15.0
STALE_AFTER_SECONDS = 120.0
POLL_SECONDS = 1.0


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[Path]:
    """Hold `folder` until the block ends; wait while another living process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "lock.json"
    token = secrets.token_hex(8)
    _acquire(lock, token)
    stopped = threading.Event()
    beating = threading.Thread(target=_beat, args=(lock, token, stopped), daemon=True)
    beating.start()
    try:
        yield folder
    finally:
        stopped.set()
        beating.join()
        if _holder(lock).get("token") == token:
            lock.unlink(missing_ok=True)


def is_held(folder: Path, silent_after: float = STALE_AFTER_SECONDS) -> bool:
    """Whether a living process seems to hold `folder`; asks once, does not wait for heartbeats.

    Of another host's process the age of its last heartbeat tells, if the clocks agree.
    """
    lock = folder / "lock.json"
    holder = _holder(lock)
    if holder.get("host") == socket.gethostname():
        return process_is_alive(holder["process"])
    try:
        return time.time() - lock.stat().st_mtime < silent_after
    except FileNotFoundError:
        return False


def release_for_good(folder: Path) -> None:
    """Remove a resume folder whose artifact is published."""
    shutil.rmtree(folder, ignore_errors=True)


def _acquire(lock: Path, token: str) -> None:
    last_seen, since, announced = None, time.monotonic(), False
    while not _create(lock, token):
        holder = _holder(lock)
        if holder != last_seen:
            last_seen, since = holder, time.monotonic()
        if _is_dead(holder) or time.monotonic() - since > STALE_AFTER_SECONDS:
            if _take_over(lock, token):
                return
            continue
        if holder and not announced:
            print(f"waiting: {holder.get('host')} process {holder.get('process')} holds {lock}")
            announced = True
        time.sleep(POLL_SECONDS)


def _create(lock: Path, token: str) -> bool:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)  # the last holder may have removed it
        stream = lock.open("x")
    except (FileExistsError, FileNotFoundError):
        return False
    try:
        with stream:
            stream.write(_content(token, beats=0))
    except OSError:  # no room: an empty lock would make the next process wait for nobody
        lock.unlink(missing_ok=True)
        raise
    return True


def _content(token: str, beats: int) -> str:
    return json.dumps(
        {"host": socket.gethostname(), "process": os.getpid(), "token": token, "beats": beats}
    )


def _holder(lock: Path) -> dict:
    try:
        return json.loads(lock.read_text())
    except (FileNotFoundError, ValueError):  # just released, or being written
        return {}


def _is_dead(holder: dict) -> bool:
    return holder.get("host") == socket.gethostname() and not process_is_alive(holder["process"])


def _take_over(lock: Path, token: str) -> bool:
    """Replace a dead holder's lock. Of several processes that do so at once, the last keeps it."""
    _write(lock, token, beats=0)
    time.sleep(POLL_SECONDS)
    return _holder(lock).get("token") == token


def _write(lock: Path, token: str, beats: int) -> None:
    temporary = lock.with_suffix(f".{token}")
    temporary.write_text(_content(token, beats))
    os.replace(temporary, lock)


def _beat(lock: Path, token: str, stopped: threading.Event) -> None:
    beats = 0
    while not stopped.wait(HEARTBEAT_SECONDS):
        beats += 1
        if _holder(lock).get("token") != token:
            return  # taken over while this host slept; publishing settles who was first
        with contextlib.suppress(OSError):  # no room at the moment, or the folder was released
            _write(lock, token, beats)
