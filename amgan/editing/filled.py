"""What an edit painted within the garment where a print was: smooth cloth, which lacks the weave of that around it.

Read off at the model's size, from the generator's mask and from how far its picture follows the photo's shading.
``amgan.editing.painting`` lays the garment's own texture on it, at the photo's size.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from amgan.editing.shapes import Box, disc

PAINTED, UNTOUCHED = 0.5, 0.1  # alpha from which cloth is the generator's, and below which it is the photo's
FEWEST = 50  # pixels of either


class Filled(NamedTuple):
    """What was painted anew, at the model's size.

    Attributes:
        lost: how much of the photo's detail is gone, float32 (h, w) from 0 to 1.
        own: bool (h, w), cloth as the photo has it.
        box: around what was painted.
    """

    lost: np.ndarray
    own: np.ndarray
    box: Box


def find_filled(alpha: np.ndarray, ground: np.ndarray, response: np.ndarray) -> Filled | None:
    """What was painted within the garment; None where that is nothing, or all of the cloth. See ``find_grown``."""
    within = cv2.erode((~ground).astype(np.uint8), disc(5)) > 0
    lost = (np.clip(1 - response, 0, 1) * alpha * within).astype(np.float32)
    own = within & (alpha < UNTOUCHED)
    painted = lost > PAINTED
    if min(painted.sum(), own.sum()) < FEWEST:
        return None
    rows, columns = (np.flatnonzero(painted.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Filled(cv2.GaussianBlur(lost, (0, 0), 0.7), own, box)
