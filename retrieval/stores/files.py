"""Files that are whole or absent, and locks that a killed process lets go."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import portalocker

from amgan.errors import UserError
from amgan.files import replace_text

RESERVE = 32 << 20  # bytes left free on a disk, so that what is there can still be opened


def write_json(path: Path, values: Any) -> None:
    """Replace a JSON file in one step that survives a loss of power. Raises UserError when the disk refuses."""
    try:
        replace_text(path, json.dumps(values, indent=1))
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from None


def read_json(path: Path) -> Any:
    """None when the file is missing. Raises UserError when it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except RecursionError:
        raise UserError(f"{path} is not valid JSON (nested too deeply); restore it, or delete the store.") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); restore it, or delete the store.") from None


def own_temporary_folder() -> Path:
    """This user's among the temporary files, not made yet; other users have others."""
    user = os.geteuid() if hasattr(os, "geteuid") else getpass.getuser()
    return Path(tempfile.gettempdir()) / f"amgan-{user}"


def room(folder: Path) -> int:
    """Bytes that can still be written to the disk of a folder, or of the one it will be made in."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free


def require_room(folder: Path, needed: int) -> None:
    """Raises UserError when the disk has not so many bytes left. Asked before an engine writes: it maps its files into
    memory, and the system kills a process for which there is no room behind such a map."""
    needed += RESERVE
    if (left := room(folder)) < needed:
        raise UserError(
            f"The disk of {folder} is full: {left / 1e6:,.0f} MB are left and {needed / 1e6:,.0f} MB are needed. Free "
            "some space and run the same command again; what was indexed is kept."
        )


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file while the block runs; the system frees it when the process dies.

    Raises:
        UserError: at once, when another process holds it.
    """
    with _opened(path) as file:
        try:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        except (portalocker.exceptions.LockException, OSError):
            raise UserError(f"Another index-catalog is filling {what}; wait until it ends, or stop it.") from None
        yield


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """As ``held``, but waits for its turn: for what takes a moment."""
    with _opened(path) as file:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE)
        yield


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from None
