"""Pieces of cloth beside a garment, in the air: ends of sleeves that a generator grew without what is between, and ends
that it left where it took a sleeve off."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.editing.shapes import dilate, disc, find_ground, touching
from amgan.models.interface import Generated
from amgan.pixels import to_arrays

LEAST = 0.0005  # of the frame: what is smaller is dust, or a tip that two pixels would join
MOSTLY = 0.9  # of a piece of the garment: its edge may touch something else
NEAR = 5  # pixels: what is parted by less is one piece: white stripes of a sleeve
HAZE = 5  # pixels: side of the disc by which a piece is surrounded with its own edge


def without_loose(x: Tensor, made: Generated) -> Generated:
    """The edits without what hangs together with the garment no more, or never did; pieces that lay beside it in the
    photo stay.

    Args:
        x: pictures (B, 3, H, W) in [-1, 1], garments on white.
        made: their edits.
    """
    pieces = [_loose(*pair) for pair in zip(to_arrays(x), to_arrays(made.image), strict=True)]
    rows = [row for row, piece in enumerate(pieces) if piece is not None]
    if not rows:
        return made
    at = torch.tensor(rows, device=x.device)
    gone, lay = (torch.from_numpy(np.stack(a))[:, None].to(x.device) for a in zip(*filter(None, pieces), strict=True))
    mask = torch.where(gone, lay.to(made.mask), made.mask[at])
    raw = torch.where(gone, 1.0, made.raw[at])
    return made.with_rows(at, Generated.blended(x[at], mask, raw))


def _loose(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """What is to go of an edit y of a picture x, both float32 (h, w, 3), RGB in [0, 1], and what of it the photo shows,
    both bool (h, w); None where nothing is to go."""
    before, after = ~find_ground(x), ~find_ground(y)
    count, labels, stats, middles = cv2.connectedComponentsWithStats(_joined(after).astype(np.uint8))
    if count <= 2:  # the ground, and the garment
        return None
    garment = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    hung_together = touching(_joined(before), before & (labels == garment))  # with the garment, in the photo
    pieces = np.zeros_like(after)
    left, width = stats[garment, cv2.CC_STAT_LEFT], stats[garment, cv2.CC_STAT_WIDTH]
    for label in range(1, count):
        piece = labels == label
        # A strap over the shoulder may be broken; it lies above.
        above = left <= middles[label, 0] < left + width and middles[label, 1] < middles[garment, 1]
        if label != garment and not above and stats[label, cv2.CC_STAT_AREA] >= LEAST * after.size:
            lay = hung_together[piece & before]
            if not len(lay) or lay.mean() > MOSTLY:  # else it lay beside the garment in the photo
                pieces |= piece
    if not pieces.any():
        return None
    gone = (dilate(pieces, HAZE) > 0) & (labels != garment)
    return gone, gone & before


def _joined(cloth: np.ndarray) -> np.ndarray:
    return cv2.morphologyEx(cloth.astype(np.uint8), cv2.MORPH_CLOSE, disc(NEAR)) > 0
