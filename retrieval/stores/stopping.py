"""Whether a command was told to stop: what waits for a server asks, as Ctrl-C alone does not reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_asked: Callable[[], bool] = bool  # never


@contextmanager
def stop_when(asked: Callable[[], bool]) -> Iterator[None]:
    """Within: calls that wait for a server are given up soon after ``asked()`` is true, with KeyboardInterrupt."""
    global _asked
    before, _asked = _asked, asked
    try:
        yield
    finally:
        _asked = before


def stopping() -> bool:
    return _asked()
