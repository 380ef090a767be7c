"""Sleeves sewn onto photographs by hand, for training: what a garment would look like with other sleeves.

Where a new sleeve goes, how wide it is and how it bends nothing in a photograph says, and a network that learns from
many borrowed sleeves answers with their average, a blur. So here place and colour follow from the garment alone: the
armhole is found on the silhouette, the sleeve leaves it in the direction of the sleeve that is there, or at a usual
angle, narrows to the wrist, ends in a hem, and is made of the garment's own cloth. Its folds are those of one real
sleeve (real_sleeves.py), the same for all garments: taken from many, each another, folds were learnt as their average,
none, and outlines as a mitten. All this happens in training alone; an edit never uses it.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.lessons.armholes import Fit, fit_sleeves
from amgan.lessons.cloth import Cloth
from amgan.lessons.real_sleeves import END, PLACES, RealSleeve, length_of
from amgan.synth.body import SLEEVE_LENGTH

# Of the rule by which sleeves are cut and sewn: ``sew``, armholes.py, ``Arm`` and ``cut_sleeves``. Whoever changes what
# comes out counts it up, so that nobody trains on garments that were sewn by the old rule and kept on disk.
VERSION = 5
LENGTHS = SLEEVE_LENGTH | {"3/4": 0.58}  # of the arm; what is labelled so in photographs ends soon below the elbow
BARE = "sleeveless"
NO_SHOULDERS = ("spaghetti", "strapless")
STRAP = 0.74  # where a sleeveless garment's shoulder ends, over the chest's half width
SOFT = 1.6  # pixels over which an edge fades
HEM, SEAM, STITCH = 0.030, 0.005, 0.2  # over the picture's side, its seam's half width, and how much darker that is


def sleeve_lengths(values: tuple[str, ...]) -> Tensor:
    """Share of the arm that each value of the sleeve covers, float32 (V,); NaN where a value names no length."""
    bare = dict.fromkeys((BARE, *NO_SHOULDERS), 0.0)
    return torch.tensor([(LENGTHS | bare).get(v, float("nan")) for v in values])


def sew(
    image: np.ndarray,
    mask: np.ndarray,
    has_sleeves: bool,
    sleeve: str,
    real: RealSleeve | None = None,
    patterned: bool | None = None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """The garment with longer sleeves.

    Args:
        image: uint8 (S, S, 3), the garment on white; mask: bool (S, S).
        has_sleeves: whether it has sleeves, shorter ones.
        sleeve: a value of ``LENGTHS``.
        real: a sleeve whose light the new ones take; without one they are plain.
        patterned: whether the cloth has a pattern all over; measured where not known.

    Returns:
        The picture, uint8 (S, S, 3), and its mask, bool (S, S); None where no sleeve can be fitted.
    """
    fits = fit_sleeves(mask, has_sleeves)
    if fits is None:
        return None
    size, share = image.shape[0], LENGTHS[sleeve]
    cloth = Cloth.of(image, mask, fits, patterned)
    picture, covered = image.astype(np.float32), mask.astype(np.float32)
    for fit in fits:
        outside = _beyond_torso(fit, size)
        picture += outside[..., None] * (255 - picture)
        covered = covered * (1 - outside)
        gap = _below_shoulder(fit, mask)
        picture += gap[..., None] * (cloth.whole - picture)
        outer, inner = fit.sleeve(share, np.linspace(0, END, PLACES))
        at, along, across = _coordinates(fit, outer, inner, size)
        length, half = length_of(outer, inner), _half_width(outer, inner, along)
        light, depth = _plain(along, across, length, half)
        from_end = (1 - along) * length / size
        if real is not None:  # up to the hem, which is alike for all
            own = np.clip(from_end / HEM - 1, 0, 1)
            light = light + own * (real.light_at(along, across) - light)
        light = light * (1 - STITCH * np.exp(-0.5 * ((from_end - HEM) / SEAM) ** 2)).astype(np.float32)
        # A soft seam and soft edges, as photographs have them.
        alpha = np.clip(depth / SOFT + 0.5, 0, 1) * np.clip(along * length + 0.5, 0, 1)
        sewn = cloth.at(fit, along * length, across * half) * light[:, None]
        picture[at] += alpha[:, None] * (sewn - picture[at])
        sleeve_cover = np.zeros((size, size), np.float32)
        sleeve_cover[at] = alpha
        covered = np.maximum(np.maximum(covered, sleeve_cover), gap)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8), covered > 0.5


def bare(image: np.ndarray, mask: np.ndarray, strap: float | None = None) -> tuple[np.ndarray, np.ndarray] | None:
    """The garment without its short sleeves, cut off along armholes of its own: the torso's sides stay as they are.

    Args:
        image, mask: as of ``sew``, which also says what is returned.
        strap: where its shoulder ends, over the chest's half width; ``STRAP`` when not given.
    """
    fits = fit_sleeves(mask, True)
    if fits is None:
        return None
    size, strap = len(mask), STRAP if strap is None else strap
    picture, covered = image.astype(np.float32), mask.astype(np.float32)
    for fit in fits:
        (_, shoulder), (chest, armpit) = fit.arm.armhole
        y = np.arange(size)
        down = np.clip((y - shoulder) / (armpit - shoulder), 0, 1)
        armhole = chest * (strap + (1 - strap) * down**2)
        slack = 0.03 * size * np.clip((y - armpit) / (0.1 * size), 0, 1)
        outside = _beyond(fit, np.where(y < armpit, armhole, fit.line + slack))
        picture += outside[..., None] * (255 - picture)
        covered = covered * (1 - outside)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8), covered > 0.5


def _edge(fit: Fit, size: int) -> np.ndarray:
    """Offset of the torso's outline from the axis in each row, (S,), were it cut straight from shoulder to armpit."""
    (across, shoulder), (chest, armpit) = fit.arm.armhole
    y = np.arange(size)
    return np.where(y < armpit, np.interp(y, [shoulder, armpit], [across, chest]), fit.line)


def _beyond_torso(fit: Fit, size: int) -> np.ndarray:
    """How much of each pixel lies outside the torso on this side, float32 (S, S): an old sleeve, or nothing."""
    armpit = fit.arm.armhole[1, 1]
    return _beyond(fit, _edge(fit, size) + np.where(np.arange(size) < armpit, 0, 0.03 * size))


def _beyond(fit: Fit, edge: np.ndarray) -> np.ndarray:
    """The same beyond an edge, offsets from the axis (S,)."""
    size = len(edge)
    # Below the armpit an old sleeve may hang beside the torso; further down what sticks out is the hem.
    edge = edge + np.where(np.arange(size) > fit.arm.armhole[1, 1] + 0.15 * size, size, 0)
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


def _coordinates(
    fit: Fit, outer: np.ndarray, inner: np.ndarray, size: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """The pixels around a sleeve, (rows, columns), and their places in it: along it in shares of its length, across it
    from -1 (outer edge) to 1; (n,) each.

    Args:
        outer, inner: its edges at ``PLACES`` even shares of 0..``END`` of its length, (PLACES, 2) each.
    """
    t = np.linspace(0, END, PLACES)
    span = inner - outer
    hull = np.vstack([outer - 0.3 * span, (inner + 0.3 * span)[::-1]])
    near = np.zeros((size, size), np.uint8)
    cv2.fillPoly(near, [np.round(hull * (fit.side, 1) + (fit.axis, 0)).astype(np.int32)], 1)
    ys, xs = np.nonzero(near)
    places = np.stack([fit.side * (xs - fit.axis), ys.astype(np.float64)], axis=1)
    # Each pixel lies on the line from edge to edge at one place of the sleeve: where it passes from before to behind.
    beside = places[:, None] - outer[None]
    behind = (beside[..., 1] * span[:, 0] - beside[..., 0] * span[:, 1]) / np.hypot(span[:, 0], span[:, 1])
    if behind[:, 0].mean() < behind[:, -1].mean():
        behind = -behind
    k = np.clip((behind > 0).sum(1), 1, PLACES - 1)
    n = np.arange(len(places))
    part = np.clip(behind[n, k - 1] / np.maximum(behind[n, k - 1] - behind[n, k], 1e-6), -1, 1)
    along = t[k - 1] + part * (t[1] - t[0])
    across = ((places - outer[k]) * span[k]).sum(1) / (span[k] ** 2).sum(1) * 2 - 1
    return (ys, xs), along, across


def _half_width(outer: np.ndarray, inner: np.ndarray, along: np.ndarray) -> np.ndarray:
    return np.interp(along, np.linspace(0, END, PLACES), np.hypot(*(inner - outer).T) / 2)


def _plain(along: np.ndarray, across: np.ndarray, length: float, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Light, and pixels from the outline, positive inside, of a plain sleeve, float32 (n,) each."""
    depth = np.minimum((1 - np.abs(across)) * half, (1 - along) * length)
    light = 1.02 - 0.14 * np.abs(np.clip(across, -1.2, 1.2)) ** 3  # falls off towards its edges
    return light.astype(np.float32), depth.astype(np.float32)
