"""The garment cut out of its photo and framed, with how far to trust it.

A wrong cut makes every later step confidently wrong, so each cut-out carries a confidence and, in plain sentences, what
speaks against it. Below what its segmenter is trusted from, the user is asked for a better photo or a mask instead of
being served.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos.framing import FRAMING, Framed, Placement, binary, frame, frame_at_source, place, resample, shrink
from amgan.photos.given import GivenMask
from amgan.photos.registry import CLASSICAL
from amgan.photos.segmenter import TRUST, WHITE, WORKING_SIDE, Segmentation, Segmenter, fitted, segment_several

# What a cut-out depends on besides photo, mask, size and segmenter; indexes and caches compare it.
PREPARATION = f"garment on white by its {GivenMask.identity} where it has one, {FRAMING}"
NARROWEST = 16  # pixels that must be left of the shorter side at working size


@dataclass(frozen=True)
class CutOut:
    """A garment on white, framed.

    Attributes:
        image: uint8 (size, size, 3), white outside the garment.
        mask: uint8 (size, size), 255 on the garment, else 0.
        placement: where the frame lies in the photo, in the photo's own pixels.
        confidence: 0 to 1; how far the cut can be trusted.
        method: "given", "white", "grabcut", or another segmenter's name; see `Segmentation`.
        problems: sentences for the user on what speaks against the cut, the gravest first.
        trust: confidence from which the cut is served without asking; see `Segmentation`.
        source: the same frame with the photo's own pixels, ``size`` to 2,048 a side; None unless asked for.
    """

    image: np.ndarray
    mask: np.ndarray
    placement: Placement
    confidence: float
    method: str
    problems: tuple[str, ...] = ()
    source: Framed | None = None
    trust: float = TRUST

    @property
    def trusted(self) -> bool:
        """Whether to serve this cut without asking."""
        return self.confidence >= self.trust


def cut_out(
    image: Image.Image,
    mask: Image.Image | np.ndarray | None = None,
    size: int = 128,
    keep_source: bool = False,
    segmenter: Segmenter | None = None,
) -> CutOut:
    """Cut the garment out and frame it.

    A given mask is taken at its word; else the segmenter finds the garment. Shots on white keep their pixels. The same
    photo gives the same result every time.

    Args:
        image: upright photo, as `read_image` returns it.
        mask: white on the garment, as a picture or uint8 (H, W); of any size, in the photo's proportions.
        size: side of the frame in pixels.
        keep_source: also keep the frame with the photo's own pixels, up to 17 MB, for edits at source size.
        segmenter: finds the garment where no mask is given; by default a plain light background is taken away, else
            GrabCut guesses.

    Raises:
        PhotoError: "empty-mask", "full-mask" or "other-mask" for a mask that cannot be this photo's; "too-narrow" for
            a strip of a photo; "no-garment" where nothing was found.
    """
    photo = np.asarray(image.convert("RGB"))
    rgb = working_photo(image, size)
    if mask is not None:
        segmenter = GivenMask(mask, (image.height, image.width))
    found = (segmenter or CLASSICAL).segment(rgb)
    cut, keeps_edges = _cut(rgb, found, photo.shape, size)
    if not keep_source:
        return cut
    source = Framed(cut.image, cut.mask, cut.placement)
    if cut.placement.scale > 1:  # else the photo has fewer pixels than the frame
        source = frame_at_source(photo, found.mask, cut.placement, cut=not keeps_edges)
    return replace(cut, source=source)


def working_photo(image: Image.Image, size: int) -> np.ndarray:
    """What is segmented of a photo, uint8 (H, W, 3): more than the frame can show would only cost time.

    Raises:
        PhotoError: "too-narrow".
    """
    rgb = shrink(np.asarray(image.convert("RGB")), 4 * size)
    if min(shrink(rgb, WORKING_SIDE).shape[:2]) < NARROWEST:
        raise PhotoError(
            "too-narrow", f"The photo is a strip of {image.width} x {image.height} pixels; no garment fits in it."
        )
    return rgb


def cut_out_several(
    photos: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]], size: int, segmenter: Segmenter
) -> list[CutOut | PhotoError]:
    """``cut_out`` of several photos without masks at once, which is faster where the segmenter can see several.

    Args:
        photos: of ``working_photo``.
        shapes: (H, W) of the photos themselves.
    """
    return [
        found if isinstance(found, PhotoError) else _cut(photo, found, shape, size)[0]
        for photo, found, shape in zip(photos, segment_several(segmenter, photos), shapes, strict=True)
    ]


def _cut(rgb: np.ndarray, found: Segmentation, shape: tuple[int, ...], size: int) -> tuple[CutOut, bool]:
    """The cut-out of a working photo, with its place in the photo of that shape; and whether it kept its own edges."""
    outline = fitted(found.mask, rgb.shape[:2], found.method)
    keeps_edges = found.method == WHITE and _on_white(rgb, outline)
    framed = _uncut(rgb, outline, size) if keeps_edges else frame(rgb, outline, size)
    placement = _in_photo(framed.placement, shape, rgb)
    cut = CutOut(
        framed.image, framed.mask, placement, found.confidence, found.method, found.problems, trust=found.trust
    )
    return cut, keeps_edges


def _on_white(rgb: np.ndarray, mask: np.ndarray) -> bool:
    """Whether all that is not garment is white but for a soft shadow."""
    outside = 255 - cv2.dilate(mask, np.ones((5, 5), np.uint8))
    darkest = cv2.min(cv2.min(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    counts = cv2.calcHist([darkest], [0], outside, [256], [0, 256]).ravel()
    pixels = counts.sum()
    return bool(pixels and counts[250:].sum() >= pixels / 2 and counts[:200].sum() < 0.02 * pixels)


def _uncut(rgb: np.ndarray, mask: np.ndarray, size: int) -> Framed:
    """A shot on white needs no cutting: only the frame is laid over it, and its own soft edges stay."""
    placement = place(mask, size)
    image = resample(rgb.astype(np.float32), placement, 255)
    alpha = resample(mask.astype(np.float32), placement, 0)
    return Framed(np.clip(image + 0.5, 0, 255).astype(np.uint8), binary(alpha), placement)


def _in_photo(placement: Placement, shape: tuple[int, ...], rgb: np.ndarray) -> Placement:
    """From the working photo's pixels to those of the photo of that shape."""
    ratio = max(shape[:2]) / max(rgb.shape[:2])
    x, y = placement.offset
    return Placement(placement.scale * ratio, (x * ratio, y * ratio), placement.size)
