"""How downloads go: a bar on a terminal, else a line now and then."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from finescale.counts import format_bytes

LINE_SECONDS = 30.0


class Progress:
    """Bytes of several files that are here, the rate at which they arrive, and the time left.

    `sizes` are those of the files in bytes; with one that is not known there is no estimate.
    """

    def __init__(self, sizes: Sequence[int | None]) -> None:
        known = [size for size in sizes if size is not None]
        self.total = sum(known) if len(known) == len(sizes) else None
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._here = 0
        self._before = 0  # bytes that earlier runs had brought
        self._since = self._last_line = time.monotonic()
        self._bar = _bar(self.total) if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def of(self, name: str) -> Callable[[int], None]:
        """What is called with the bytes of a file that are here."""

        def heed(size: int) -> None:
            with self._lock:
                if name not in self._sizes:
                    self._before += size
                self._here += size - self._sizes.get(name, 0)
                self._sizes[name] = size
                self._show(self._here)

        return heed

    def arrived(self, name: str) -> None:
        """Say that a file is complete."""
        line = f"{name}: {format_bytes(self._sizes.get(name, 0))}, checked"
        if self._bar is not None:
            self._bar.write(line)
        else:
            print(line, flush=True)

    def _show(self, here: int) -> None:
        if self._bar is not None:
            self._bar.update(here - self._bar.n)
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            print(self.line(here, self._last_line - self._since), flush=True)

    def line(self, here: int, seconds: float) -> str:
        """`1.2 GB of 3.4 GB, 12 MB/s, about 3 min left`."""
        rate = max(here - self._before, 0) / seconds
        parts = [format_bytes(here), f"{format_bytes(rate)}/s"]
        if self.total is not None:
            parts[0] += f" of {format_bytes(self.total)}"
            if rate:
                parts.append(f"about {_duration((self.total - here) / rate)} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bar(total: int | None) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1000, smoothing=0.1)
