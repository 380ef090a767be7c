"""The picture files of a folder, in an order that does not depend on the machine."""

from __future__ import annotations

import os
from pathlib import Path

from amgan.errors import PhotoError
from amgan.photos.decode import display_name

# HEIC is listed although it cannot be read: a phone's photos should be reported as refused, not overlooked.
_PHOTOS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".heic", ".heif")
SUFFIXES = frozenset((*_PHOTOS, ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"))


def list_photos(folder: str | os.PathLike[str]) -> list[Path]:
    """Every entry below a folder that bears a picture's suffix, sorted by its relative path.

    Nothing is opened, so the list also holds what `read_image` will refuse: damaged files, dead links, folders named
    like pictures, and folders that may not be read. An indexer gets each of them reported by trying it. Left out are
    hidden files and folders (a leading dot) and the ``__MACOSX`` folder of unpacked archives. A link to a folder is
    followed when it leads outside, once; inside, its pictures are listed where they are.

    Returns:
        paths that begin with `folder` as it was given.

    Raises:
        PhotoError: "missing", "not-a-directory" or "unreadable", for the folder itself.
    """
    top = Path(folder)
    name = display_name(top)
    try:
        if not top.is_dir():
            if top.exists():
                raise PhotoError("not-a-directory", f"{name} is a file; a folder of pictures is needed.")
            raise PhotoError("missing", f"The folder {name} does not exist.")
        real_top = os.path.realpath(top)
        with os.scandir(top):
            pass
    except PermissionError as error:
        raise PhotoError("unreadable", f"The folder {name} cannot be read: permission denied.") from error
    except (OSError, ValueError) as error:
        raise PhotoError("missing", f"The folder {name} cannot be opened: {error}.") from error
    found: list[Path] = []
    _walk(top, real_top, {real_top}, found)
    return sorted(found, key=lambda path: os.fsencode(path.relative_to(top).as_posix()))


def _walk(top: Path, real_top: str, entered: set[str], found: list[Path]) -> None:
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                children = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError:
            found.append(folder)
            continue
        below: list[Path] = []
        for entry in children:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            path = folder / entry.name
            if path.suffix.lower() in SUFFIXES:
                found.append(path)
            if _is_folder(entry) and _may_enter(entry, real_top, entered):
                below.append(path)
        pending.extend(reversed(below))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _may_enter(entry: os.DirEntry[str], real_top: str, entered: set[str]) -> bool:
    target = os.path.realpath(entry.path)
    inside = (target + os.sep).startswith(real_top.rstrip(os.sep) + os.sep)
    above = real_top.startswith(target.rstrip(os.sep) + os.sep)
    if target in entered or (entry.is_symlink() and (inside or above)):
        return False
    entered.add(target)
    return True
