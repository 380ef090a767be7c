"""The garment inside a box that somebody has drawn around it: what a doubtful cut-out is corrected by."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos.classical import grabcut
from amgan.photos.framing import binary, shrink
from amgan.photos.segmenter import WORKING_SIDE

LEAST = 0.05  # of the box that must be garment
SMOOTH_SIDE = 4 * WORKING_SIDE


def mask_in_box(photo: Image.Image, box: tuple[float, float, float, float]) -> np.ndarray:
    """The mask of the garment in a box, uint8 (H, W) of 0 and 255 in the photo's proportions.

    GrabCut that is told: outside of the box there is no garment, and in the middle of the box there is.

    Args:
        photo: upright RGB.
        box: left, top, right, bottom as shares of width and height, 0 to 1.

    Raises:
        PhotoError: "no-garment" where hardly anything in the box differs from what is around it.
    """
    rgb = shrink(np.asarray(photo.convert("RGB")), WORKING_SIDE)
    height, width = rgb.shape[:2]
    left, top, right, bottom = (round(s * n) for s, n in zip(box, (width, height, width, height), strict=True))
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    marks[top:bottom, left:right] = cv2.GC_PR_FGD
    x, y = (left + right) / 2, (top + bottom) / 2
    reach_x, reach_y = 0.12 * (right - left), 0.15 * (bottom - top)
    marks[int(y - reach_y) : int(y + reach_y) + 1, int(x - reach_x) : int(x + reach_x) + 1] = cv2.GC_FGD
    mask = grabcut(rgb, marks, rounds=5)
    if np.count_nonzero(mask) < LEAST * (right - left) * (bottom - top):
        raise PhotoError("no-garment", "No garment was found in the box; draw it closely around all of the garment.")
    scale = SMOOTH_SIDE / max(height, width)
    return binary(cv2.resize(mask, (round(scale * width), round(scale * height)), interpolation=cv2.INTER_LINEAR))
