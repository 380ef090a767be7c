"""The catalogue that is served now: when its name moves to a newer index, that one, without a restart.

Requests hold the version that they began with; one that was replaced is closed when its last request ends.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from amgan.editing.editor import is_outside, load_editor
from amgan.errors import UserError
from retrieval.catalogue import open_catalogue
from retrieval.search import Searcher
from retrieval.service.batching import BatchedEditor
from retrieval.service.problems import Problem, StoreFailed
from retrieval.service.settings import Settings
from retrieval.stores import connect
from retrieval.stores.base import VectorStore

log = logging.getLogger("amgan.service")
_AGAIN_SECONDS = 60.0  # after which a version that could not be opened is tried again


class GuardedStore:
    """A store whose failures are told from callers' mistakes: its sentences name servers and folders."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value):
            return value

        @functools.wraps(value)
        def guarded(*args: Any, **options: Any) -> Any:
            try:
                return value(*args, **options)
            except UserError as error:
                raise StoreFailed(str(error)) from error

        return guarded


@dataclass
class Version:
    """An open index. ``users`` is how many requests hold it."""

    searcher: Searcher
    editor: BatchedEditor
    users: int = 0
    replaced: bool = False

    @property
    def name(self) -> str:
        """Of the physical collection."""
        return self.searcher.store.name

    def close(self) -> None:
        self.editor.close()
        self.searcher.close()


class LiveCatalogue:
    """The open catalogue, and a thread that looks for a newer version of it.

    Args:
        batched: is told how many edits each pass of the network held.

    Raises:
        UserError: as ``open_catalogue``.
    """

    def __init__(self, settings: Settings, batched: Callable[[int], None] = lambda count: None) -> None:
        self.settings, self._batched = settings, batched
        self.reachable = True
        self._location = connect(settings.store)
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._current = self._open()
        self._watcher = threading.Thread(target=self._watch, name="index watcher", daemon=True)
        self._watcher.start()

    @contextmanager
    def use(self) -> Iterator[Version]:
        """The version to answer one request from."""
        with self._lock:
            version = self._current
            if version.replaced:
                raise Problem("not-ready", "The service is stopping.", {"Retry-After": "5"})
            version.users += 1
        try:
            yield version
        finally:
            with self._lock:
                version.users -= 1
                done = version.replaced and version.users == 0
            if done:
                version.close()

    @property
    def version(self) -> str:
        return self._current.name

    def close(self) -> None:
        """Stop looking, and close the index when its last request has ended."""
        self._stop.set()
        self._watcher.join(2.0)  # it may be waiting for a store that does not answer
        self._replace(None)
        self._location.close()

    def _open(self) -> Version:
        s = self.settings
        searcher = open_catalogue(s.store, s.collection, s.weights, s.catalogue, s.device, s.editor)
        editor = BatchedEditor(searcher.editor, s.limits.batch, self._batched)
        searcher.editor = editor
        searcher.store = cast(VectorStore, GuardedStore(searcher.store))
        weights = s.editor or searcher.representation.weights
        if s.measure and s.device == "cpu" and not is_outside(weights):
            threading.Thread(target=_find_fastest, args=(editor, weights), name="fastest editor", daemon=True).start()
        return Version(searcher, editor)

    def _watch(self) -> None:
        refused, wait = "", 0.0  # a version that cannot be opened, and for how long it is left alone
        while not self._stop.wait(self.settings.watch):
            try:
                newest = self._location.aliases().get(self.settings.collection, self.settings.collection)
                self.reachable = True
            except Exception as error:  # what is open goes on serving as far as it can
                if self.reachable:
                    log.warning("index not reached", extra={"fields": {"error": str(error)}})
                self.reachable = False
                continue
            if newest == self._current.name or (newest == refused and time.monotonic() < wait):
                continue
            try:
                start = time.perf_counter()
                self._replace(self._open())
                seconds = round(time.perf_counter() - start, 3)
                log.info("new index", extra={"fields": {"version": newest, "seconds": seconds}})
            except Exception as error:  # of other weights, or the memory is too small for both
                refused, wait = newest, time.monotonic() + _AGAIN_SECONDS
                fields = {"version": newest, "serves": self._current.name, "error": str(error)}
                log.warning("new index not opened", extra={"fields": fields})

    def _replace(self, newer: Version | None) -> None:
        with self._lock:
            old, self._current = self._current, newer or self._current
            old.replaced = True
            unused = old.users == 0
        if unused:
            old.close()


def _find_fastest(editor: BatchedEditor, weights: str) -> None:
    """Where this machine has not measured before, a process of its own does; edits are PyTorch's until it has ended."""
    try:
        editor.editor = load_editor(weights, "fastest")
    except UserError as error:
        log.warning("fastest editor", extra={"fields": {"error": str(error)}})
