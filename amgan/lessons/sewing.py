"""Sleeves sewn onto photographs by hand, for training: what a garment would look like with other sleeves.

Where a new sleeve goes, how wide it is and how it bends nothing in a photograph says, and a network that learns from
many borrowed sleeves answers with their average, a blur. So here the new sleeve follows from the garment alone: the
armhole is found on the silhouette, the sleeve leaves it in the direction of the sleeve that is there, or at a usual
angle, narrows to the wrist, and is made of the garment's own cloth, taken from beside the print. One garment, one
answer: a pixel loss then draws it sharply. All this happens in training alone; an edit never uses it.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.lessons.armholes import Fit, fit_sleeves
from amgan.synth.body import SLEEVE_LENGTH, Arm

# Of the rule by which sleeves are cut and sewn: ``sew``, armholes.py, ``Arm`` and ``cut_sleeves``. Whoever changes what
# comes out counts it up, so that nobody trains on garments that were sewn by the old rule and kept on disk.
VERSION = 1
NO_SHOULDERS = ("spaghetti", "strapless")
OVER = 4  # outlines are drawn at so many times the size


def sleeve_lengths(values: tuple[str, ...]) -> Tensor:
    """Share of the arm that each value of the sleeve covers, float32 (V,); NaN where a value names no length."""
    bare = dict.fromkeys(("sleeveless", *NO_SHOULDERS), 0.0)
    return torch.tensor([(SLEEVE_LENGTH | bare).get(v, float("nan")) for v in values])


def sew(image: np.ndarray, mask: np.ndarray, has_sleeves: bool, sleeve: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The garment with longer sleeves.

    Args:
        image: uint8 (S, S, 3), the garment on white; mask: bool (S, S).
        has_sleeves: whether it has sleeves, shorter ones.
        sleeve: a value of ``SLEEVE_LENGTH``.

    Returns:
        The picture, uint8 (S, S, 3), and its mask, bool (S, S); None where no sleeve can be fitted.
    """
    fits = fit_sleeves(mask, has_sleeves)
    if fits is None:
        return None
    size, share = image.shape[0], SLEEVE_LENGTH[sleeve]
    whole = _continued_cloth(image, mask)
    picture, covered = image.astype(np.float32), mask.astype(np.float32)
    for fit in fits:
        outside = _beyond_torso(fit, size)
        picture += outside[..., None] * (255 - picture)
        covered = covered * (1 - outside)
        gap = _below_shoulder(fit, mask)
        picture += gap[..., None] * (whole - picture)
        outline = fit.arm.sleeve(share)
        outline[:, 0] = fit.axis + fit.side * outline[:, 0]
        alpha = _filled(outline, size)
        at = alpha > 0
        along, across = _coordinates(fit, share, at)
        sleeve_cloth = _cloth(whole, fit, along, across) * _tone(along, across, fit.arm, share)[:, None]
        picture[at] += alpha[at][:, None] * (sleeve_cloth - picture[at])
        covered = np.maximum(np.maximum(covered, alpha), gap)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8), covered > 0.5


def _continued_cloth(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with its cloth continued beyond the garment: each pixel outside takes the nearest inside."""
    inside = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8))
    if not inside.any():
        return image
    _, nearest = cv2.distanceTransformWithLabels(1 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    ys, xs = np.nonzero(inside)
    colours = np.zeros((nearest.max() + 1, 3), np.uint8)
    colours[nearest[ys, xs]] = image[ys, xs]
    return colours[nearest]


def _edge(fit: Fit, size: int) -> np.ndarray:
    """Offset of the torso's outline from the axis in each row, (S,), were it cut straight from shoulder to armpit."""
    (across, shoulder), (chest, armpit) = fit.arm.armhole
    y = np.arange(size)
    return np.where(y < armpit, np.interp(y, [shoulder, armpit], [across, chest]), fit.line)


def _beyond_torso(fit: Fit, size: int) -> np.ndarray:
    """How much of each pixel lies outside the torso on this side, float32 (S, S): an old sleeve, or nothing."""
    armpit = fit.arm.armhole[1, 1]
    y = np.arange(size)
    # Below the armpit an old sleeve may hang beside the torso; further down what sticks out is the hem.
    edge = _edge(fit, size) + np.where(y < armpit, 0, 0.03 * size) + np.where(y > armpit + 0.15 * size, size, 0)
    out = fit.side * (np.arange(size)[None] - fit.axis)
    return np.clip(out - edge[:, None], 0, 1).astype(np.float32)


def _below_shoulder(fit: Fit, mask: np.ndarray) -> np.ndarray:
    """What a sleeveless armhole lacks to where a sleeve is set in, float32 (S, S)."""
    size = len(mask)
    (_, shoulder), (_, armpit) = fit.arm.armhole
    out = fit.side * (np.arange(size)[None] - fit.axis)
    outmost = np.where(mask, out, -np.inf).max(1, keepdims=True)
    y = np.arange(size)[:, None]
    gap = (out > outmost - 1) & (out <= _edge(fit, size)[:, None] + 1) & (y >= shoulder) & (y <= armpit + 1)
    return (gap & np.isfinite(outmost)).astype(np.float32)


def _filled(outline: np.ndarray, size: int) -> np.ndarray:
    """Coverage of pixels by a polygon, float32 (S, S) in 0..1."""
    large = np.zeros((size * OVER, size * OVER), np.uint8)
    cv2.fillPoly(large, [np.round((outline + 0.5) * OVER).astype(np.int32)], 255)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _coordinates(fit: Fit, share: float, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of some pixels, bool (S, S), in the sleeve: along it in shares of the arm, across it from -1 (outer edge)
    to 1; (n,) each."""
    t = np.linspace(0, share, 40)
    axis = fit.arm.axis(t)
    outer, inner = fit.arm.edges(t)
    ys, xs = np.nonzero(at)
    places = np.stack([fit.side * (xs - fit.axis), ys.astype(np.float64)], axis=1)
    nearest = ((places[:, None] - axis[None]) ** 2).sum(2).argmin(1)
    span = inner[nearest] - outer[nearest]
    return t[nearest], ((places - outer[nearest]) * span).sum(1) / (span**2).sum(1) * 2 - 1


def _cloth(whole: np.ndarray, fit: Fit, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Cloth for places in the sleeve from the torso's side, where there is rarely a print: float32 (n, 3)."""
    armpit = fit.arm.armhole[1, 1]
    first, length = armpit + 2, max(fit.bottom - 7 - armpit, 8)
    # Down the side, and up again where the sleeve is longer than that.
    down = length - np.abs(np.mod(along * fit.arm.length, 2 * length) - length)
    y = first + down
    side = np.interp(y, np.arange(len(fit.line)), fit.line)
    x = fit.axis + fit.side * (0.7 - 0.2 * np.clip(across, -1, 1)) * side
    return cv2.remap(whole, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)[0].astype(np.float32)


def _tone(along: np.ndarray, across: np.ndarray, arm: Arm, share: float) -> np.ndarray:
    """Light on a sleeve: falls off towards its edges, folds at the elbow, lines at shoulder and cuff; float32 (n,)."""
    v = np.clip(across, -1.2, 1.2)
    tone = 1.02 - 0.14 * np.abs(v) ** 3 - 0.05 * (v > 0) * v**2
    fold = np.sin(2 * np.pi * (along * 5 - 0.35 * v)) * np.exp(-(((along - 0.5) / 0.16) ** 2)) * (0.5 + 0.5 * v)
    tone = tone - 0.05 * fold
    pixel = 1 / arm.length
    tone = tone - 0.16 * np.exp(-((along / (1.4 * pixel)) ** 2))
    cuff = share - (0.07 if share > 0.6 else 0.035)
    tone = tone - 0.14 * np.exp(-(((along - cuff) / (0.9 * pixel)) ** 2))
    return tone.astype(np.float32)
