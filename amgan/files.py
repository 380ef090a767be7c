"""Files that are written whole or not at all, and what to say where they cannot be.

Whatever a command writes it tries first (``writable_folder``, ``writable_file``), because a mistake that shows only
after the work is done costs the work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from amgan.errors import UserError

_REASONS = {
    errno.EACCES: "there is no permission for it",
    errno.EPERM: "there is no permission for it",
    errno.EROFS: "it lies on a read-only disk",
    errno.EISDIR: "it is a folder, and a file is needed",
    errno.ENOTDIR: "it, or what should be a folder above it, is a file",
    errno.EEXIST: "it is a file, and a folder is needed",
    errno.ENOENT: "there is no such file or folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "its disk is full",
    errno.ELOOP: "it is a link that leads to itself",
}


def is_full(error: OSError) -> bool:
    """Whether it says that there is no space left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def refusal(error: OSError, path: str | Path) -> UserError:
    """A sentence for whoever named ``path``, which the system refused to read or to write."""
    if is_full(error):
        return UserError(f"The disk of {path} is full; free some space and run the same command again.")
    return UserError(f"{path} cannot be used: {_reason(error)}.")


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0) or error.strerror or " ".join(map(str, error.args)) or "the system refuses"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError inside that names no file, as that of a full disk, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def writable_folder(path: Path, option: str = "--out") -> Path:
    """The path, where files can be written in it or it can be made; leaves nothing behind.

    Raises:
        UserError: naming the option that the path was given with.
    """
    try:
        _try_to_write(path)
    except OSError as error:
        raise UserError(f"{option} {path} cannot be written: {_reason(error)}; name another folder.") from None
    return path


def writable_file(path: Path, option: str = "--out") -> Path:
    """The path, where a file of that name can be written or replaced; leaves nothing behind.

    Raises:
        UserError: naming the option that the path was given with.
    """
    try:
        _try_to_write(path.parent)
        if path.exists():
            with path.open("ab"):
                pass
    except OSError as error:
        raise UserError(f"{option} {path} cannot be written: {_reason(error)}; name another file.") from None
    return path


def writable_picture(path: Path, option: str = "--out") -> Path:
    """As ``writable_file``, for a picture, whose ending says its format. Raises UserError."""
    from PIL import Image  # commands that save none need not wait for it

    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise UserError(f"{option} {path} does not end as a picture does; give a name such as sheet.png or sheet.jpg.")
    return writable_file(path, option)


def _try_to_write(folder: Path) -> None:
    """Makes the folder where it is missing, and a file in it, and takes away what it made. Raises OSError."""
    missing = [p for p in (folder, *folder.parents) if not os.path.lexists(p)]  # the deepest first
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    finally:
        for made in missing:
            with contextlib.suppress(OSError):  # another process has put something there, or it was never made
                made.rmdir()


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
        with naming(path), draft.open("w", encoding="utf-8") as file:
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
