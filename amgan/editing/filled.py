"""What an edit painted smooth within the garment, as where a print was: it lacks the weave and the folds of cloth.

Read off at the model's size, from how far the generator's picture follows the photo's shading.
``amgan.editing.painting`` lays the garment's own texture on it, at the photo's size.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from amgan.editing.main_colour import lab_of, of_colour
from amgan.editing.shapes import Box, blur_within, disc

PAINTED = 0.5  # of the photo's detail lost: from here on cloth was painted anew
FEWEST = 50  # pixels of it
FINE, SMOOTH = 2.0, 0.02  # low-pass in pixels, and what is finer, of 1, root mean square: more is a zip, or a pattern
AROUND, QUIET = 2.5, 0.05  # the same of the photo's plain cloth, around each pixel
LEAST = 0.1  # of the garment that is plain


class Filled(NamedTuple):
    """What was painted anew, at the model's size.

    Attributes:
        lost: how much of the photo's detail is gone, float32 (h, w) from 0 to 1.
        plain: bool (h, w), cloth that the photo shows in about the new colour, and nothing on it.
        box: around what was painted.
    """

    lost: np.ndarray
    plain: np.ndarray
    box: Box


def find_filled(
    x: np.ndarray, y: np.ndarray, alpha: np.ndarray, ground: np.ndarray, response: np.ndarray
) -> Filled | None:
    """What was painted within the garment; None where it is not smooth, or the photo has hardly such cloth. See
    ``find_grown``."""
    within = cv2.erode((~ground).astype(np.uint8), disc(5)) > 0
    lost = (np.clip(1 - response, 0, 1) * alpha * within).astype(np.float32)
    painted = lost > PAINTED
    if painted.sum() < FEWEST or _power(y, within)[painted].mean() > SMOOTH**2:
        return None
    quiet = cv2.GaussianBlur(_power(x, within), (0, 0), AROUND) < QUIET**2
    plain = within & quiet & of_colour(x, lab_of(np.median(y[painted], axis=0)))
    if plain.sum() < LEAST * within.sum():
        return None
    rows, columns = (np.flatnonzero(painted.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Filled(cv2.GaussianBlur(lost, (0, 0), 0.7), plain, box)


def _power(picture: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Of what is fine, float32 (h, w)."""
    fine = (picture - blur_within(picture, there, FINE)) * there[..., None]
    return (fine**2).mean(2).astype(np.float32)
