"""Uploaded photos, kept on the server for a day under the hash of their contents, so that an address can name one.

Nobody can list them, and no page serves the files: who knows a photo's hash has had the photo, or a link to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from amgan.errors import UserError
from amgan.photos import read_image, read_mask

VARIABLE = "AMGAN_UPLOADS"  # a folder
HOURS = 24
SWEPT_EVERY = 600.0  # seconds
MOST_BYTES = 2 * 2**30  # of all copies together; the oldest go first


@dataclass(frozen=True)
class Upload:
    """A kept photo and, where one came with it, its mask: the files' bytes."""

    photo: bytes
    mask: bytes | None = None

    @property
    def sha256(self) -> str:
        """Of the photo, as an index has it."""
        return hashlib.sha256(self.photo).hexdigest()


def uploads_folder() -> Path:
    """Where the copies lie: ``AMGAN_UPLOADS``, else a folder of this user's among the system's temporary files."""
    given = os.environ.get(VARIABLE)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(given) if given else Path(tempfile.gettempdir()) / f"amgan-uploads-{user}"


def keep(photo: bytes, mask: bytes | None = None, name: str | None = None) -> str:
    """Keep a copy of what can be decoded; returns what names it. Sweeps what has expired.

    Args:
        name: what messages call the photo.

    Raises:
        PhotoError: the photo, or the mask, cannot be decoded within the limits.
        UserError: the copy cannot be written.
    """
    read_image(photo, name=name)
    if mask is not None:
        read_mask(mask)
    key = hashlib.sha256(photo + (hashlib.sha256(mask).digest() if mask is not None else b"")).hexdigest()
    folder = uploads_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            raise UserError(f"{folder} belongs to another user; set {VARIABLE} to a folder of your own.")
        sweep()
        if mask is not None:
            _write(folder / f"{key}.mask", mask)
        _write(folder / f"{key}.photo", photo)
    except OSError as error:
        raise UserError(f"The photo could not be kept in {folder}: {error.strerror}.") from error
    return key


def find(key: str) -> Upload | None:
    """The copy of that name, None when there is none or it has expired."""
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        return None
    file = uploads_folder() / f"{key}.photo"
    try:
        if _expired(file):
            return None
        mask = file.with_suffix(".mask")
        return Upload(file.read_bytes(), mask.read_bytes() if mask.exists() else None)
    except OSError:
        return None


def delete(key: str) -> None:
    """Delete that copy and all others of its photo, which is kept once more with each mask that came for it."""
    upload = find(key)
    if upload is None:
        return
    with contextlib.suppress(OSError):
        for file in uploads_folder().glob("*.photo"):
            with contextlib.suppress(OSError):
                if file.stat().st_size == len(upload.photo) and file.read_bytes() == upload.photo:
                    file.unlink()
                    file.with_suffix(".mask").unlink(missing_ok=True)


@cache
def keep_swept() -> None:
    """Sweep now, and every few minutes for as long as this process lives, whether or not somebody uploads."""
    threading.Thread(target=_sweep_on, name="sweeper", daemon=True).start()


def _sweep_on() -> None:
    while True:
        sweep()
        time.sleep(SWEPT_EVERY)


def sweep() -> None:
    """Delete the copies that have expired and, where all take too much room, the oldest."""
    aged: list[tuple[float, int, Path]] = []
    with contextlib.suppress(OSError):
        for file in uploads_folder().iterdir():
            if file.suffix in (".photo", ".mask", ".draft"):
                with contextlib.suppress(OSError):  # another process sweeps too
                    status = file.stat()
                    aged.append((status.st_mtime, status.st_size, file))
    room = MOST_BYTES
    for kept_at, size, file in sorted(aged, reverse=True):
        room -= size
        if room < 0 or kept_at < time.time() - 3600 * HOURS:
            with contextlib.suppress(OSError):
                file.unlink()


def _expired(file: Path) -> bool:
    return file.stat().st_mtime < time.time() - 3600 * HOURS


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; the clock of its expiry starts."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".draft", delete=False) as draft:
        try:
            draft.write(data)
            draft.flush()
            os.replace(draft.name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(draft.name)
            raise
