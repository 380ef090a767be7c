"""Photos decoded no larger than they are looked at: most of a large JPEG's pixels need never be made.

A JPEG's decoder can leave out a photo's finest detail and give it at a half, a quarter or an eighth of its size, in a
fraction of the time and the memory. All else is decoded by `read_image`, and so is whatever the fast decoder does not
like, so that both refuse the same files with the same words. The one thing more is what a decoder complains of and
decodes all the same: where the caller can hear that, such a photo is refused as damaged.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos.decode import FORMATS, DecodeLimits, checked, is_srgb, read_image, upright

_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_STRIP = 8  # a photo longer than so many times its width is decoded in full, as it may be too narrow to be used
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def read_reduced(
    data: bytes,
    side: int,
    limits: DecodeLimits,
    name: str,
    complaints: Callable[[], str] = lambda: "",
) -> tuple[Image.Image, tuple[int, int]]:
    """The picture in a file as upright RGB, its longer side at least ``side`` where the photo's is, and not much more.

    Args:
        data: the file.
        side: pixels.
        limits, name: as `read_image` takes them.
        complaints: what the decoder has written to standard error since it was last asked, which a process that does
            nothing else can hear.

    Returns:
        The picture, and height and width of the photo itself, upright.

    Raises:
        PhotoError: as `read_image`; and "corrupt" for a JPEG that its decoder complains of.
    """
    picture = checked(data, limits, name)
    if not _fast(picture):
        whole = read_image(data, limits, name)
        return whole, (whole.height, whole.width)
    complaints()
    factor = _factor(picture.size, side)
    pixels = _decoded(data, _REDUCED.get(factor, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION)
    complaint = complaints().strip()
    if pixels is None or complaint:
        whole = read_image(data, limits, name)  # which says what is wrong, if it sees it
        if complaint:
            said = complaint.splitlines()[0].strip().rstrip(".")
            raise PhotoError("corrupt", f"{name} is a damaged JPEG file; its decoder says: {said}.")
        return whole, (whole.height, whole.width)
    small = Image.fromarray(pixels)
    small.info = dict(picture.info)
    width, height = picture.size
    orientation = None
    with contextlib.suppress(Exception):  # broken metadata beside sound pixels, as `upright` has it
        orientation = picture.getexif().get(0x0112)
    return upright(small), (width, height) if orientation in _TURNED else (height, width)


def _fast(picture: Image.Image) -> bool:
    """Whether the fast decoder gives the same colours: a JPEG, grey or in colour, of no colour space but sRGB."""
    profile = picture.info.get("icc_profile")
    return picture.format in ("JPEG", "MPO") and picture.mode in ("RGB", "L") and (not profile or is_srgb(profile))


def _factor(size: tuple[int, int], side: int) -> int:
    if max(size) > _STRIP * min(size):
        return 1
    return next((f for f in (8, 4, 2) if max(size) >= f * side), 1)


def _decoded(data: bytes, flags: int) -> np.ndarray | None:
    """uint8 (h, w, 3), RGB; None where OpenCV does not decode it."""
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if found is None else cv2.cvtColor(found, cv2.COLOR_BGR2RGB, dst=found)


def header_pixels(data: bytes) -> int:
    """Width times height as the file's header states them, before anything is checked; 0 where it states nothing."""
    with contextlib.suppress(Exception), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return picture.width * picture.height
    return 0
