"""How a cut-out garment is put into the square frame that every network sees.

Scale by the larger side would make a long-sleeved shirt smaller than a T-shirt: scale would give the sleeve away, and
an edit would have to resize the whole garment. So the scale comes from the garment's height, collar to hem, and the
torso is anchored: the same place for every garment, with white on all sides where sleeves can grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amgan.errors import PhotoError

BODY_HEIGHT = 0.66  # collar to hem, as a share of the frame
BODY_TOP = 0.15  # where the collar sits, likewise
MARGIN = 0.02  # white that is kept at the sides


@dataclass(frozen=True)
class Placement:
    """Where the frame lies in the source: ``source = frame * scale + offset``, in pixels (x, y).

    Attributes:
        scale: source pixels for one pixel of the frame.
        offset: source position (x, y) of the frame's upper left corner; negative when the frame reaches beyond the
            photo.
        size: side of the square frame in pixels.
    """

    scale: float
    offset: tuple[float, float]
    size: int

    def matrix(self) -> np.ndarray:
        """Affine ``float64 (2, 3)`` from frame to source pixel coordinates (pixel centres at half)."""
        shift = (self.scale - 1) / 2  # OpenCV counts from pixel centres
        return np.array([[self.scale, 0, self.offset[0] + shift], [0, self.scale, self.offset[1] + shift]])


@dataclass(frozen=True)
class Framed:
    """A garment on white: ``image`` uint8 (size, size, 3), ``mask`` uint8 (size, size) of 0 and 255, and its
    placement."""

    image: np.ndarray
    mask: np.ndarray
    placement: Placement


def place(mask: np.ndarray, size: int) -> Placement:
    """The frame for a garment mask ``uint8 (H, W)``. Raises PhotoError when the mask is empty.

    The body's axis is the median column of the garment's lower half, its height the extent of the columns around that
    axis: sleeves that hang lower than the hem, or lie higher than the collar, do not count.
    """
    rows, columns = np.nonzero(mask > 127)
    if rows.size == 0:
        raise PhotoError("empty-mask", "The garment's mask is empty; nothing is left to cut out.")
    axis = float(np.median(columns[rows >= np.median(rows)])) + 0.5
    width = columns.max() - columns.min() + 1
    central = np.abs(columns + 0.5 - axis) <= max(1.0, 0.12 * width)
    body = rows[central] if central.any() else rows
    # A stray row must not set the scale.
    top, bottom = np.quantile(body, 0.005), np.quantile(body, 0.995) + 1
    scale = max((bottom - top) / (BODY_HEIGHT * size), 1e-3)
    # Garments wider or taller than the frame are shrunk until they fit: a cut sleeve is worse than a smaller shirt.
    half = (0.5 - MARGIN) * size
    reach = max(axis - columns.min(), columns.max() + 1 - axis) / half
    rise = (top - rows.min()) / ((BODY_TOP - MARGIN) * size)
    drop = (rows.max() + 1 - top) / ((1 - BODY_TOP - MARGIN) * size)
    scale = float(max(scale, reach, rise, drop))
    return Placement(scale, (axis - scale * size / 2, float(top) - scale * BODY_TOP * size), size)


def frame(rgb: np.ndarray, mask: np.ndarray, size: int = 128) -> Framed:
    """Cut a garment out onto white and put it into a square frame.

    Args:
        rgb: photo, uint8 (H, W, 3).
        mask: garment mask, uint8 (H, W), 0 or 255.
        size: side of the frame in pixels.
    """
    placement = place(mask, size)
    # Composite before resampling, with a soft edge half a frame pixel wide, so that no background bleeds in.
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.35 * placement.scale)).astype(np.float32)[..., None] / 255
    soft = np.minimum(soft * 2, 1) * (mask[..., None] > 127)
    white = rgb * soft + 255.0 * (1 - soft)
    image = resample(white, placement, 255)
    alpha = resample(mask.astype(np.float32), placement, 0)
    return Framed(
        np.clip(image + 0.5, 0, 255).astype(np.uint8), np.where(alpha > 127, 255, 0).astype(np.uint8), placement
    )


def resample(source: np.ndarray, placement: Placement, fill: float) -> np.ndarray:
    """Float ``(H, W)`` or ``(H, W, C)`` through a placement to ``(size, size[, C])``, area-averaged when shrinking."""
    matrix = placement.matrix()
    if placement.scale > 1:  # cv2 does not average over area in a warp: shrink first
        height, width = source.shape[:2]
        small = cv2.resize(
            source,
            (max(1, round(width / placement.scale)), max(1, round(height / placement.scale))),
            interpolation=cv2.INTER_AREA,
        )
        ratio = np.array([[small.shape[1] / width], [small.shape[0] / height]])
        matrix = matrix * ratio
        matrix[:, 2:] += (ratio - 1) / 2
        source = small
    return cv2.warpAffine(
        source,
        matrix,
        (placement.size, placement.size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(fill,) * 4,
    )
