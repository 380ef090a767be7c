"""Cut-outs of a data set's photos, kept on disk: a photo is cut out once, not at every start of every process.

A cut-out is known by the contents of photo and mask, the size, and the version of everything that cuts and frames; one
that may not be used is kept as well, with the reason. Decoding is not: what cannot be decoded fails fast.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from amgan.cache import Cache, Entry, content_key
from amgan.data.digests import Digests
from amgan.data.imagefolder import ImageFolder, Record
from amgan.data.truths import TruthRecord
from amgan.errors import PhotoError
from amgan.photos import (
    PREPARATION,
    Framed,
    Placement,
    Segmenter,
    cut_out,
    frame_at,
    load_segmenter,
    read_image,
    read_mask,
)
from amgan.photos.decode import DecodeLimits, display_name, read_file


class CutOuts:
    """Of one folder's photos at one size; its methods may be called from several threads.

    Args:
        folder: holds the photos.
        size: side of the frame in pixels.
        cache: where cut-outs are kept; by default the user's.
        segmenter: cuts out photos without a mask; the classical one by default.

    Attributes:
        reused, made: how many came from the cache, and how many did not.
    """

    def __init__(
        self, folder: ImageFolder, size: int, cache: Cache | None = None, segmenter: Segmenter | None = None
    ) -> None:
        self.root, self.size = folder.root, size
        self.cache = cache or Cache.at_home("cutouts")
        self.digests = Digests(folder.root)
        self.segmenter = segmenter or load_segmenter()
        self.reused = self.made = 0
        self._lock = Lock()

    def garment(self, record: Record) -> Framed:
        """A garment, cut out by its mask where it has one.

        Raises:
            PhotoError: a file cannot be used, or the cut cannot be trusted.
        """
        entry = self._entry(record.file_name, record.mask_file_name, None)
        note = entry.note
        if "refused" in note:
            raise PhotoError(note["refused"], note["message"])
        if not note["trusted"] and record.mask_file_name is None:
            sentence = f"the garment could not be cut out with confidence ({' '.join(note['problems'])})"
            raise PhotoError("cut-out-uncertain", f"{record.file_name}: {sentence}")
        return _framed(entry)

    def framed_alike(self, truth: TruthRecord, placement: Placement) -> Framed:
        """A true edit in the frame of the garment that it is an edit of: they lie pixel upon pixel.

        Raises:
            PhotoError: a file cannot be used.
        """
        return _framed(self._entry(truth.file_name, truth.mask_file_name, placement))

    def _entry(self, photo: str, mask: str | None, placement: Placement | None) -> Entry:
        """From the cache or made. With a placement, framed there; else where the garment lies."""
        names = [photo] if mask is None else [photo, mask]
        key = self._key([self.digests.of(name) for name in names], placement)
        entry = self.cache.read(key)
        with self._lock:
            if entry is None:
                self.made += 1
            else:
                self.reused += 1
        if entry is None:
            paths = [self.root / name for name in names]
            files = [read_file(path, DecodeLimits(), display_name(path)) for path in paths]
            entry = self._made(files, paths, placement)
            # By the bytes that were decoded, should a file have changed since its digest was taken.
            self.cache.write(self._key([hashlib.sha256(data).hexdigest() for data in files], placement), entry)
        return entry

    def _made(self, files: list[bytes], paths: list[Path], placement: Placement | None) -> Entry:
        image = read_image(files[0], name=display_name(paths[0]))
        mask = read_mask(files[1], name=display_name(paths[1])) if len(files) > 1 else None
        if placement is not None and mask is not None:
            return _stored(frame_at(np.asarray(image), mask, placement), {})
        try:
            cut = cut_out(image, mask, self.size, segmenter=self.segmenter)
        except PhotoError as error:
            return Entry({}, {"refused": error.reason, "message": str(error)})
        return _stored(Framed(cut.image, cut.mask, cut.placement), {"trusted": cut.trusted, "problems": cut.problems})

    def _key(self, digests: list[str], placement: Placement | None) -> str:
        where = [] if placement is None else [placement.scale, *placement.offset, placement.size]
        return content_key(self.segmenter.identity, PREPARATION, self.size, len(digests), *digests, *where)


def _stored(framed: Framed, note: dict) -> Entry:
    place = framed.placement
    return Entry(
        {"image": torch.from_numpy(framed.image), "mask": torch.from_numpy(framed.mask)},
        {"scale": place.scale, "offset": place.offset, "size": place.size, **note},
    )


def _framed(entry: Entry) -> Framed:
    x, y = entry.note["offset"]
    placement = Placement(entry.note["scale"], (x, y), entry.note["size"])
    return Framed(entry.tensors["image"].numpy(), entry.tensors["mask"].numpy(), placement)
