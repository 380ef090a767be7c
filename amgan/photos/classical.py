"""Garment masks from pixels alone: a plain light background, or GrabCut for flat-lay and hanger photos.

Both work on photos shrunk to about 160 px, uint8 (H, W, 3), and give masks, uint8 (H, W) of 0 and 255.
"""

from __future__ import annotations

import cv2
import numpy as np

from amgan.photos.framing import binary, shrink
from amgan.photos.judging import doubt
from amgan.photos.segmenter import GRABCUT, WHITE, WORKING_SIDE, Segmentation, judged

COARSE_SIDE = 80  # of the quick GrabCut's first step; its second finds the outline at the working side
CONTEXT = 10  # pixels outside a garment found by the first step that the second step learns the background from
SURE = 1.5  # up to this doubt a quick mask is kept: six photos in ten
DOUBTFUL = 2.0  # above this the thorough GrabCut tries a second way; about every third photo


class Classical:
    """The segmenter without learned weights: a plain light background is taken away, else GrabCut guesses."""

    name = "classical"
    # Count up when any mask or confidence changes: indexes are then filled anew, and caches too. A test holds golden
    # cut-outs of this version (tests/golden_cut_outs.py says how to add the next). 1 was the thorough GrabCut alone; 2
    # brought the quick one, 3 its second step's near background. Indexes of 1 and 2 do not say which they are.
    identity = "classical (3)"

    def segment(self, photo: np.ndarray) -> Segmentation:
        """See `Segmenter`."""
        small = shrink(photo, WORKING_SIDE)
        plain = background_mask(small)
        if plain is not None:
            return judged(photo, plain, WHITE, small)
        return judged(photo, garment_mask(small), GRABCUT, small)


def background_mask(rgb: np.ndarray) -> np.ndarray | None:
    """The garment of a product shot: all that the plain light background, flooded from the border, does not reach.

    None when the border is not plain and light, which is every photo taken on a floor or a bed.
    """
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    ring = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    ground = np.median(ring, axis=0)
    # A few pixels of a sleeve may reach the edge; cloth, wood and shadow all over it may not.
    if (
        ground[0] < 88
        or np.hypot(ground[1], ground[2]) > 8
        or np.mean(np.linalg.norm(ring - ground, axis=1) > 4) > 0.05
    ):
        return None
    off = np.linalg.norm(lab - ground, axis=2)
    mask = _flooded(off < 5)
    if np.mean(mask > 0) < 0.03:  # a white garment on white
        mask = _flooded(off < 2)
    return mask


def _flooded(like_ground: np.ndarray) -> np.ndarray:
    """Mask of what the background, bool (H, W), does not reach from the border."""
    field = cv2.copyMakeBorder(like_ground.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(field, None, (0, 0), 2, flags=4)
    return tidy(np.where(field[1:-1, 1:-1] == 2, 0, 255).astype(np.uint8))


def garment_mask(rgb: np.ndarray) -> np.ndarray:
    """GrabCut: quickly where that leaves little doubt, else thoroughly.

    On 200 training photos (scripts/bench_cutout.py) the median time fell from 56 to 21 ms; as many masks were in doubt,
    and none had less than 0.9 in common with the thorough one (intersection over union).
    """
    quick = quick_mask(rgb)
    return quick if doubt(rgb, quick) <= SURE else thorough_mask(rgb)


def quick_mask(rgb: np.ndarray) -> np.ndarray:
    """GrabCut at half the side; then at the whole side, open only in a band along that outline, and learning colours
    from the garment and its near background alone."""
    small = shrink(rgb, COARSE_SIDE)
    coarse = grabcut(small, first_guess(small.shape[:2]), rounds=2)
    mask = binary(cv2.resize(coarse, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    if not mask.any():
        return mask
    x, y, wide, high = cv2.boundingRect(mask)
    part = slice(max(0, y - CONTEXT), y + high + CONTEXT), slice(max(0, x - CONTEXT), x + wide + CONTEXT)
    found = np.zeros_like(mask)
    found[part] = grabcut(np.ascontiguousarray(rgb[part]), _band(mask)[part], rounds=1)
    return found


def thorough_mask(rgb: np.ndarray) -> np.ndarray:
    """GrabCut, and where its result is in doubt GrabCut of the blurred photo; the less doubtful mask is kept.

    Stripes and checks are what GrabCut gets wrong: it learns the colours of the middle and leaves out sleeves whose
    stripes run the other way. Blurred, a striped shirt is one colour. On 300 training photos this halved the wrong
    cuts.
    """
    first = grabcut(rgb, first_guess(rgb.shape[:2]), rounds=5)
    if doubt(rgb, first) <= DOUBTFUL:
        return first
    blurred = cv2.GaussianBlur(rgb, (0, 0), 2.5)
    second = grabcut(blurred, first_guess(rgb.shape[:2]), rounds=5)
    if second.any():
        second = grabcut(rgb, _band(second), rounds=2)  # blur moves edges: find them again in the sharp photo
    return min(first, second, key=lambda mask: doubt(rgb, mask))


def grabcut(rgb: np.ndarray, marks: np.ndarray, rounds: int) -> np.ndarray:
    """OpenCV's GrabCut from marks uint8 (H, W) of cv2.GC_*, tidied. The same input gives the same mask."""
    marks = marks.copy()
    border = max(1, int(0.03 * max(marks.shape)))
    marks[:border] = marks[-border:] = cv2.GC_BGD
    marks[:, :border] = marks[:, -border:] = cv2.GC_BGD
    if not np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
        return np.zeros(marks.shape, np.uint8)
    cv2.setRNGSeed(0)  # the colour clusters start at random
    cv2.grabCut(rgb, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    return tidy(np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255)


def tidy(mask: np.ndarray) -> np.ndarray:
    """Specks opened away, cracks closed, the largest piece kept, its small holes filled."""
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(3))
    return whole(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc(5)))


def whole(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask, uint8 (H, W), its small holes filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return np.zeros_like(mask)
    mask = np.where(labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA]), 255, 0).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(255 - mask, connectivity=4)
    for hole in range(1, count):
        if stats[hole, cv2.CC_STAT_AREA] < 0.01 * mask.size:
            mask[labels == hole] = 255
    return mask


def first_guess(shape: tuple[int, int]) -> np.ndarray:
    """Where a garment lies in most photos: surely in the middle, probably within a wide rectangle."""
    height, width = shape
    marks = np.full(shape, cv2.GC_PR_BGD, np.uint8)
    marks[int(0.08 * height) : int(0.92 * height), int(0.10 * width) : int(0.92 * width)] = cv2.GC_PR_FGD
    marks[int(0.38 * height) : int(0.62 * height), int(0.38 * width) : int(0.66 * width)] = cv2.GC_FGD
    return marks


def _band(mask: np.ndarray) -> np.ndarray:
    """Marks that leave open only a band along the outline."""
    marks = np.where(mask > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[cv2.erode(mask, _disc(9)) > 0] = cv2.GC_FGD
    marks[cv2.dilate(mask, _disc(9)) == 0] = cv2.GC_BGD
    return marks


def _disc(diameter: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
