"""A garment's pattern or print taken off by rule: what has another colour than most of the cloth is filled from beside
it.

One colour is the ground: of five that sum up the garment, the one near which most of it lies. Pixels of that colour
stay, with their seams and folds; the others are filled from them, coarse to fine, and take their own fine light and
shade along, as far as it can be told from the pattern.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.floating]

COLOURS = 5
LIGHTNESS = 0.7  # counts less than chroma, as folds move it
BROAD = 16.0  # Lab: colours so far apart count as one, more or less
# How far in Lab from the ground a pixel is surely of it, and over what distance that ends; the last two against the
# ground's own light at that place, blurred so far, in sides of the frame.
NEAR = ((0.0, 9.0, 7.0), (6 / 128, 8.0, 6.0), (3 / 128, 6.0, 6.0))


def without_pattern(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], float]:
    """The garment in plain cloth.

    Args:
        image: RGB, uint8 (S, S, 3).
        mask: of the garment, bool (S, S).

    Returns:
        The picture, uint8 (S, S, 3), unchanged outside the mask; and the share of the garment that was of the ground's
        colour already, in 0..1, 1 where there is hardly a garment.
    """
    inside = _eroded(mask.astype(np.float32))
    if inside.sum() < 4 * COLOURS:
        return image.copy(), 1.0
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    weights = np.array([LIGHTNESS, 1, 1], np.float32)
    colours, ground = _colours((lab * weights)[inside > 0])
    sure = inside * _near(lab, colours[ground] / weights, *NEAR[0][1:])
    share = float(sure.sum() / inside.sum())
    cloth = lab
    for blur, distance, over in NEAR[1:]:
        # Pixels along a stripe are blended with it: those farther inside count, where there are any.
        trusted = _eroded(sure) + 0.03 * sure**2
        weight = inside * (trusted + 0.02)
        sigma = blur * len(mask)
        around = _blurred(weight, sigma).clip(1e-6)  # far from the garment nothing
        cloth = _blurred(_filled(lab, trusted) * weight[..., None], sigma) / around[..., None]
        sure = inside * _near(lab, cloth, distance, over)
    kept = _blurred(_eroded(sure), 0.7)[..., None]
    change = kept * (lab - cloth)
    change[..., :1] += (1 - kept) * _shade(lab, colours / weights, inside)[..., None]
    plain = cv2.cvtColor(np.where(mask[..., None], cloth + change, lab).astype(np.float32), cv2.COLOR_LAB2RGB)
    out = (plain.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return np.where(mask[..., None], out, image), share


def _colours(pixels: Picture) -> tuple[Picture, int]:
    """Those of the cloth, (COLOURS, 3), and which of them is the ground."""
    cv2.setRNGSeed(0)
    rule = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, labels, centres = cv2.kmeans(pixels, COLOURS, None, rule, 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    counts = np.bincount(labels[:, 0], minlength=COLOURS)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    return centres, int((np.exp(-((apart / BROAD) ** 2)) * counts).sum(1).argmax())


def _near(lab: Picture, ground: Picture, distance: float, over: float) -> Picture:
    """How surely pixels are of the ground's colour, (S, S) in 0..1."""
    apart = np.linalg.norm((lab - ground) * np.array([0.55, 1, 1], np.float32), axis=2)
    return 1 - ((apart - distance) / over).clip(0, 1)


def _shade(lab: Picture, colours: Picture, inside: Picture) -> Picture:
    """Light and shade within each of the cloth's colours, as lightness (S, S)."""
    apart = np.linalg.norm((lab[:, :, None] - colours) * np.array([LIGHTNESS, 1, 1], np.float32), axis=3)
    own = apart.argmin(2)
    clear = _eroded(inside) * (1.5 - apart.min(2) / 8).clip(0, 1)  # not those blended of two colours
    light = (lab[..., 0] - colours[own][..., 0]).clip(-15, 15)
    return _blurred(light * clear, 1.3) / _blurred(inside, 1.3).clip(0.3)


def _filled(values: Picture, weight: Picture) -> Picture:
    """Pictures (H, W, 3) where they weigh (H, W) in 0..1, and elsewhere what is around, from coarse to fine (push and
    pull, Gortler et al. 1996)."""
    height, width = weight.shape
    if min(height, width) <= 2:
        mean = (values * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return np.broadcast_to(mean, values.shape).astype(np.float32)
    half = (width // 2, height // 2)
    weighed = cv2.resize(values * weight[..., None], half, interpolation=cv2.INTER_AREA)
    weights = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    mean = weighed / weights.clip(1e-6)[..., None]
    known = (weights * 4).clip(0, 1)[..., None]
    coarse = known * mean + (1 - known) * _filled(mean.astype(np.float32), known[..., 0])
    around = _blurred(cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), 1.0)
    return weight[..., None] * values + (1 - weight[..., None]) * around


def _eroded(mask: Picture) -> Picture:
    return cv2.erode(mask.astype(np.float32), np.ones((3, 3))).astype(np.float32)


def _blurred(values: Picture, sigma: float) -> Picture:
    return cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma)
