"""Work on several files at once, by several processes."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import TypeVar

from finescale.errors import UserError

ENDED = (
    "a worker process was ended from outside, most likely for want of memory. What the others "
    "finished is kept: run it again with more memory or fewer --workers"
)

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[Result]:
    """The results of all tasks, in their order, by so many processes; by this one if it is one.

    `function` is one of a module. What it raises ends the rest.
    """
    workers = min(workers, len(tasks))
    if workers < 2:
        yield from map(function, tasks)
        return
    # not forked: this process has threads
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=follow_parent)
    try:
        yield from pool.map(function, tasks)
    except BrokenProcessPool:
        raise UserError(ENDED) from None
    finally:
        pool.shutdown(cancel_futures=True)


def follow_parent() -> None:
    """From now on, end this process when its parent is gone, however it went."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
