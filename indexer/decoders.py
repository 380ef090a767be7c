"""Processes that open photos beside the one that has the networks.

A photo can then neither hang the run nor take it down: what takes too long, or kills its decoder, is refused by name,
and another process takes the place of the one that is gone. How many photos are in memory is bounded by the number of
processes, and of large ones there is one at a time.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from amgan.errors import PhotoError, UserError
from indexer.opening import Opened, Wanted
from indexer.worker import opened_of, receive, request_of, send

DEADLINE = 60.0  # seconds for one photo; a large one has them again from when its turn has come


class Decoders:
    """So many processes; used as a context, from any number of threads.

    Args:
        count: how many.
        deadline: seconds after which a photo is given up. While a large one waits for others, none are counted.
    """

    def __init__(self, count: int, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._turn = threading.Lock()
        self._free: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._all = [_Process(self._turn) for _ in range(count)]
        for process in self._all:
            self._free.put(process)

    def __call__(self, wanted: Wanted) -> Opened:
        """``open_photo`` in one of the processes. Raises PhotoError as it does; also "too-slow" and "decoder-died"."""
        process = self._free.get()
        try:
            values, arrays = process.ask(wanted, self._deadline)
        finally:
            self._free.put(process)
        if "reason" in values:
            raise PhotoError(values["reason"], values["message"])
        if "error" in values:
            raise RuntimeError(values["error"])
        return opened_of(values, arrays)

    def close(self) -> None:
        for process in self._all:
            process.end()

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Process:
    """One process, started when it is first needed and after each that ended. It decodes a large photo while it has the
    ``turn``."""

    def __init__(self, turn: threading.Lock) -> None:
        self._turn = turn
        self._running: subprocess.Popen[bytes] | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        # One thread in each: there are as many processes as processors.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [sys.executable, "-m", "indexer.worker"]
        try:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        except OSError as error:
            raise UserError(f"No process to decode photos could be started: {error.strerror or error}.") from None

    def ask(self, wanted: Wanted, deadline: float) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Its reply. Raises PhotoError where it gave none."""
        if self._running is not None and self._running.poll() is not None:  # something ended it while it was idle
            self.end()
        running = self._running = self._running or self._start()
        late = threading.Event()
        try:
            assert running.stdin is not None and running.stdout is not None
            with _killed_after(deadline, running, late):
                send(running.stdin, request_of(wanted))
                values, arrays = receive(running.stdout)
            if "large" not in values:
                return values, arrays
            with self._turn, _killed_after(deadline, running, late):
                send(running.stdin, {})
                return receive(running.stdout)
        except (EOFError, OSError):
            self.end()
            if late.is_set():
                raise PhotoError(
                    "too-slow", f"{wanted.name} takes more than {deadline:g} seconds to decode; save it anew."
                ) from None
            raise PhotoError(
                "decoder-died", f"{wanted.name} ended the process that decoded it, which may have run out of memory."
            ) from None

    def end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            running.wait()
            for stream in (running.stdin, running.stdout):
                with contextlib.suppress(OSError):  # what was not sent any more
                    if stream is not None:
                        stream.close()


@contextlib.contextmanager
def _killed_after(seconds: float, running: subprocess.Popen[bytes], late: threading.Event) -> Iterator[None]:
    def give_up() -> None:
        late.set()
        running.kill()

    timer = threading.Timer(seconds, give_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
