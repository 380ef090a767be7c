"""The threads that do the work, behind a queue that has an end."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from retrieval.service.problems import Problem

T = TypeVar("T")


class Workers:
    """Runs functions in threads. One that finds the queue full is refused at once, with when to come back.

    Args:
        threads: that work at the same time.
        queue: functions that may wait for one of them.
        torch_threads: processors that each may use for a network; None leaves torch's own choice.
    """

    def __init__(self, name: str, threads: int, queue: int, torch_threads: int | None = None) -> None:
        self.threads, self.queue = threads, queue
        self.pending = 0  # working and waiting; the event loop alone changes both
        self._coming = 0
        self._seconds = 0.1  # of one function, smoothed
        settle = (lambda: torch.set_num_threads(torch_threads)) if torch_threads else None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=settle)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while what is to be worked on still comes in: no more bodies lie in memory than may wait.

        Raises:
            Problem: "busy", the queue is full.
        """
        self._refuse_when_full()
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """The function's result. Raises Problem "busy" when the queue is full. Cancelled, it leaves the queue."""
        self._refuse_when_full()
        self.pending += 1
        future = self._pool.submit(self._timed, work)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: _call_soon(loop, self._done))  # when the thread is free, not when we left
        return await asyncio.wrap_future(future)

    def _refuse_when_full(self) -> None:
        if self.pending + self._coming >= self.threads + self.queue:
            wait = math.ceil(self.pending * self._seconds / self.threads)
            raise Problem(
                "busy", "All workers are busy and the queue is full; come back.", {"Retry-After": str(max(1, wait))}
            )

    def _timed(self, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return work()
        finally:
            self._seconds += 0.1 * (time.perf_counter() - start - self._seconds)

    def _done(self) -> None:
        self.pending -= 1

    def close(self) -> None:
        """Finish what is being worked on; what waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _call_soon(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(action)
