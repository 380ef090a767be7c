"""Grown sleeves in the garment's own cloth, as networks and search see them: at the model's size.

A generator gives a sleeve its place and outline reliably; of its cloth it paints an average, with blotches for folds.
``amgan.editing.painting`` carries the garment's own cloth to the photo's size, and here to the model's.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from amgan.editing.grown import find_grown
from amgan.editing.painting import account, paint_grown
from amgan.editing.shapes import find_ground
from amgan.editing.taken import clean_ground
from amgan.models.interface import Generated
from amgan.pixels import to_arrays


def in_own_cloth(x: Tensor, made: Generated) -> Generated:
    """The edits, those that grew sleeves with these in their garments' cloth; others as they are.

    Args:
        x: pictures (B, 3, H, W) in [-1, 1], garments on white.
        made: their edits.
    """
    before, after, raw = (to_arrays(a) for a in (x, made.image, made.raw))  # (B, H, W, 3)
    masks = made.mask[:, 0].float().cpu().numpy()
    rows, found = [], []
    for row, edit in enumerate(zip(before, after, masks, raw, strict=True)):
        if (painted := _painted(*edit)) is not None:
            rows.append(row)
            found.append(painted)
    if not rows:
        return made
    images, alphas, raws = (torch.from_numpy(np.stack(a)).permute(0, 3, 1, 2) for a in zip(*found, strict=True))
    return made.with_rows(torch.tensor(rows, device=x.device), Generated(2 * images - 1, alphas, 2 * raws - 1))


def _painted(
    x: np.ndarray, y: np.ndarray, alpha: np.ndarray, raw: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Image, mask and raw picture, float32 (h, w, 3 or 1) in [0, 1]; None where no sleeve grew."""
    ground = find_ground(x)
    image, alpha = clean_ground(x, y, alpha, ground)
    grown = find_grown(x, image, alpha, ground, np.ones_like(alpha))
    if grown is None or not grown.aside:
        return None
    image, mask, raw = image.copy(), alpha[..., None].copy(), raw.copy()
    for box, pixels, share in paint_grown(grown, x, image.copy()):
        image[box], mask[box] = pixels, np.maximum(mask[box], share)
    account(x, image, mask, raw)
    return image, mask, raw
