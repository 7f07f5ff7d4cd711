"""Pins for raw files that nobody has pinned: config/sources.lock.json.

The hub says the SHA-256 of its large files without sending them; of what lies here the bytes are
hashed; everything else is downloaded to its place and hashed on the way. A pin in the lock is
never replaced: a file that has other bytes than it says is an error.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from finescale.corpora.download.connection import (
    OFFLINE,
    Patience,
    Session,
    connect,
    offline,
    plain,
)
from finescale.corpora.download.contents import difference, hash_file, needs_md5
from finescale.corpora.download.files import PATIENT, download_all, refuse_offline
from finescale.corpora.download.hub import ask, on_hub, shown
from finescale.errors import UserError
from finescale.study.sources import Pin, RawFile

ASKED_AT_ONCE = 8
KEPT_EACH = 64  # answers between two writings of the lock


class Lock:
    """The lock file; every change is merged into what is there at that moment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, dict[str, Any]]:
        """Its entries by the names of raw files."""
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def add(self, pins: Mapping[RawFile, Pin]) -> None:
        """Pin files, in one step. UserError for those that are pinned to other bytes."""
        with self._held():
            entries = self.read()
            for file, pin in pins.items():
                _refuse_another(self.path, file, entries.get(file.name), pin)
                address = {"url": file.urls[0]} if file.urls else {}
                entries[file.name] = {**address, "sha256": pin.sha256, "size": pin.size}
            lines = [
                f" {json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries)
            ]
            partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            partial.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
            os.replace(partial, self.path)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _refuse_another(path: Path, file: RawFile, locked: Any, pin: Pin) -> None:
    if locked is None or locked["sha256"] == pin.sha256:
        return
    if locked.get("url") in (*file.urls, None):
        raise UserError(
            f"{file.name}: {path} pins SHA-256 {locked['sha256']}, but the file now has"
            f" {pin.sha256} ({pin.size} bytes). If the new one is meant, delete its line from"
            f" {path} and lock it again: what was made from the old one stays as it is."
        )


def ask_for_pins(
    files: Sequence[RawFile], lock: Lock, patience: Patience = PATIENT
) -> list[RawFile]:
    """Pin what can be pinned without a download; returns the other files.

    `files` have the pins of sources.yaml, none of them a SHA-256.
    UserError when a file is not as published, or the hub does not have it; what was pinned until
    then stays.
    """
    found: dict[RawFile, Pin] = {}
    rest: list[RawFile] = []
    with connect(patience) as session, ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        answers = pool.map(lambda file: _without_download(file, session, patience), files)
        try:
            for file, pin in zip(files, answers, strict=True):
                if pin.sha256 is None:
                    rest.append(
                        replace(file, pin=replace(file.pin, size=file.pin.size or pin.size))
                    )
                    continue
                found[file] = pin
                if len(found) == KEPT_EACH:
                    lock.add(found)
                    found = {}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            if found:
                lock.add(found)
    return rest


def _without_download(file: RawFile, session: Session, patience: Patience) -> Pin:
    """What is known of a file: here, or by the hub's word; no SHA-256 where neither tells.

    Of a file that is here the hub is asked as well: the two must agree.
    """
    here = file.path.is_file()
    if not here and not file.urls:
        raise UserError(f"{file.name}: {file.path} is missing: {file.remedy}")
    pin = Pin(None, None)
    if file.urls and on_hub(file.urls[0]) and not (here and offline()):
        refuse_offline(file)
        pin = _ask(file, session, patience)
        _refuse_other(file, shown(file.urls[0]), pin, file.pin)
    if here:
        content = hash_file(file.path, needs_md5(file.pin))
        _refuse_other(file, str(file.path), content, file.pin)
        _refuse_unlike_the_hub(file, content, pin)
        return content
    return pin


def _refuse_other(file: RawFile, where: str, pin: Pin, published: Pin) -> None:
    if pin.size is None:
        published = replace(published, size=None)
    if wrong := difference(pin, published):
        raise UserError(f"{file.name}: {where} {wrong}")


def _refuse_unlike_the_hub(file: RawFile, content: Pin, hub: Pin) -> None:
    if difference(content, hub) is None:
        return
    theirs = f"SHA-256 {hub.sha256}" if hub.sha256 else f"{hub.size} bytes"
    raise UserError(
        f"{file.name}: {file.path} has SHA-256 {content.sha256} ({content.size} bytes), but on the"
        f" hub {shown(file.urls[0])} has {theirs}: move {file.path} away to use the hub's file, or"
        " declare yours as a source of its own, with a `path` and no `url`"
    )


def _ask(file: RawFile, session: Session, patience: Patience) -> Pin:
    url = shown(file.urls[0])
    unasked = ""
    if file.path.is_file():
        unasked = f"; {OFFLINE[0]}=1 pins {file.path} as it is, without asking"
    try:
        answer = ask(session, file.urls[0], patience.timeout)
    except (OSError, ValueError) as error:
        raise UserError(f"{file.name}: {url}: {plain(error)}{unasked}") from None
    if answer is None:
        raise UserError(
            f"{file.name}: the hub has no {url}, or not for everybody: if its terms ask for an"
            f" account, accept them there and set HF_TOKEN{unasked}"
        )
    return Pin(answer.sha256, answer.size)


def download_pins(
    files: Sequence[RawFile], lock: Lock, say: Callable[[RawFile, Pin], None] = lambda *of: None
) -> None:
    """Bring files to their places and pin what arrived, each as soon as it is there."""

    def finish(file: RawFile, content: Pin) -> None:
        lock.add({file: content})
        say(file, content)

    download_all(files, finish)
