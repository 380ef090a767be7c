"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """``replace_text``, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, text)


def replace_text(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a loss of power, sees the old one or the new one and nothing between.

    Raises:
        OSError: the folder is missing, or the disk refuses; the old file is then untouched.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")  # its own name, because another process may write too
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, and the rename is already on disk
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
