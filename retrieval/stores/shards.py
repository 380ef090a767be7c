"""Which of a collection's shards is asked: the current version for those who search, the next for the one who writes.

reader = Reader(home)          # any number of processes and threads
reader.shard().query(…)        # of the version that is current at this moment

writer = Writer(home, dimensions, schema)     # one at a time
writer.begin().update(…)       # in a copy of the current version, made when the first change comes
writer.publish(count)          # readers see it from here on
"""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path
from typing import Any

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.stores import engine, versions
from retrieval.stores.files import require_room

_LEGACY = "shard"  # the one version of collections that were made before there were several
_log = logging.getLogger(__name__)


class Reader:
    """The current version, opened again when another becomes current. Raises UserError where none can be opened."""

    def __init__(self, home: Path) -> None:
        self.version: versions.Version | None = None
        self._home, self._lock = home, threading.Lock()
        self._place: versions.Readable | None = None
        self._shard: Any = None
        self._stamp: object = None
        self._refresh()

    def shard(self) -> Any:
        """What is asked now. A thread that still asks the one before keeps that open."""
        with self._lock:
            if _stamp(self._home) not in (self._stamp, None):  # None: dropped, and what is open serves on
                try:
                    self._refresh()
                except UserError as error:
                    _log.warning("%s The version that was opened before goes on serving.", error)
            return self._shard

    def close(self) -> None:
        with self._lock:
            self._shard.close()
            self._place, self._stamp = None, None

    def _refresh(self) -> None:
        self._stamp = _stamp(self._home)
        version = versions.current(self._home)
        while True:
            try:
                self._place, self._shard = _opened(self._home, version)
                self.version = version
                return
            except UserError:
                replaced = versions.current(self._home)  # meanwhile, and its files were deleted
                if version is None or replaced is None or replaced.number == version.number:
                    raise
                version = replaced


class Writer:
    """The version to come. It goes on with what a stopped run wrote; until something is written, the current version is
    asked."""

    def __init__(self, home: Path, dimensions: int, schema: AttributeSchema) -> None:
        self._home, self._dimensions, self._schema = home, dimensions, schema
        version = versions.current(home)
        self._number = version.number + 1 if version else 1
        self._shard: Any = None  # of the version to come
        self._reader: Reader | None = None
        next_one = versions.folder_of(home, self._number)
        versions.sweep(home, {next_one.name} | ({versions.folder_of(home, version.number).name} if version else set()))
        if next_one.exists():
            try:
                self._shard = engine.attempt(lambda: engine.load_shard(next_one), home)
                return
            except engine.EngineError as error:
                _log.warning("What the last run wrote cannot be read and is written again (%s).", error)
                shutil.rmtree(next_one, ignore_errors=True)
        if version is None and not (home / _LEGACY).is_dir():
            self._shard = self._new(next_one)
        else:
            self._reader = Reader(home)

    @property
    def version(self) -> versions.Version | None:
        return self._reader.version if self._reader else None

    @property
    def changed(self) -> bool:
        """Whether something was written that readers do not see yet."""
        return self._shard is not None

    def shard(self) -> Any:
        return self._reader.shard() if self._shard is None and self._reader else self._shard

    def begin(self) -> Any:
        """The shard to write in."""
        if self._shard is None and self._reader is not None:
            folder = versions.folder_of(self._home, self._number)
            if self._reader.version is None:
                self._convert(folder, self._reader)
            else:
                versions.copy_version(self._home, self._reader.version.number, self._number)
            self._shard = engine.call(lambda: engine.load_shard(folder), self._home)
            self._reader.close()
            self._reader = None
        return self._shard

    def publish(self, points: int) -> None:
        """Make what was written, flushed by the caller, the current version, and delete the one before."""
        shard, self._shard = self._shard, None  # whatever fails from here on, it is closed
        engine.call(shard.close, self._home)
        folder = versions.folder_of(self._home, self._number)
        engine.call(lambda: engine.load_shard(folder).close(), self._home)  # it puts journals away when it opens them
        versions.publish(self._home, self._number, points)
        self._reader = Reader(self._home)
        versions.sweep(self._home, {versions.folder_of(self._home, self._number).name})
        shutil.rmtree(self._home / _LEGACY, ignore_errors=True)
        self._number += 1

    def require_room_to_build(self) -> None:
        """Raises UserError when the disk has no room for the index, for which the engine writes all vectors anew."""
        require_room(self._home, versions.allocated(versions.folder_of(self._home, self._number)))

    def close(self) -> None:
        if self._shard is not None:
            self._shard.flush()
            self._shard.close()
        elif self._reader is not None:
            self._reader.close()

    def _new(self, folder: Path) -> Any:
        require_room(self._home, 0)
        return engine.call(lambda: engine.new_shard(folder, self._dimensions, self._schema), self._home)

    def _convert(self, folder: Path, reader: Reader) -> None:
        """A collection that was made before there were versions: its points, in a shard that can be shared."""
        require_room(self._home, versions.allocated(self._home / _LEGACY))
        unfinished = folder.with_suffix(".copying")
        shutil.rmtree(unfinished, ignore_errors=True)
        shard = self._new(unfinished)
        old = reader.shard()
        engine.call(lambda: engine.add(shard, engine.scroll(old)), self._home)
        engine.call(shard.close, self._home)
        unfinished.rename(folder)


def _stamp(home: Path) -> object:
    try:
        state = (home / versions.CURRENT).stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino, state.st_size


def _opened(home: Path, version: versions.Version | None) -> tuple[versions.Readable, Any]:
    """Where a version is read, and its shard. Raises UserError where it is damaged."""
    if version is not None:
        versions.verify(home, version)
        place = versions.readable(versions.folder_of(home, version.number))
    elif (home / _LEGACY).is_dir():
        place = versions.copied(home / _LEGACY)  # the engine would lock it, and write in it
    else:
        raise UserError(
            f"The collection {home.name!r} in {home.parent} is being filled for the first time; it can be searched "
            "once index-catalog has ended. If that was stopped, run the same command again."
        )
    try:
        shard = engine.attempt(lambda: engine.load_shard(place.folder), home)
        points = engine.attempt(lambda: engine.count_points(shard), home)
    except engine.EngineError as error:
        raise versions.damaged(home, str(error)) from None
    if version is not None and points != version.points:
        raise versions.damaged(home, f"it holds {points} garments in place of {version.points}")
    return place, shard
