"""A whole photo in a square, for networks that see squares."""

from __future__ import annotations

import cv2
import numpy as np

GREY = 127  # what surrounds the photo


def letterbox(photo: np.ndarray, side: int) -> np.ndarray:
    """A photo uint8 (H, W, 3), whole, in the middle of a grey square, uint8 (side, side, 3)."""
    height, width = fitted_shape(photo.shape, side)
    out = np.full((side, side, 3), GREY, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    smaller = max(height, width) < max(photo.shape[:2])
    out[top : top + height, left : left + width] = cv2.resize(
        photo, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    return out


def unletterbox(plane: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The part (h, w) of a square (side, side) that a photo of this shape takes up."""
    side = plane.shape[0]
    height, width = fitted_shape(shape, side)
    top, left = (side - height) // 2, (side - width) // 2
    return plane[top : top + height, left : left + width]


def fitted_shape(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Height and width of a photo (H, W, ...) whose longer side is brought to ``side``."""
    ratio = side / max(shape[:2])
    return max(1, round(shape[0] * ratio)), max(1, round(shape[1] * ratio))
