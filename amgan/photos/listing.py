"""The picture files of a folder, in an order that does not depend on the machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from amgan.errors import PhotoError
from amgan.photos.decode import display_name

# HEIC is listed although it cannot be read: a phone's photos should be reported as refused, not overlooked.
_PHOTOS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".heic", ".heif")
SUFFIXES = frozenset((*_PHOTOS, ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"))


@dataclass
class Listing:
    """What is below a folder, in sorted order; all paths begin with the folder as it was given.

    Attributes:
        photos: every entry that bears a picture's suffix.
        closed: folders that could not be listed, with the system's reason. What lies in them is unknown, not gone.
        dead_links: links to what does not exist now: photos that were deleted, or a disk that is not mounted.
    """

    photos: list[Path] = field(default_factory=list)
    closed: dict[Path, str] = field(default_factory=dict)
    dead_links: list[Path] = field(default_factory=list)


def list_photos(folder: str | os.PathLike[str]) -> list[Path]:
    """Every entry below a folder that bears a picture's suffix, and every folder that could not be listed, sorted.

    `read_image` says of each of them what is wrong with it; see `list_folder`, which also raises alike.
    """
    listing = list_folder(folder)
    return _sorted([*listing.photos, *listing.closed], Path(folder))


def list_folder(folder: str | os.PathLike[str]) -> Listing:
    """Everything below a folder that may be a photo.

    Nothing is opened, so the list also holds what `read_image` will refuse: damaged files, dead links and folders named
    like pictures. An indexer gets each of them reported by trying it. Left out are hidden files and folders (a leading
    dot) and the ``__MACOSX`` folder of unpacked archives. A link to a folder is followed when it leads outside, once;
    inside, its pictures are listed where they are.

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
    found = Listing()
    _walk(top, real_top, {real_top}, found)
    if top in found.closed:
        raise PhotoError("unreadable", f"The folder {name} cannot be read: {found.closed[top]}.")
    photos = [path for path in found.photos if path not in found.closed]
    closed = {path: found.closed[path] for path in _sorted(found.closed, top)}
    return Listing(_sorted(photos, top), closed, _sorted(found.dead_links, top))


def _sorted(paths: Iterable[Path], top: Path) -> list[Path]:
    return sorted(paths, key=lambda path: os.fsencode(path.relative_to(top).as_posix()))


def _walk(top: Path, real_top: str, entered: set[str], found: Listing) -> None:
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                children = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            found.closed[folder] = error.strerror or str(error)
            continue
        below: list[Path] = []
        for entry in children:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            path = folder / entry.name
            if path.suffix.lower() in SUFFIXES:
                found.photos.append(path)
            if _is_folder(entry, path, found) and _may_enter(entry, real_top, entered):
                below.append(path)
        pending.extend(reversed(below))


def _is_folder(entry: os.DirEntry[str], path: Path, found: Listing) -> bool:
    """Whether to look into an entry; what cannot be said is noted in `found`."""
    try:
        if entry.is_dir():
            return True
        if entry.is_symlink() and not os.path.exists(path):
            found.dead_links.append(path)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            found.dead_links.append(path)
        elif path.suffix.lower() not in SUFFIXES:  # the way to where a link leads is closed
            found.closed[path] = error.strerror or str(error)
    return False


def _may_enter(entry: os.DirEntry[str], real_top: str, entered: set[str]) -> bool:
    target = os.path.realpath(entry.path)
    inside = (target + os.sep).startswith(real_top.rstrip(os.sep) + os.sep)
    above = real_top.startswith(target.rstrip(os.sep) + os.sep)
    if target in entered or (entry.is_symlink() and (inside or above)):
        return False
    entered.add(target)
    return True
