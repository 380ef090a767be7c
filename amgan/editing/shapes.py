"""Shapes in a small picture of a garment on white, and their outlines."""

from __future__ import annotations

import cv2
import numpy as np

WHITE = 250 / 255  # a pixel with all channels from here up, joined to the frame's border, is ground
FAINT = 0.04  # cloth is at least that much darker than white, of 1; white shirts are
EVEN = 1.2  # pixels over which an outline's wobble, of a generator that works on every other pixel, is evened out

Box = tuple[slice, slice]


def find_ground(x: np.ndarray) -> np.ndarray:
    """The white around a garment, bool (h, w), of a picture float32 (h, w, 3)."""
    white = cv2.copyMakeBorder((whiteness(x) >= WHITE).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(white, connectivity=4)
    return (labels == labels[0, 0])[1:-1, 1:-1]


def whiteness(picture: np.ndarray) -> np.ndarray:
    """The least of a pixel's channels, (h, w) of (h, w, 3): ten times as fast as ``picture.min(2)``."""
    return np.minimum(np.minimum(picture[..., 0], picture[..., 1]), picture[..., 2])


def mean_darkness(darkness: np.ndarray) -> np.ndarray:
    """How dark the garment is around each pixel: the mean by darkness itself, to which white hardly counts."""
    d = darkness.astype(np.float32)
    return cv2.GaussianBlur(d * d, (0, 0), 3) / np.maximum(cv2.GaussianBlur(d, (0, 0), 3), 1e-4)


def evened(cover: np.ndarray) -> np.ndarray:
    """How much of each pixel is cloth, float32 (h, w), with a smooth outline."""
    return cv2.GaussianBlur(cover, (0, 0), EVEN)


def touching(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The components of a mask, bool (h, w), in which there are seeds."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    found = np.unique(labels[seeds & mask])
    return np.isin(labels, found[found > 0])


def middle_and_reach(there: np.ndarray) -> tuple[float, float]:
    """Of what is there, (h, w), the mean of its columns and how far they reach, in pixels; of the frame where nothing
    is."""
    columns = np.flatnonzero(there.any(0))
    if not len(columns):
        columns = np.arange(there.shape[1])
    return float(columns.mean()), float(np.ptp(columns))


def large_box(box: Box, scale: float, size: int) -> Box:
    """A box of the small picture in the large one, of ``size`` pixels a side."""
    rows, columns = (slice(round(s.start * scale), min(size, round(s.stop * scale))) for s in box)
    return rows, columns


def resized(a: np.ndarray, side: int) -> np.ndarray:
    """A picture, float32 (h, w, 3), or what is there, bool (h, w), with another side."""
    if a.dtype == bool:
        return cv2.resize(a.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
    return cv2.resize(a, (side, side), interpolation=cv2.INTER_AREA)


def disc(side: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def opened(mask: np.ndarray, side: int) -> np.ndarray:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(side)) > 0


def dilate(a: np.ndarray, side: int) -> np.ndarray:
    return cv2.dilate(np.asarray(a, np.float32), disc(side))


def blur_within(picture: np.ndarray, there: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of (h, w, C) that sees only what is there, bool (h, w); beyond it goes on as it ends."""
    weight = there.astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
    return cv2.GaussianBlur(picture * weight[..., None], (0, 0), sigma) / share[..., None]


def gradient(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return cv2.Sobel(a, -1, 1, 0, scale=1 / 8), cv2.Sobel(a, -1, 0, 1, scale=1 / 8)


def slope(a: np.ndarray) -> np.ndarray:
    """The steepest around each pixel, per pixel, where it is an edge at all."""
    return np.maximum(dilate(np.hypot(*gradient(a)), 3), 0.1)


def boxes(near: np.ndarray) -> list[Box]:
    _, _, stats, _ = cv2.connectedComponentsWithStats((near > 0.01).astype(np.uint8))
    return [(slice(y, y + h), slice(x, x + w)) for x, y, w, h, _ in stats[1:].tolist()]
