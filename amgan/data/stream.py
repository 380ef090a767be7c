"""Pairs of drawn garments that are made while training goes on, by processes beside it: a window of recent pairs moves
on as training does, so that hardly a pair is seen twice.

Which pairs a step sees follows from the step: chunk k of the run's seeds is in the window from the moment on when so
many rows have been drawn as pairs came before it. Training does not wait: where the processes are slower the window
moves on later, and pairs are seen more often.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import track

from amgan.cache import Cache, Entry, content_key
from amgan.data.drawn import DrawnPairs, draw_pairs, run_seeds, validation_seeds
from amgan.data.garments import Garments
from amgan.data.truths import Truths
from amgan.errors import UserError
from amgan.photos import PREPARATION
from amgan.schema import AttributeSchema
from amgan.synth import RENDERER_VERSION, SCHEMA

CHUNK = 32  # pairs that a process draws at once
WINDOW = 16  # chunks that are drawn from
AHEAD = 4  # chunks that are drawn before their time, and the most that wait
VALIDATION = 320  # garments
IDENTITY = f"drawn on the fly, renderer {RENDERER_VERSION}"


@dataclass(frozen=True)
class Chunk:
    """Pairs that come and go together; None where none is within the schema."""

    number: int
    garments: Garments | None


def as_garments(pairs: DrawnPairs) -> Garments:
    """The same as a data set's garments with their true edits."""
    truths = Truths(
        torch.from_numpy(pairs.edits),
        torch.from_numpy(pairs.edit_masks),
        torch.arange(len(pairs.seeds)),
        torch.from_numpy(pairs.attribute),
        torch.from_numpy(pairs.edit_labels),
    )
    images, masks, labels = (torch.from_numpy(x) for x in (pairs.images, pairs.masks, pairs.labels))
    return Garments(SCHEMA, images, masks, labels, tuple(str(s) for s in pairs.seeds), truths)


class DrawnStream:
    """The window, and the processes that draw what comes next. Waits for the first window; close it at the end.

    Args:
        size: side of the frames in pixels.
        run_seed: other garments for each.
        rows: how many new pairs a step asks for on average.
        step: the one that training begins with.
        workers: processes beside the training; the first window is drawn by as many as there are processors.
        schema: garments and edits within it; the renderer's own when not given.
        progress: show how far the first window is.

    Attributes:
        chunks: of the window, the oldest first.

    Raises:
        UserError: no pair is within the schema.
    """

    def __init__(
        self,
        size: int,
        run_seed: int,
        rows: float,
        step: int = 0,
        workers: int = 1,
        schema: AttributeSchema | None = None,
        progress: bool = True,
    ) -> None:
        self._outside = UserError("")
        self._size, self._run_seed, self._rows, self._workers, self._schema = size, run_seed, rows, workers, schema
        newest = self._start = self._wanted(step)
        numbers = range(newest - WINDOW + 1, newest + 1)
        drawn = draw_all([self._seeds(n) for n in numbers], size, f"Drawing {WINDOW * CHUNK} pairs" if progress else "")
        self.chunks = deque((self._chunk(n, p) for n, p in zip(numbers, drawn, strict=True)), maxlen=WINDOW)
        if all(c.garments is None for c in self.chunks):
            raise self._outside
        self._pool, self._coming = drawing_pool(workers), deque[tuple[int, Future[DrawnPairs]]]()
        self._began = time.monotonic()

    def advance(self, step: int) -> bool:
        """Move on to where the window is at a step, as far as what comes next is drawn; whether it has moved."""
        before = self.chunks[-1].number
        while True:
            try:
                self._take(self._wanted(step))
                self._ask_for_more(self._wanted(step))
                return self.chunks[-1].number > before
            except BrokenProcessPool:  # a process was killed: others go on, behind what is drawn without a gap
                drawn = list(itertools.takewhile(lambda c: c[1].done() and c[1].exception() is None, self._coming))
                self.close()
                self._pool, self._coming = drawing_pool(self._workers), deque(drawn)

    def _take(self, wanted: int) -> None:
        """What is drawn, up to a chunk. Raises BrokenProcessPool."""
        while self.chunks[-1].number < wanted and self._coming and self._coming[0][1].done():
            number, future = self._coming[0]
            self.chunks.append(self._chunk(number, future.result()))
            self._coming.popleft()

    def _ask_for_more(self, wanted: int) -> None:
        """Behind a chunk, too. Raises BrokenProcessPool."""
        newest = self._coming[-1][0] if self._coming else self.chunks[-1].number
        waiting = sum(not future.done() for _, future in self._coming)
        # No further than needed, and one more than there are processes, lest one has to wait for the next step.
        for number in range(newest + 1, newest + 1 + min(self._workers + 1 - waiting, wanted + AHEAD - newest)):
            self._coming.append((number, self._pool.submit(draw_pairs, self._seeds(number), self._size)))

    def fresh(self, step: int) -> tuple[float, float]:
        """Of the pairs that were to be renewed from the start to a step the share that was, and new pairs a second."""
        wanted, done = self._wanted(step) - self._start, self.chunks[-1].number - self._start
        return (done / wanted if wanted > 0 else 1.0), CHUNK * done / max(1e-9, time.monotonic() - self._began)

    def close(self) -> None:
        """End the processes; what they are drawing is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wanted(self, step: int) -> int:
        """The newest chunk of the window at a step."""
        return WINDOW - 1 + int(step * self._rows / CHUNK)

    def _seeds(self, number: int) -> list[int]:
        return run_seeds(self._run_seed, range(CHUNK * number, CHUNK * (number + 1)))

    def _chunk(self, number: int, pairs: DrawnPairs) -> Chunk:
        garments = as_garments(pairs)
        if self._schema is None:
            return Chunk(number, garments)
        try:
            return Chunk(number, garments.with_schema(self._schema))
        except UserError as error:
            self._outside = error
            return Chunk(number, None)


def validation_garments(size: int, count: int = VALIDATION) -> Garments:
    """Drawn garments to validate on, none of a training's, the same ones every time; kept on disk."""
    cache, seeds = Cache.at_home("drawn"), validation_seeds(count)
    parts = [seeds[i : i + CHUNK] for i in range(0, count, CHUNK)]
    lots = {content_key(IDENTITY, PREPARATION, size, *part): part for part in parts}
    entries = {key: cache.read(key) for key in lots}
    missing = [key for key, entry in entries.items() if entry is None]
    if missing:
        drawn = draw_all([lots[key] for key in missing], size, f"Drawing {count} garments to validate on")
        for key, pairs in zip(missing, drawn, strict=True):
            g = as_garments(pairs)
            entries[key] = made = Entry({"images": g.images, "masks": g.masks, "labels": g.labels}, {"ids": g.item_ids})
            cache.write(key, made)
    return joined([_kept(entry) for entry in entries.values() if entry is not None])


def _kept(entry: Entry) -> Garments:
    t = entry.tensors
    return Garments(SCHEMA, t["images"], t["masks"], t["labels"], tuple(entry.note["ids"]))


def joined(parts: Iterable[Garments]) -> Garments:
    """All of them, one behind the other."""
    return functools.reduce(Garments.joined, parts)


# --- Processes --------------------------------------------------------------------------------------------------------


def draw_all(seeds: Sequence[Sequence[int]], size: int, title: str) -> list[DrawnPairs]:
    """Several lots of pairs, drawn by as many processes as there are processors. Without a title nothing is shown."""
    with drawing_pool(min(len(seeds), os.cpu_count() or 1)) as pool:
        lots = pool.map(draw_pairs, seeds, itertools.repeat(size))
        return list(track(lots, title, len(seeds), console=Console(stderr=True), disable=not title))


def drawing_pool(workers: int) -> ProcessPoolExecutor:
    """Processes for ``draw_pairs``. Spawned, not forked: the caller has threads."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """In a process that draws: the processes are the parallelism, an interruption is the training's business, and when
    that is gone, however it went, so is this."""
    import cv2

    cv2.setNumThreads(1)
    for s in (signal.SIGINT, signal.SIGTERM):
        signal.signal(s, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(0)

        threading.Thread(target=wait, daemon=True).start()
