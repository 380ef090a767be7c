"""SHA-256 sums of a folder's files, remembered by size and times: a hundred thousand photos are read once."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from amgan.cache import Cache, Entry, content_key
from amgan.photos.decode import DecodeLimits, display_name, read_file

SETTLED = 2e9  # nanoseconds; a file may change again within one tick of its times


class Digests:
    """Of the files below one folder.

    Args:
        root: the folder.
        cache: where they are remembered; by default the user's.
    """

    def __init__(self, root: Path, cache: Cache | None = None) -> None:
        self.root = root
        self._cache = cache or Cache.at_home("digests")
        self._key = content_key(os.path.abspath(root))
        entry = self._cache.read(self._key)
        self._known: dict[str, list] = dict(entry.note) if entry else {}
        self._changed = False

    def of(self, name: str) -> str:
        """In hex, of the file of that name, relative to the folder.

        Raises:
            PhotoError: it cannot be read, or is too large for a picture; see ``amgan.photos.decode``.
        """
        path = self.root / name
        try:
            status = path.stat()
            state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        except (OSError, ValueError):
            state = None  # reading it will say what is wrong
        known = self._known.get(name)
        if state is not None and known is not None and known[:3] == state:
            return known[3]
        digest = hashlib.sha256(read_file(path, DecodeLimits(), display_name(path))).hexdigest()
        if state is not None and time.time_ns() - max(state[1:]) > SETTLED:
            self._known[name] = [*state, digest]
            self._changed = True
        return digest

    def save(self) -> None:
        """Remember them for the next start."""
        if self._changed:
            self._cache.write(self._key, Entry({}, self._known))
            self._changed = False
