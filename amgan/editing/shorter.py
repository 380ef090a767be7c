"""Long sleeves made 3/4 ones: as much of them cut off as the photo's own can spare.

Few garments have 3/4 sleeves, and a generator that saw few of them leaves long ones as they are, or grows wings beside
them. It takes sleeves off reliably. So where an edit did not shorten sleeves that an edit to a shorter value does
shorten, the second one is made, of the ends of the sleeves alone: what stays is the photo's.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.editing.shapes import opened
from amgan.editing.sides import LEAST, is_cloth, is_white
from amgan.models.interface import Generated

SHORTER = {"3/4": "short"}  # of the attribute sleeve: a value in between, and the shorter one that it is made of
SLEEVES = 0.05  # share of a garment that is its sleeves, when the edit to the shorter value takes so much away
SHORTENED = 0.15  # share of that which an edit to the value in between takes away as well
KEPT = 0.55  # of what the shorter edit takes off, lengthwise: short sleeves are a third of long ones
BESIDE = 9  # pixels around the end of a sleeve that belong to the edit of it


def stayed_long(x: Tensor, edited: Tensor, shorter: Tensor) -> Tensor:
    """Which garments' sleeves an edit should have shortened and did not: bool (B,).

    Args:
        x, edited, shorter: pictures, their edit, and their edit to the shorter value, float (B, 3, H, W) in [-1, 1],
            garments on white.
    """
    by_edit, by_shorter = (_taken(x, y).flatten(1).sum(1) for y in (edited, shorter))
    return (by_shorter > SLEEVES * is_cloth(x).flatten(1).sum(1)) & (by_edit < SHORTENED * by_shorter)


def ends_cut_off(x: Tensor, shorter: Generated) -> Generated:
    """The edit to the shorter value, of the ends of the sleeves alone.

    Args:
        x: pictures (B, 3, H, W) in [-1, 1].
        shorter: their edit.
    """
    cloth, off = is_cloth(x).cpu().numpy(), _taken(x, shorter.image).cpu().numpy()
    ends = [_ends(*both) for both in zip(cloth, off, strict=True)]
    mask = shorter.mask * torch.from_numpy(np.stack(ends)).to(shorter.mask)[:, None]
    return Generated.blended(x, mask, shorter.raw)


def _ends(cloth: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Where the ends of sleeves are, float32 (h, w), 0 to 1: of every large part of what is taken off, bool (h, w), the
    far end, seen along its long axis from the middle of the garment's top."""
    out = np.zeros(off.shape, np.float32)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened(off, 3).astype(np.uint8))
    rows, columns = np.indices(off.shape)
    top = np.array([off.shape[1] / 2, float(cloth.any(1).argmax())])
    for part in range(1, count):
        if stats[part, cv2.CC_STAT_AREA] < LEAST * off.size:
            continue
        points = np.argwhere(labels == part)[:, ::-1]  # (n, 2), x and y
        axis = np.linalg.eigh(np.cov(points.T))[1][:, 1]
        axis = axis if (points.mean(0) - top) @ axis > 0 else -axis
        near, far = np.percentile(points @ axis, (2, 98))
        beyond = np.clip(columns * axis[0] + rows * axis[1] - (near + KEPT * (far - near)) + 0.5, 0, 1)
        around = cv2.dilate((labels == part).astype(np.uint8), np.ones((BESIDE, BESIDE)))
        out = np.maximum(out, beyond * around)
    return out.astype(np.float32)


def _taken(x: Tensor, edited: Tensor) -> Tensor:
    """Cloth that is white afterwards, bool (B, H, W)."""
    return is_cloth(x) & is_white(edited)
