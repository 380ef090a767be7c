"""The photos of a catalogue, by what its index says of a garment: files of a folder, or members of its WebDataset
shards, which are read where they lie."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from pathlib import Path, PurePosixPath

from amgan.data.names import relative_name
from amgan.data.shards import samples
from amgan.errors import PhotoError, UserError
from amgan.photos.decode import Place
from retrieval.stores.base import Payload

_SHARDS_AT_HAND = 64  # whose members are remembered, some 100 bytes for each


class CataloguePhotos:
    """Photos and masks of a catalogue in ``root``. An index may come from anyone: nothing outside is ever named."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def photo(self, payload: Payload) -> Place:
        """Where a garment's photo lies; whether it is still there shows when it is read.

        Raises:
            UserError: the index names a file outside the catalogue, or a shard that is gone or has no such member.
        """
        return self._find(payload.get("file_name"))[0]

    def mask(self, payload: Payload) -> Place | None:
        """Where its mask lies, if it has one. Raises UserError, as ``photo``."""
        photo, beside = self._find(payload.get("file_name"))
        if photo.length is None and payload.get("mask_file_name"):
            return self._find(payload["mask_file_name"])[0]
        return beside

    def _find(self, said: object) -> tuple[Place, Place | None]:
        """The file of that name; in a shard also the mask beside it."""
        try:
            name = relative_name(str(said or ""))
        except PhotoError as error:
            raise UserError(f"The index names a photo that is none of the catalogue's: {error}") from None
        shard, _, member = name.partition("/")
        archive = self.root / shard
        if not member or PurePosixPath(shard).suffix != ".tar" or not archive.is_file():
            return Place(self.root / name), None
        status = archive.stat()
        found = _members(archive, status.st_mtime_ns, status.st_size).get(name)
        if found is None:
            raise UserError(f"{archive} has no {member} any more; index the catalogue again.")
        return found


@lru_cache(_SHARDS_AT_HAND)
def _members(shard: Path, changed: int, size: int) -> dict[str, tuple[Place, Place | None]]:
    """Photos and masks by the names that an index gives them, of a shard as it was then: the first of doubles, too.
    Raises UserError."""
    found: dict[str, tuple[Place, Place | None]] = {}
    for sample in samples(shard):
        if sample.photo is not None:
            with contextlib.suppress(PhotoError):  # a name that no index holds
                found.setdefault(relative_name(sample.name), (sample.photo, sample.mask))
    return found
