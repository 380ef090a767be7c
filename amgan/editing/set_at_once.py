"""Which pictures have the wanted colour after one pass of a generator, where a second would only dull it.

A generator set to a colour a second time takes off the tinge that a strong colour leaves, and draws what was already
right towards the mean of its training photographs: bright red goes brick, mint green grey. So a second pass is only for
colours that the first has missed: by name, or because the second still turns the hue.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.models.interface import Generated
from amgan.photos.colour_names import CHROMA_GREY, PALETTE_NAMES, name_colour
from amgan.pixels import to_arrays, to_hwc, to_uint8

PAINTED = 0.5  # of the mask
TURNED = 12.0  # degrees of hue, in the ab plane of Lab, from which on the first pass had left a tinge


def set_at_once(first: Generated, second: Generated, colours: list[str | None]) -> Tensor:
    """Whether the first pass suffices: bool (B,).

    Args:
        first: the pictures, garments on white, edited once.
        second: its pictures, edited so again.
        colours: the wanted colour of each; False where it is none, or has no name in the palette.
    """
    found = torch.zeros(len(colours), dtype=torch.bool)
    for row, wanted in enumerate(colours):
        if wanted not in PALETTE_NAMES:
            continue
        here = (first.mask[row, 0] > PAINTED).cpu().numpy()
        if not here.any() or name_colour(to_hwc(to_uint8(first.image[row])), here).name != wanted:
            continue
        one, two = (_colour(picture[row : row + 1], here) for picture in (first.image, second.image))
        found[row] = _turn(one, two) < TURNED
    return found.to(first.image.device)


def _colour(picture: Tensor, here: np.ndarray) -> np.ndarray:
    """The median of a and b of Lab, (2,), of part of one picture, (1, 3, H, W)."""
    lab = cv2.cvtColor(to_arrays(picture)[0], cv2.COLOR_RGB2LAB)
    return np.median(lab[here], axis=0)[1:]


def _turn(one: np.ndarray, two: np.ndarray) -> float:
    """Degrees between two hues; 0 where either is grey."""
    sizes = np.linalg.norm(one), np.linalg.norm(two)
    if min(sizes) < CHROMA_GREY:
        return 0.0
    return float(np.degrees(np.arccos(np.clip(one @ two / (sizes[0] * sizes[1]), -1, 1))))
