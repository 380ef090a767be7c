"""The versions of a folder's collection: one that is searched, and at times one that is being written.

HOME/current.json   {"version": 3, "points": 2096, "files": {"segments/…/matrix.dat": [bytes, digest]}}
HOME/v3/            the one that is searched, by any number of processes; nobody writes in it any more
HOME/v4/            being filled, from a copy of v3; ``current.json`` names it, in one step, when it is whole

The engine holds no lock on a shard without a log of its own, and opening one changes no byte that counts, so readers
share a version's folder. Where they may not write in it they search in a copy, as the engine opens files to write.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import portalocker

from amgan.errors import UserError
from amgan.files import refusal
from retrieval.stores.files import own_temporary_folder, read_json, require_room, room, write_json

CURRENT = "current.json"
_OPENING = 16 << 20  # bytes: what the engine may write into holes of its files when it opens them
_CHECKED_AT_ONCE = 512 << 20  # bytes: larger versions are hashed by ``verify`` alone, not at each opening
_BLOCK = 64 << 10
_REWRITTEN = "edge_config.json"  # by the engine at each opening, with its keys in another order


@dataclass(frozen=True)
class Version:
    """What ``current.json`` says: the number, how many points it holds, and its files' bytes and digests."""

    number: int
    points: int
    files: dict[str, tuple[int, str]]


def folder_of(home: Path, number: int) -> Path:
    return home / f"v{number}"


def current(home: Path) -> Version | None:
    """The version that is searched; None where there is none yet. Raises UserError when that cannot be read."""
    values = read_json(home / CURRENT)
    if values is None:
        return None
    try:
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in values["files"].items()}
        return Version(int(values["version"]), int(values["points"]), files)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise damaged(home, f"{CURRENT} does not say which version is searched") from None


def publish(home: Path, number: int, points: int) -> Version:
    """From here on, readers open this version. What it holds is safe on disk before they are told of it."""
    folder = folder_of(home, number)
    with _system(folder):
        files = {}
        for path in _files(folder):
            with path.open("rb") as file:
                os.fsync(file.fileno())  # a file that was copied has never been
            files[path.relative_to(folder).as_posix()] = (path.stat().st_size, _digest(path))
    write_json(home / CURRENT, {"version": number, "points": points, "files": files})
    return Version(number, points, files)


def verify(home: Path, version: Version, thorough: bool = False) -> None:
    """Raises UserError when files are missing, or not as they were written. Large versions are hashed only if
    ``thorough``; of these their sizes are compared."""
    folder = folder_of(home, version.number)
    hashed = thorough or sum(size for size, _ in version.files.values()) <= _CHECKED_AT_ONCE
    for name, (size, digest) in version.files.items():
        try:
            if name == _REWRITTEN and (folder / name).stat().st_size:
                continue
            if (folder / name).stat().st_size != size:
                raise damaged(home, f"{name} has {(folder / name).stat().st_size} bytes in place of {size}")
            if hashed and _digest(folder / name) != digest:
                raise damaged(home, f"{name} is not as it was written")
        except FileNotFoundError:
            raise damaged(home, f"{name} is missing") from None
        except OSError as error:
            raise damaged(home, f"{name} cannot be read: {error.strerror}") from None


def damaged(home: Path, what: str) -> UserError:
    return UserError(
        f"The collection {home.name!r} in {home.parent} is damaged: {what}. Restore {home} from a copy, or delete that "
        "folder and run the same index-catalog command again, which fills it anew from the photos."
    )


def copy_version(home: Path, number: int, to: int) -> None:
    """A copy of a version, to be written. Raises UserError when the disk has no room for it."""
    source, target = folder_of(home, number), folder_of(home, to)
    require_room(home, allocated(source))
    unfinished = target.with_suffix(".copying")
    with _system(home):
        shutil.rmtree(unfinished, ignore_errors=True)
        copy_sparse(source, unfinished)
        unfinished.rename(target)


def sweep(home: Path, keep: set[str]) -> None:
    """Delete what stopped runs left, and versions that are not searched any more; what was opened stays readable to
    those who have it open. For the one who writes."""
    for path in home.glob("v*"):
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
    for name in keep:
        for left in (home / name).glob("**/temp_segments"):
            shutil.rmtree(left, ignore_errors=True)
        for left in (home / name).glob("**/.atomicwrite*"):
            shutil.rmtree(left, ignore_errors=True)


@dataclass
class Readable:
    """A folder that the engine can open: a version's own, or a copy that goes away with this object."""

    folder: Path
    _keeper: object = None


def readable(folder: Path) -> Readable:
    """The version's own folder, or a copy of it where it cannot be written, or its disk is too full to open it.

    Raises:
        UserError: there is no room for a copy.
    """
    effective = os.access in os.supports_effective_ids
    writable = (os.access(p, os.W_OK, effective_ids=effective) for p in (folder, *folder.rglob("*")))
    if room(folder) > _OPENING and all(writable):
        return Readable(folder)
    return copied(folder)


def copied(folder: Path) -> Readable:
    """A copy in the folder for temporary files, deleted with the object, or by a later call when its process died.

    Raises:
        UserError: there is no room for it.
    """
    place = own_temporary_folder() / "copies"
    with _system(place):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep_copies(place)
    require_room(place, allocated(folder) + _OPENING)
    name = uuid.uuid4().hex
    lock, home = (place / f"{name}.lock").open("w"), place / name
    portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE)
    done = Readable(home / "shard", lock)
    weakref.finalize(done, _forget, lock, home)
    with _system(place):
        copy_sparse(folder, home / "shard")
    return done


def _forget(lock: object, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    Path(lock.name).unlink(missing_ok=True)  # type: ignore[attr-defined]
    lock.close()  # type: ignore[attr-defined]


def _sweep_copies(place: Path) -> None:
    """What processes left that were killed: their locks are free."""
    for path in place.glob("*.lock"):
        with contextlib.suppress(OSError, portalocker.exceptions.LockException), path.open("a") as lock:
            portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)


def allocated(folder: Path) -> int:
    """The bytes that a folder takes on disk: the engine's files have holes."""
    return sum(getattr(s := p.stat(), "st_blocks", -(-s.st_size // 512)) * 512 for p in _files(folder))


def copy_sparse(source: Path, target: Path) -> None:
    """A copy of a folder that keeps the holes of its files, and may be written. Raises OSError."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
            continue
        with path.open("rb", buffering=0) as old, copy.open("wb") as new:
            size = os.fstat(old.fileno()).st_size
            new.truncate(size)
            for start, end in _extents(old.fileno(), size):
                old.seek(start)
                new.seek(start)
                while start < end and (part := old.read(min(1 << 20, end - start))):
                    new.write(part)
                    start += len(part)


def _extents(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Where the file holds data, from and to; all of it where the system does not say."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError:  # a hole up to the end
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def _digest(path: Path) -> str:
    """SHA-256 over where a file is not zero: the engine's files have large holes, which a copy may have filled."""
    digest, end = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:  # none, as _extents moves in the file too
        size = os.fstat(file.fileno()).st_size
        for start, stop in _extents(file.fileno(), size):
            start = max(end, start - start % _BLOCK)
            file.seek(start)
            while start < stop and (block := file.read(_BLOCK)):
                if block.strip(b"\0"):
                    digest.update(start.to_bytes(8, "little"))
                    digest.update(block)
                start = end = start + len(block)
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


@contextlib.contextmanager
def _system(path: Path) -> Iterator[None]:
    """What the system refuses, as a sentence."""
    try:
        yield
    except OSError as error:
        raise refusal(error, path) from None
