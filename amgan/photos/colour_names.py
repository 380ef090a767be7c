"""The colour of a garment from its pixels, without any network.

The recipe by which the garments' colour labels were made: three clusters of the garment's pixels in CIE Lab, each named
by the nearest point of a palette, shares added per name, ``multi`` when no name reaches half. The recipe's palette was
not published with it; this one was fitted on photos and labels of the training split only. A report states how often
the result agrees with the given labels on the photos that it measures: the accuracy of the measuring stick.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MULTI = "multi"
CLUSTERS = 3
SAMPLES = 1500
LIGHTNESS_WEIGHT = 0.6  # shade changes lightness more than hue
CHROMA_GREY = 6.0  # below it a cluster is white, black or gray by its lightness alone
LIGHTNESS_WHITE, LIGHTNESS_BLACK = 66.0, 26.0
EDGE_SHARE = 5 / 256  # the outline left out, as a share of the longer side
BACKGROUND = 250  # of 255, in all channels: a cut-out's white, rather than white cloth
FEWEST = 30  # pixels; a smaller mask is used without erosion

# CIE Lab, L 0..100. Names that span a wide range have two points.
PALETTE: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("black", (7.5, 0.2, -0.2)),
    ("white", (84.8, 1.2, -0.1)),
    ("gray", (47.3, 2.2, -1.5)),
    ("navy", (11.3, 6.4, -23.9)),
    ("navy", (10.1, 7.3, -23.2)),
    ("blue", (42.7, 6, -39.4)),
    ("blue", (64.3, -0.7, -25.8)),
    ("red", (28.1, 45.3, 25.9)),
    ("red", (23.5, 37.7, 11.7)),
    ("pink", (81.1, 24.5, 0.5)),
    ("pink", (59.6, 59.6, 1.1)),
    ("purple", (18.8, 36.2, -25.9)),
    ("purple", (64.6, 19.6, -23)),
    ("green", (47.7, -4.2, 25.8)),
    ("green", (50.6, -13.8, 13.7)),
    ("yellow", (82.8, -3.8, 67.7)),
    ("yellow", (73.1, 5.2, 54.2)),
    ("beige", (78.5, 2.4, 20.7)),
    ("beige", (88.4, 1.7, 13.4)),
    ("brown", (39, 13.2, 21.8)),
    ("brown", (20.2, 8.8, 12.4)),
)
PALETTE_NAMES: tuple[str, ...] = (*dict.fromkeys(name for name, _ in PALETTE), MULTI)

_POINTS = np.array([point for _, point in PALETTE], dtype=np.float32)
_POINT_NAME = np.array([PALETTE_NAMES.index(name) for name, _ in PALETTE])


@dataclass(frozen=True)
class Colour:
    """``name`` of the palette or ``multi``; ``share`` 0..1 of the commonest name; ``shares`` of every name found."""

    name: str
    share: float
    shares: dict[str, float]


def name_colour(image: np.ndarray, mask: np.ndarray) -> Colour:
    """The dominant colour under a mask.

    Args:
        image: uint8 (H, W, 3) RGB.
        mask: (H, W), nonzero where the garment is.

    Raises:
        ValueError: the mask is empty.
    """
    inside = np.asarray(mask) > 0
    side = 2 * round(EDGE_SHARE * max(inside.shape) / 2) + 1
    core = cv2.erode(inside.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    pixels = image[core if core.sum() >= FEWEST else inside]
    if not len(pixels):
        raise ValueError("The colour of an empty mask has no name.")
    if len(pixels) > SAMPLES:
        pixels = pixels[np.linspace(0, len(pixels) - 1, SAMPLES).astype(int)]
    lab = cv2.cvtColor(pixels[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    centres, weights = colour_clusters(lab)
    shares = np.bincount(name_points(centres), weights=weights, minlength=len(PALETTE_NAMES) - 1)
    best = int(shares.argmax())
    name = PALETTE_NAMES[best] if shares[best] >= 0.5 else MULTI
    return Colour(name, float(shares[best]), {PALETTE_NAMES[i]: float(s) for i, s in enumerate(shares) if s > 0})


def named_shares(image: np.ndarray) -> dict[str, float]:
    """The names of the colours of a garment on white, and how much of it each has: shares that sum to 1.

    Where none reaches half, half is ``multi``. A garment that is all white is the whole picture.

    Args:
        image: uint8 (H, W, 3) RGB.
    """
    garment = np.any(image < BACKGROUND, axis=2)
    colour = name_colour(image, garment if garment.any() else np.ones_like(garment))
    if colour.name != MULTI:
        return colour.shares
    return {MULTI: 0.5} | {name: share / 2 for name, share in colour.shares.items()}


def name_points(lab: np.ndarray) -> np.ndarray:
    """CIE Lab points float (K, 3) to positions in PALETTE_NAMES, int (K,)."""
    weights = np.array([LIGHTNESS_WEIGHT**2, 1, 1], dtype=np.float32)
    nearest = ((lab[:, None] - _POINTS) ** 2 * weights).sum(axis=2).argmin(axis=1)
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    white, black, gray = (PALETTE_NAMES.index(n) for n in ("white", "black", "gray"))
    grey = np.where(lightness >= LIGHTNESS_WHITE, white, np.where(lightness <= LIGHTNESS_BLACK, black, gray))
    return np.where(chroma < CHROMA_GREY, grey, _POINT_NAME[nearest])


def colour_clusters(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Three means of pixels (n, 3): centres (3, 3), shares (3,). They start from thirds along the main axis."""
    if len(lab) < CLUSTERS:
        return lab, np.full(len(lab), 1 / len(lab))
    centred = lab - lab.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    start = np.empty((len(lab), 1), dtype=np.int32)
    start[np.argsort(centred @ axis, kind="stable"), 0] = np.arange(len(lab)) * CLUSTERS // len(lab)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.2)
    _, label, centres = cv2.kmeans(np.ascontiguousarray(lab), CLUSTERS, start, stop, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    return centres, np.bincount(label[:, 0], minlength=CLUSTERS) / len(lab)
