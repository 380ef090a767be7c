"""Files of a release as they lie on the user's disk: in a folder, or in a zip archive that stays packed."""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from amgan.errors import PhotoError, UserError
from amgan.files import refusal

LFS = b"version https://git-lfs"
SHORT = 200  # bytes; a Git LFS pointer is shorter
ODD_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError)  # damaged, odd compression, encrypted


class Source:
    """A folder or an archive of files by relative names with ``/``.

    Args:
        path: of the folder, or of a ``.zip``.
        contents: what should be in it, for messages.

    Raises:
        UserError: it is neither, or the archive is damaged.
    """

    def __init__(self, path: Path, contents: str) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            return
        if not path.is_file():
            raise UserError(f"{path} does not exist; give a folder or a zip archive with {contents}.")
        if is_pointer(path):
            raise pointer(str(path))
        try:
            self._zip = zipfile.ZipFile(path)
        except (*ODD_ZIP, OSError) as error:
            raise UserError(
                f"{path} is neither a folder nor a whole zip archive ({error}); give one with {contents}."
            ) from None

    def where(self, name: str) -> str:
        """What messages call a file in it."""
        return f"{self.path}, {name}" if self._zip else str(self.path / name)

    def path_of(self, name: str) -> Path:
        """The file on disk that holds it: itself, or the archive."""
        return self.path / name if self._zip is None else self.path

    def has(self, name: str) -> bool:
        """Whether a file of that name is there."""
        return (self.path / name).is_file() if self._zip is None else name in self._zip.NameToInfo

    def folder_of(self, name: str) -> str | None:
        """What stands before a name here: empty, or the one folder at the top that archives are often packed with,
        ``"Shopping100k/"``; None where it is in neither place."""
        if self.has(name):
            return ""
        if self._zip is None:
            tops: Iterable[str] = sorted(p.name for p in self.path.iterdir() if p.is_dir())
        else:
            tops = dict.fromkeys(n.split("/", 1)[0] for n in self._zip.NameToInfo if "/" in n)
        return next((f"{top}/" for top in tops if self.has(f"{top}/{name}")), None)

    def files_in(self, folder: str) -> list[str]:
        """The names, without the folder's, of the files directly in a folder, sorted."""
        if self._zip is None:
            here = self.path / folder
            return sorted(p.name for p in here.iterdir() if p.is_file()) if here.is_dir() else []
        start = f"{folder}/" if folder else ""
        names = (n[len(start) :] for n in self._zip.NameToInfo if n.startswith(start))
        return sorted(n for n in names if n and "/" not in n)

    def open(self, name: str) -> BinaryIO:
        """A file's bytes. Raises OSError, or UserError where the archive is damaged."""
        if self._zip is None:
            return (self.path / name).open("rb")
        try:
            return self._zip.open(name)  # type: ignore[return-value]  # readable in binary, which is all that is asked
        except KeyError:
            raise FileNotFoundError(name) from None
        except ODD_ZIP as error:
            raise UserError(f"{self.where(name)} cannot be unpacked: {error}.") from None

    def lines(self, name: str) -> Iterator[tuple[int, str]]:
        """The lines of a text file with their numbers from 1, without blanks around them; empty ones only in between.

        Raises:
            UserError: it is missing, not UTF-8, a Git LFS pointer, or has an empty line between others.
        """
        where, empty = self.where(name), 0
        try:
            with self.open(name) as file:
                for number, raw in enumerate(file, start=1):
                    if number == 1 and raw.startswith(LFS):
                        raise pointer(where)
                    text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                    if not text:
                        empty = empty or number
                        continue
                    if empty:
                        raise UserError(f"{where}, line {empty}: it is empty; the lines of this data set are paired.")
                    yield number, text
        except FileNotFoundError:
            raise UserError(f"{where} is missing; the data set has it.") from None
        except UnicodeDecodeError:
            raise UserError(f"{where} is not UTF-8 text.") from None
        except ODD_ZIP as error:
            raise UserError(f"{where} cannot be unpacked: {error}.") from None
        except OSError as error:
            raise refusal(error, where) from None

    def place(self, name: str, target: Path) -> None:
        """Put a picture file into the labelled folder as it is: as a second name of the same file where the disk
        allows that, else as a copy.

        Raises:
            PhotoError: "missing", or "unreadable".
            UserError: it is a Git LFS pointer; then all of them are.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.part")
        scratch.unlink(missing_ok=True)
        if self._zip is None:
            path = self.path / name
            if not path.is_file():
                raise PhotoError("missing", f"{path} does not exist.")
            if is_pointer(path):
                raise pointer(str(path))
            if target.exists() and target.samefile(path):  # placed before an interruption
                return
            with contextlib.suppress(OSError):  # another disk, or one without links
                os.link(os.path.realpath(path), scratch)
        try:
            if not scratch.exists():
                with self.open(name) as file, scratch.open("wb") as copy:
                    shutil.copyfileobj(file, copy)
        except FileNotFoundError:
            raise PhotoError("missing", f"{self.where(name)} does not exist.") from None
        except (*ODD_ZIP, PermissionError) as error:
            raise PhotoError("unreadable", f"{self.where(name)} cannot be read: {error}.") from None
        scratch.replace(target)


def is_pointer(path: Path) -> bool:
    """Whether a file is not itself but the note that Git LFS leaves in its place."""
    with path.open("rb") as file:
        return file.read(len(LFS)) == LFS and path.stat().st_size < SHORT


def pointer(where: str) -> UserError:
    """The sentence for such a file."""
    return UserError(
        f"{where} is a Git LFS pointer, not the file itself. Install git-lfs and run `git lfs pull` in the clone."
    )


def only_file(root: Path, name: str, folders: Iterable[str]) -> Path:
    """The file of that name in one of the places where releases have it.

    Raises:
        UserError: it is in none of them, or in several, or is a Git LFS pointer.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the one that holds {name}.")
    found = [path for folder in folders if (path := root / folder / name).is_file()]
    if not found:
        raise UserError(f"{name} is missing: it is in none of {', '.join(str(root / f) for f in folders)}.")
    if len(found) > 1 and len({os.path.realpath(p) for p in found}) > 1:
        raise UserError(f"{name} is there twice, as {found[0]} and {found[1]}; remove one.")
    if is_pointer(found[0]):
        raise pointer(str(found[0]))
    return found[0]
