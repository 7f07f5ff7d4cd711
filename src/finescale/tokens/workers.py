"""Processes that encode parts, ahead of being asked for them."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from finescale.corpora.workers import ENDED, follow_parent
from finescale.errors import UserError
from finescale.store.kept import Counts
from finescale.tokens.parts import Part

AHEAD = 4  # unfinished parts for each process

_work: Callable[[Part], Counts]  # of a worker process: a tokenizer is large, so it goes there once


class Workers:
    """Does `work` on parts in a number of processes; with one, in this process.

    `schedule` is the order in which results will be asked for, as far as that is known: processes
    work ahead in it. What is asked for in another order comes too, only later.
    """

    def __init__(
        self, work: Callable[[Part], Counts], schedule: Sequence[Part], workers: int
    ) -> None:
        self._work, self._schedule = work, iter(schedule)
        self._most = AHEAD * workers
        self._futures: dict[Part, Future[Counts]] = {}
        self._started: set[Part] = set()
        self._pool: ProcessPoolExecutor | None = None
        if min(workers, len(schedule)) > 1:
            self._pool = ProcessPoolExecutor(
                min(workers, len(schedule)),
                # not forked: this process has threads
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(work,),
            )

    def result(self, part: Part) -> Counts:
        """What `work` returned for a part, to be asked for once.

        UserError when the system ended a process.
        """
        if self._pool is None:
            return self._work(part)
        try:
            self._work_ahead(self._pool)
            self._start(part, self._pool)
            return self._futures.pop(part).result()
        except BrokenProcessPool:
            raise UserError(ENDED) from None

    def _work_ahead(self, pool: ProcessPoolExecutor) -> None:
        unfinished = sum(not future.done() for future in self._futures.values())
        while unfinished < self._most and (part := next(self._schedule, None)):
            unfinished += self._start(part, pool)

    def _start(self, part: Part, pool: ProcessPoolExecutor) -> bool:
        """Have a part done; whether it was not begun yet."""
        if part in self._started:
            return False
        self._started.add(part)
        self._futures[part] = pool.submit(_do, part)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[Part], Counts]) -> None:
    """Take up the work for all parts, and end when the parent process does."""
    global _work
    _work = work
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # or each would take all cores
    follow_parent()


def _do(part: Part) -> Counts:
    return _work(part)
