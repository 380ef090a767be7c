"""The time that a training command has, ``amgan train --minutes``: how much of it is over, and when to end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from amgan.errors import TimeIsUp
from amgan.training.run import say, this_command

CLOSING_SHARE, CLOSING_MOST = 0.05, 60.0  # of the time, and seconds: what the last validation is expected to take


class Budget:
    """Minutes from the start of a command to its end, the last validation and the saving included.

    Args:
        minutes: above 0.
        started: ``time.monotonic()`` when the command began.
    """

    def __init__(self, minutes: float, started: float) -> None:
        self.minutes = minutes
        self._ends = started + 60 * minutes
        self._closing = min(CLOSING_MOST, CLOSING_SHARE * 60 * minutes)
        self._began = time.monotonic()

    def begin(self) -> None:
        """A training begins now: set-up, and what was trained before it, are over."""
        self._began = time.monotonic()

    def share(self) -> float:
        """How much of the training's time is over: 1 when what is left goes to validating and saving."""
        last = self._ends - self._closing
        return min(1.0, (time.monotonic() - self._began) / (last - self._began)) if last > self._began else 1.0

    def over(self, step_seconds: float = 0.0) -> bool:
        """Whether another step would be one too many."""
        return time.monotonic() + step_seconds >= self._ends - self._closing

    def validated(self, seconds: float) -> None:
        """Validating and saving took so long; the last time will too."""
        self._closing = 1.2 * seconds


_budget: Budget | None = None


def current() -> Budget | None:
    """What the command has, if it is limited."""
    return _budget


@contextlib.contextmanager
def limited(minutes: float | None, started: float) -> Iterator[None]:
    """Within: every training of this process ends in time and saves, and then the command ends well and says how it
    goes on. None: no limit."""
    global _budget
    _budget = Budget(minutes, started) if minutes is not None else None
    try:
        yield
    except TimeIsUp:
        if int(os.environ.get("RANK", "0")) == 0:  # of several processes one speaks
            said = f"The {minutes:g} minutes are over, and what was done is saved."
            say(f"{said} The same command goes on: {this_command()}")
    finally:
        _budget = None
