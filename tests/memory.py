"""How much memory a piece of work takes, whatever else runs in the tests' own process."""

from __future__ import annotations

import multiprocessing
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor


def peak_memory(work: Callable[..., object], *arguments: object) -> int:
    """The most bytes that Python and numpy held at once while ``work(*arguments)`` ran for the second time in a
    process of its own.

    Threads that earlier tests left behind allocate too, and would be counted here; so would libraries that are loaded
    at first use.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, work, arguments).result()


def _measure(work: Callable[..., object], arguments: tuple[object, ...]) -> int:
    work(*arguments)
    tracemalloc.start()
    work(*arguments)
    return tracemalloc.get_traced_memory()[1]
