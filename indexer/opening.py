"""One photo of a catalogue, from its file to pixels that can be cut out: read, compared with the index, decoded.

Light to import, and nothing in here needs the catalogue or the networks: it also runs in processes beside the one that
has them (``indexer.decoders``).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np

from amgan.errors import PhotoError
from amgan.photos import CutOut, DecodeLimits, read_mask
from amgan.photos.cutout import cut_out_several, working_photo
from amgan.photos.decode import Place
from amgan.photos.given import GivenMask
from amgan.photos.reduced import header_pixels, read_reduced

LARGE = 12_000_000  # pixels; of larger photos only one is decoded at a time


@dataclass(frozen=True)
class Wanted:
    """A photo to be opened.

    Attributes:
        photo, name: where it lies, and what the catalogue calls it.
        mask, mask_name: the same of its mask, where it has one.
        known, known_mask: SHA-256 of what the index holds, in hex; a photo with these sums needs no decoding.
        size: the side of a cut-out in pixels.
    """

    photo: Place
    name: str
    mask: Place | None
    mask_name: str | None
    known: str | None
    known_mask: str | None
    size: int
    limits: DecodeLimits = field(default_factory=DecodeLimits)


@dataclass(frozen=True)
class Opened:
    """What became of it: nothing but its sums where the index holds it; else the photo at its working size, of a photo
    of the shape (H, W), or, where it has a mask, its cut-out."""

    sha256: str
    mask_sha256: str | None
    photo: np.ndarray | None = None
    shape: tuple[int, int] = (0, 0)
    cutout: CutOut | None = None

    @property
    def unchanged(self) -> bool:
        return self.photo is None and self.cutout is None


def _any(pixels: int) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


def open_photo(
    wanted: Wanted,
    complaints: Callable[[], str] = lambda: "",
    room: Callable[[int], AbstractContextManager[None]] = _any,
) -> Opened:
    """Read, compare, decode, and cut out by the mask where there is one.

    Args:
        wanted: the photo.
        complaints: as `read_reduced` takes it.
        room: waited for while so many pixels are decoded.

    Raises:
        PhotoError: with the reason; those of the mask begin with ``mask-``.
    """
    limits, name = wanted.limits, wanted.name
    data = wanted.photo.read(limits, name)
    sha256, mask_data, mask_sha256 = hashlib.sha256(data).hexdigest(), b"", None
    mask_name = f"{name}: its mask {wanted.mask_name}"
    if wanted.mask is not None:
        with _of_mask():
            mask_data = wanted.mask.read(limits, mask_name)
        mask_sha256 = hashlib.sha256(mask_data).hexdigest()
    if wanted.known is not None and (wanted.known, wanted.known_mask) == (sha256, mask_sha256):
        return Opened(sha256, mask_sha256)
    with room(max(header_pixels(data), header_pixels(mask_data))):
        image, shape = read_reduced(data, 4 * wanted.size, limits, name, complaints)
        mask = None
        if wanted.mask is not None:
            with _of_mask():
                mask = read_mask(mask_data, limits, mask_name)
        try:
            photo = working_photo(image, wanted.size)
            if mask is None:
                return Opened(sha256, mask_sha256, photo, shape)
            (cut,) = cut_out_several([photo], [shape], wanted.size, GivenMask(mask, shape))
        except PhotoError as error:
            raise with_name(error, name) from None
    if isinstance(cut, PhotoError):
        raise with_name(cut, name)
    return Opened(sha256, mask_sha256, shape=shape, cutout=cut)


@contextlib.contextmanager
def _of_mask():
    try:
        yield
    except PhotoError as error:
        raise PhotoError(f"mask-{error.reason}", str(error)) from None


def with_name(error: PhotoError, name: str) -> PhotoError:
    """Cutting out speaks of "the photo", not knowing its name."""
    return PhotoError(error.reason, f"{name}: {error}")
