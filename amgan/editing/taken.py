"""What an edit took away: a sleeve made short leaves white, and an outline where there was cloth.

The generator's mask tapers there over several pixels, so that blending leaves haze on white and pale cloth. Read off at
the model's size: where cloth ends, and its colours up to there. ``amgan.editing.painting`` carries it to the photo's
size, where the photo's own cloth is cut along that outline.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from amgan.editing.shapes import (
    FAINT,
    Box,
    blur_within,
    boxes,
    dilate,
    disc,
    evened,
    mean_darkness,
    opened,
    slope,
    touching,
    whiteness,
)

TAKEN = 0.5  # alpha from which cloth may have been taken away
ENDS = (0.25, 0.75)  # darkness of the edit over the garment's: below, ground; above, cloth
USUAL = 0.6  # quantile of a garment's darkness that sleeves which are taken away leave about as it is
PALE = 0.1  # quantile of it from which far from the garment something painted is cloth
STRIPE = 9  # pixels of white between cloth that are a stripe, not ground
HAZE = 0.1  # alpha from which the generator's white shows
NEW = 5  # pixels that cloth is wide where there was none; less is a trace
PALEST = 0.08  # darkness, of 1, of the palest stripe of new cloth
MORE = 2  # times as much taken away as new: sleeves are shortened, and what is new is a puff beside them
LEAST, BESIDE = 5, 3  # pixels that something taken away is wide; and a short sleeve's edge beside a new, long one
SPACE = 4  # pixels of cloth beside it whose haze is looked after
AROUND = 6  # pixels over which a change of colour is a mean
STAYS = (0.1, 0.2)  # its size, of RGB: below, the photo's colours stay; above, it counts in full


class Taken(NamedTuple):
    """What is gone, at the model's size; float32 (h, w) unless said.

    Attributes:
        near: 1 where cloth was taken away and beside it, 0 where nothing is done.
        old: 1 where the photo has cloth.
        cover: how much of each pixel is cloth afterwards; its level 0.5 is the outline.
        slope: of ``cover`` across the outline, per pixel.
        change: (h, w, 3), what is added to the photo's colours there, without the haze.
        boxes: of the parts, in pixels.
    """

    near: np.ndarray
    old: np.ndarray
    cover: np.ndarray
    slope: np.ndarray
    change: np.ndarray
    boxes: list[Box]


def find_taken(x: np.ndarray, y: np.ndarray, alpha: np.ndarray, ground: np.ndarray) -> Taken | None:
    """What an edit took away, or None where it took nothing.

    Args:
        x, y: the photo and the edited picture, float32 (h, w, 3) in [0, 1], on white.
        alpha: float32 (h, w), the generator's mask.
        ground: bool (h, w), the white around the photo's garment.
    """
    cover, cloth, gone = _gone(x, y, alpha, ground)
    if not gone.any():
        return None
    # Haze, and pale cloth, are wherever the generator painted beside it.
    painted = touching((alpha > HAZE) | gone, gone)
    near = cv2.GaussianBlur(dilate(gone, 2 * SPACE + 1), (0, 0), 1)
    near = np.maximum(near, cv2.GaussianBlur(dilate(painted, 3), (0, 0), 1))
    cover = evened(np.maximum(cover, cloth & (cv2.erode(cloth.astype(np.uint8), disc(3)) > 0)).astype(np.float32))
    old = cv2.GaussianBlur((~ground).astype(np.float32), (0, 0), 0.7)
    return Taken(near, old, cover, slope(cover), _change(x, y, cover), boxes(near))


def clean_ground(x: np.ndarray, y: np.ndarray, alpha: np.ndarray, ground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edited picture and alpha, without what is no cloth on the white around the photo's garment: traces of a
    generator; and with an edit that takes cloth away, what it painted beside the garment.

    Args: see ``find_taken``.
    """
    cover, _, gone = _gone(x, y, alpha, ground)
    painted = ground & (cover > 0.5)
    new = touching(painted, opened(painted, NEW))
    if gone.sum() > MORE * new.sum():  # a sleeve is shortened where it lies
        new = np.zeros_like(new)
    pale = touching(ground & (1 - whiteness(y) > PALEST), new)  # a light stripe of it
    stays = ~ground | (dilate(new | pale, 2 * SPACE + 1) > 0)
    return np.where(stays[..., None], y, x), alpha * stays


def _gone(
    x: np.ndarray, y: np.ndarray, alpha: np.ndarray, ground: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How much of each pixel of an edit is cloth, float32, by how dark the photo's is; where it is cloth, or a white
    stripe of it; and where there is none any more; bool, all (h, w)."""
    before, after = 1 - whiteness(x), 1 - whiteness(y)
    # A garment made white is still there: how dark cloth is now, most of it being there still.
    was, now = (np.quantile(d[~ground], USUAL) if not ground.all() else 1.0 for d in (before, after))
    palest = np.quantile(before[~ground], PALE) if not ground.all() else 1.0
    dark = np.maximum(mean_darkness(before * ~ground), palest) * min(now / max(was, FAINT), 1)
    cover = np.clip((after / np.maximum(dark, FAINT) - ENDS[0]) / (ENDS[1] - ENDS[0]), 0, 1)
    cloth = cv2.morphologyEx((cover > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, disc(STRIPE)) > 0
    bare = ~ground & ~cloth & (alpha > TAKEN)
    grown = opened(ground & (cover > 0.5), NEW).any()
    gone = touching(bare, opened(bare, BESIDE if grown else LEAST))
    return cover, cloth, touching(gone, dilate(ground, 3) > 0)  # within a white shirt a print has gone, no cloth


def _change(x: np.ndarray, y: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The mean over cloth well inside, carried outwards: beside the outline what the generator painted is half white.
    None of it where its colours stay: then a pattern lies elsewhere, and the photo's own is the better one."""
    change = blur_within(y - x, cv2.erode(cover, disc(5)) > 0.9, AROUND)
    size = np.linalg.norm(change, axis=2, keepdims=True)
    return change * np.clip((size - STAYS[0]) / (STAYS[1] - STAYS[0]), 0, 1)
