"""The garment cut out of its photo: by a given mask, by a plain background, or by GrabCut, with how far to trust it.

A wrong cut makes every later step confidently wrong, so each cut-out carries a confidence and, in plain sentences, what
speaks against it. Below one half the user is asked for a better photo or a mask instead of being served.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos.framing import Framed, Placement, binary, frame, frame_at_source, place, resample, shrink
from amgan.photos.judging import judge
from amgan.photos.segment import WORKING_SIDE, background_mask, garment_mask

TRUST = 0.5
NARROWEST = 16  # pixels that must be left of the shorter side at working size


@dataclass(frozen=True)
class CutOut:
    """A garment on white, framed.

    Attributes:
        image: uint8 (size, size, 3), white outside the garment.
        mask: uint8 (size, size), 255 on the garment, else 0.
        placement: where the frame lies in the photo, in the photo's own pixels.
        confidence: 0 to 1; how far the cut can be trusted.
        method: "given", "white" or "grabcut".
        problems: sentences for the user on what speaks against the cut, the gravest first.
        source: the same view with the photo's own pixels, ``size`` to 2,048 a side; None unless asked for.
    """

    image: np.ndarray
    mask: np.ndarray
    placement: Placement
    confidence: float
    method: str
    problems: tuple[str, ...] = ()
    source: Framed | None = None

    @property
    def trusted(self) -> bool:
        """Whether to serve this cut without asking."""
        return self.confidence >= TRUST


def cut_out(
    image: Image.Image, mask: Image.Image | np.ndarray | None = None, size: int = 128, keep_source: bool = False
) -> CutOut:
    """Cut the garment out and frame it.

    A given mask is taken at its word; else a photo on a plain light background is separated by that background; else
    GrabCut guesses. Shots on white keep their pixels. The same photo gives the same result every time.

    Args:
        image: upright photo, as `read_image` returns it.
        mask: white on the garment, as a picture or uint8 (H, W); of any size, in the photo's proportions.
        size: side of the frame in pixels.
        keep_source: also keep the frame with the photo's own pixels, up to 17 MB, for edits at source size.

    Raises:
        PhotoError: "empty-mask", "full-mask" or "other-mask" for a mask that cannot be this photo's; "too-narrow" for
            a strip of a photo; "no-garment" where nothing was found.
    """
    photo = np.asarray(image.convert("RGB"))
    rgb = shrink(photo, 4 * size)  # more than the frame can show would only cost time
    small = shrink(rgb, WORKING_SIDE)
    if min(small.shape[:2]) < NARROWEST:
        raise PhotoError(
            "too-narrow", f"The photo is a strip of {image.width} x {image.height} pixels; no garment fits in it."
        )
    if mask is not None:
        method, outline = "given", _given(mask, photo.shape[:2])
        found = cv2.resize(outline, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    else:
        plain = background_mask(small)
        method, outline = ("white", plain) if plain is not None else ("grabcut", garment_mask(small))
        # Linear, then halved: the outline stays smooth where nearest would draw stairs.
        found = binary(cv2.resize(outline, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    seen = binary(shrink(found, WORKING_SIDE))
    if not seen.any():
        raise PhotoError("no-garment", "No garment was found in the photo; it should lie in the middle, all in view.")
    confidence, problems = judge(small, seen, method)
    untouched = method == "white" and _on_white(rgb, found)
    framed = _untouched(rgb, found, size) if untouched else frame(rgb, found, size)
    placement = _in_photo(framed.placement, photo, rgb)
    source = None
    if keep_source:
        source = Framed(framed.image, framed.mask, placement)
        if placement.scale > 1:  # else the photo has fewer pixels than the frame
            source = frame_at_source(photo, outline, placement, cut=not untouched)
    return CutOut(framed.image, framed.mask, placement, confidence, method, problems, source)


def _given(mask: Image.Image | np.ndarray, photo_shape: tuple[int, ...]) -> np.ndarray:
    """The caller's mask, at its own size, or why it cannot be a mask of the photo."""
    mask = binary(np.asarray(mask if isinstance(mask, np.ndarray) else mask.convert("L")))
    share = float(np.mean(mask > 0)) if mask.size else 0.0
    if share < 0.002:
        raise PhotoError("empty-mask", "The mask is empty; it should be white on the garment and black elsewhere.")
    if share > 0.995:
        raise PhotoError("full-mask", "The mask covers the whole photo; it should be black outside the garment.")
    height, width = mask.shape
    if abs(np.log(width * photo_shape[0] / (height * photo_shape[1]))) > 0.1:
        raise PhotoError(
            "other-mask",
            f"The mask is {width} x {height} pixels and the photo {photo_shape[1]} x {photo_shape[0]}; "
            "with other proportions it cannot be this photo's mask.",
        )
    return mask


def _on_white(rgb: np.ndarray, mask: np.ndarray) -> bool:
    """White all around but for a soft shadow, and nothing else in the picture."""
    outside = rgb[cv2.dilate(mask, np.ones((5, 5), np.uint8)) == 0].min(axis=1, initial=255)
    return bool(outside.size) and bool(np.median(outside) >= 250) and bool(np.mean(outside < 200) < 0.02)


def _untouched(rgb: np.ndarray, mask: np.ndarray, size: int) -> Framed:
    """A shot on white needs no cutting: only the frame is laid over it, and its own soft edges stay."""
    placement = place(mask, size)
    image = resample(rgb.astype(np.float32), placement, 255)
    alpha = resample(mask.astype(np.float32), placement, 0)
    return Framed(np.clip(image + 0.5, 0, 255).astype(np.uint8), binary(alpha), placement)


def _in_photo(placement: Placement, photo: np.ndarray, rgb: np.ndarray) -> Placement:
    """From the working photo's pixels to the photo's own."""
    ratio = max(photo.shape[:2]) / max(rgb.shape[:2])
    x, y = placement.offset
    return Placement(placement.scale * ratio, (x * ratio, y * ratio), placement.size)
