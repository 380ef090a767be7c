"""What makes new cloth a sleeve that was sewn on: no white at the armhole, a seam there, and a hem at the other end.

Found in the small picture, in pixels of the model; the lines are drawn at any size.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from amgan.editing.shapes import Box, dilate, disc, gradient, touching

HOLE, HIGH = 0.01, 0.4  # share of the picture that white at the armhole may have; of the garment's height from its top
SLIT = 7  # pixels across white that is no hole

HEM = 3.2  # pixels from a sleeve's end to the line of its hem: two centimetres and a half
STITCH, EDGE = 0.3, 0.45  # standard deviations in pixels, of a stitched line and of the shade at an edge
HEM_DEPTH, SEAM_DEPTH, END_DEPTH = 0.13, 0.13, 0.1  # share of the light that is lost in the middle of each
BESIDE, BESIDE_DEPTH = 1.3, 0.05  # the same of the soft shade on one side of a line
PIXEL = 0.4  # standard deviation of what a pixel sees
SHORTEST, SLENDER = 12, 2  # pixels that a sleeve is long, and its axes' variances, long over short
LAST = 0.25  # of its length, which ends with the hem
HARD = 0.06  # slope of ``repainted`` from which the two cloths meet in a line
FAR = 99.0  # pixels, where there is no line


class Lines(NamedTuple):
    """Where sleeves are stitched, float32 (h, w): how far it is, in pixels, beyond the sleeve's end, and across the
    seam into the sleeve; and how much of the seam is to be seen there, 0 to 1."""

    end: np.ndarray
    seam: np.ndarray
    sewn: np.ndarray


def find_gaps(cover: np.ndarray, ground: np.ndarray, new: np.ndarray) -> np.ndarray:
    """White between a sleeve and the shoulder of a vest, bool (h, w): small holes and slits. Below the armhole is room
    for white.

    Args:
        cover: float32 (h, w), how much of each pixel is cloth.
        ground: bool (h, w), the white around the photo's garment.
        new: bool (h, w), the sleeves.
    """
    cloth = (~ground | (cover > 0.5)).astype(np.uint8)
    rows = np.flatnonzero((~ground).any(1))
    if not len(rows):
        return np.zeros_like(ground)
    lowest = rows[0] + HIGH * np.ptp(rows)
    _, labels, stats, middles = cv2.connectedComponentsWithStats(1 - cloth, connectivity=4)
    small = (stats[:, cv2.CC_STAT_AREA] < HOLE * cloth.size) & (middles[:, 1] < lowest)
    framed = cv2.copyMakeBorder(cloth, SLIT, SLIT, SLIT, SLIT, cv2.BORDER_CONSTANT, value=0)
    slits = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, disc(SLIT))[SLIT:-SLIT, SLIT:-SLIT] > 0
    slits[int(lowest) :] = False
    return touching((np.isin(labels, np.flatnonzero(small)) | slits) & (cloth == 0), dilate(new, 3) > 0)


def find_lines(sleeve: np.ndarray, repainted: np.ndarray, inside: np.ndarray, parts: list[Box]) -> Lines:
    """Of all sleeves.

    Args:
        sleeve: bool (h, w), new cloth.
        repainted: float32 (h, w), how far the garment's cloth gave way to it.
        inside: float32 (h, w), 1 well inside the photo's garment.
        parts: their boxes.
    """
    end = np.full(sleeve.shape, -FAR, np.float32)
    for part in parts:
        end[part] = _beyond_the_end(sleeve[part])
    smooth = cv2.GaussianBlur(repainted, (0, 0), 1.5)
    steep = np.hypot(*gradient(smooth))
    seam = np.clip((smooth - 0.5) / np.maximum(steep, HARD / 2), -FAR, FAR)
    sewn = np.clip(steep / HARD, 0, 1) * cv2.erode(inside, np.ones((3, 3)))
    return Lines(end, seam.astype(np.float32), sewn.astype(np.float32))


def _beyond_the_end(sleeve: np.ndarray) -> np.ndarray:
    """How far beyond a sleeve's end each pixel is, float32 (a, b), on its lower half: the way that this points, as an
    elbow may be bent."""
    nowhere = np.full(sleeve.shape, -FAR, np.float32)
    points = np.argwhere(sleeve)[:, ::-1].astype(np.float64)  # (n, 2) of x, y
    if len(points) < SHORTEST:
        return nowhere
    variances, axes = np.linalg.eigh(np.cov(points.T))
    along = axes[:, 1] * (1 if axes[1, 1] >= 0 else -1)
    reach = points @ along
    length = np.ptp(reach)
    if length < SHORTEST or variances[1] < SLENDER * variances[0]:
        return nowhere
    last = points[reach > reach.max() - LAST * length]
    before = points[(reach > reach.max() - 2 * LAST * length) & (reach <= reach.max() - LAST * length)]
    way = last.mean(0) - before.mean(0)
    way /= np.linalg.norm(way)
    there = np.indices(sleeve.shape)[::-1].transpose(1, 2, 0)  # (a, b, 2) of x, y
    beyond = there @ way - np.quantile(last @ way, 0.97) - 0.5
    return np.where(there @ along > reach.max() - 2 * LAST * length, beyond, nowhere).astype(np.float32)


def hem_light(lines: Lines, scale: float) -> np.ndarray:
    """What share of the light a sleeve's end gives back, float32 (a, b), of lines enlarged so many times."""
    hem = lines.end + HEM
    edge = END_DEPTH * np.exp(-0.5 * (np.minimum(lines.end, 0) / EDGE) ** 2)
    return 1 - _line(hem, HEM_DEPTH, scale) - _beside(-hem) - edge


def seam_light(lines: Lines, scale: float) -> np.ndarray:
    """The same of garment and sleeves where they meet."""
    return 1 - lines.sewn * (_line(lines.seam, SEAM_DEPTH, scale) + _beside(lines.seam))


def _line(distance: np.ndarray, depth: float, scale: float) -> np.ndarray:
    """The shade of a stitched line, as pixels of that size see it."""
    seen = float(np.hypot(STITCH, PIXEL / scale))
    return depth * STITCH / seen * np.exp(-0.5 * (distance / seen) ** 2)


def _beside(distance: np.ndarray) -> np.ndarray:
    return BESIDE_DEPTH * np.exp(-np.maximum(distance, 0) / BESIDE) * (distance > 0)
