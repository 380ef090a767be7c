"""A few photos of a catalogue, from their files to garments on white; this much runs in several threads at once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from amgan.errors import PhotoError
from amgan.photos import CutOut, DecodeLimits, Segmenter, cut_out, read_image, read_mask
from amgan.photos.cutout import cut_out_several, working_photo
from amgan.photos.decode import read_file
from amgan.photos.registry import CLASSICAL
from indexer.catalogue import Item
from indexer.refusals import Refusal
from retrieval.stores.base import Payload

# What of a stored payload says whether an item must be embedded again, or only told anew.
COMPARED = ("sha256", "mask_sha256", "cutout", "mask_file_name", "given", "details")


@dataclass(frozen=True)
class Prepared:
    """A garment ready to embed; hashes are SHA-256 of the files' bytes, in hex."""

    item: Item
    sha256: str
    mask_sha256: str | None
    cutout: CutOut


@dataclass(frozen=True)
class Unchanged:
    """The index holds this very photo and mask already; ``changes`` is what of its payload is said otherwise now."""

    item: Item
    changes: Payload = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """``size``: the side of a cut-out in pixels. ``keep_uncertain``: index what may be cut out wrongly. ``segmenter``:
    the encoder's own."""

    size: int
    keep_uncertain: bool = False
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    segmenter: Segmenter | None = None


@dataclass(frozen=True)
class _Read:
    """A photo to be cut out, at its working size, of the shape (H, W); or cut out already, by its mask."""

    item: Item
    sha256: str
    mask_sha256: str | None
    photo: np.ndarray
    shape: tuple[int, ...]
    cutout: CutOut | None


Outcome = Prepared | Unchanged | Refusal


def prepare_several(
    entries: Sequence[tuple[Item, Payload | None]], settings: Settings
) -> tuple[list[Outcome], dict[str, float]]:
    """Read, compare and decode, then cut out together; never raises. Also returns the seconds by stage."""
    start = time.perf_counter()
    read = [_read(item, known, settings) for item, known in entries]
    between = time.perf_counter()
    cuts = iter(_cut_out_together([r for r in read if isinstance(r, _Read) and r.cutout is None], settings))
    outcomes: list[Outcome] = [
        _decided(r, r.cutout or next(cuts), settings) if isinstance(r, _Read) else r for r in read
    ]
    return outcomes, {"reading": between - start, "cutting out": time.perf_counter() - between}


def _refusal(item: Item, error: Exception) -> Refusal:
    if isinstance(error, PhotoError):
        return Refusal(item.file_name, error.reason, str(error))
    # One odd photo in a million must not end the run.
    sentence = f"{item.file_name} could not be prepared ({type(error).__name__}: {error})."
    return Refusal(item.file_name, "error", sentence)


def _cut_out_together(read: Sequence[_Read], settings: Settings) -> Sequence[CutOut | Exception]:
    segmenter = settings.segmenter or CLASSICAL
    try:
        return cut_out_several([r.photo for r in read], [r.shape for r in read], settings.size, segmenter)
    except Exception as error:  # of one photo, but which?
        if len(read) == 1:
            return [error]
        return [cut for r in read for cut in _cut_out_together([r], settings)]


def _read(item: Item, known: Payload | None, settings: Settings) -> _Read | Unchanged | Refusal:
    try:
        return _opened(item, known, settings)
    except Exception as error:
        return _refusal(item, error)


def _opened(item: Item, known: Payload | None, settings: Settings) -> _Read | Unchanged:
    limits, name = settings.limits, item.file_name
    data = read_file(item.file, limits, name)
    sha256, mask_data, mask_sha256 = hashlib.sha256(data).hexdigest(), None, None
    if item.mask_file is not None:
        try:
            mask_data = read_file(item.mask_file, limits, f"{name}: its mask {item.mask_file_name}")
        except PhotoError as error:
            raise PhotoError(f"mask-{error.reason}", str(error)) from None
        mask_sha256 = hashlib.sha256(mask_data).hexdigest()
    if known is not None and _is_current(known, sha256, mask_sha256, settings.keep_uncertain):
        return Unchanged(item, {k: v for k, v in said_of(item).items() if (known.get(k) or None) != (v or None)})
    image, mask = read_image(data, limits, name), None
    if mask_data is not None:
        try:
            mask = read_mask(mask_data, limits, f"{name}: its mask {item.mask_file_name}")
        except PhotoError as error:
            raise PhotoError(f"mask-{error.reason}", str(error)) from None
    try:
        photo = working_photo(image, settings.size)
        cutout = None if mask is None else cut_out(image, mask, settings.size)
    except PhotoError as error:
        raise _with_name(error, name) from None
    return _Read(item, sha256, mask_sha256, photo, (image.height, image.width), cutout)


def _with_name(error: PhotoError, name: str) -> PhotoError:
    """Cutting out speaks of "the photo", not knowing its name."""
    return PhotoError(error.reason, f"{name}: {error}")


def _decided(read: _Read, cutout: CutOut | Exception, settings: Settings) -> Prepared | Refusal:
    name = read.item.file_name
    if isinstance(cutout, PhotoError):
        return _refusal(read.item, _with_name(cutout, name))
    if isinstance(cutout, Exception):
        return _refusal(read.item, cutout)
    if read.cutout is None and not cutout.trusted and not settings.keep_uncertain:
        # A wrong cut would be served as a wrong garment; whoever wants it can say so.
        sentence = (
            f"{name}: it is not certain that the garment was cut out correctly. {' '.join(cutout.problems)} "
            "Name a mask in the metadata (mask_file_name), or index it all the same with --keep-uncertain."
        )
        return Refusal(name, "cut-out-uncertain", sentence)
    return Prepared(read.item, read.sha256, read.mask_sha256, cutout)


def said_of(item: Item) -> Payload:
    """What a payload holds of the catalogue's own words, which may change without the picture."""
    return {"mask_file_name": item.mask_file_name, "given": item.given, "details": item.details}


def _is_current(known: Payload, sha256: str, mask_sha256: str | None, keep_uncertain: bool) -> bool:
    cutout = known.get("cutout") or {}
    accepted = keep_uncertain or cutout.get("trusted") or cutout.get("method") == "given"
    same = (known.get("sha256"), known.get("mask_sha256")) == (sha256, mask_sha256)
    return bool(same and accepted)
