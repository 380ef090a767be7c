"""Both sides of a garment: a sleeve that a generator grew on one side alone.

Generators favour the side that they saw more examples of: on the other a sleeve is missing, short, or streaks in the
air. A mirrored garment is as good a garment, so that side is taken from the edit of the mirrored picture, if more of a
sleeve has grown there.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from amgan.editing.shapes import WHITE, opened, touching
from amgan.models.interface import Generated

CLOTH = 240 / 255  # one of the edit with a channel below is cloth
LEAST = 0.005  # share of the frame that is a sleeve
SHARE = 0.7  # of the other side's new cloth: with less, a side was left out
MORE = 1.1  # times as much new cloth as before makes the mirrored edit the better one
SEAM = 8  # pixels over which the two halves are blended, in the middle, where a sleeve edit changes nothing


def left_out(x: Tensor, edited: Tensor) -> Tensor:
    """Which side of each picture grew no cloth, or much less, while the other did: int64 (B,), -1 the left one, 1 the
    right one, 0 neither.

    Args:
        x, edited: float (B, 3, H, W) in [-1, 1], garments on white.
    """
    left, right = _new_cloth(x, edited).unbind(1)
    least = LEAST * x.shape[2] * x.shape[3]
    return ((right > least) & (left < SHARE * right)).long().neg() + ((left > least) & (right < SHARE * left)).long()


def with_other_side(x: Tensor, made: Generated, mirrored: Generated, side: Tensor) -> Generated:
    """The edit with the side that was left out taken from the edit of the mirrored pictures, where more grew there.

    Args:
        x, made: pictures and their edit.
        mirrored: the edit of ``x.flip(3)``.
        side: see ``left_out``; none is 0.
    """
    other = Generated(*(a.flip(3) for a in mirrored[:3]))
    column = (side[:, None] > 0).long()
    before, after = (_new_cloth(x, g.image).gather(1, column) for g in (made, other))
    across = (torch.arange(x.shape[3], device=x.device) - (x.shape[3] - 1) / 2) / SEAM  # 0 in the middle
    weight = (0.5 + across * side[:, None]).clamp(0, 1) * (after > MORE * before)
    return Generated(*(torch.lerp(a, b, weight[:, None, None].to(a)) for a, b in zip(made[:3], other[:3], strict=True)))


def is_white(x: Tensor) -> Tensor:
    """Of pictures (B, 3, H, W) in [-1, 1], bool (B, H, W)."""
    return x.amin(1) >= 2 * WHITE - 1


def is_cloth(x: Tensor) -> Tensor:
    """The same; what is neither is haze."""
    return x.amin(1) < 2 * CLOTH - 1


def _new_cloth(x: Tensor, edited: Tensor) -> Tensor:
    """Pixels of cloth on the photo's white that hang together with the garment, left and right of the middle: float
    (B, 2). Streaks a pixel wide are none."""
    white, cloth = is_white(x).cpu().numpy(), is_cloth(edited).cpu().numpy()
    middle = x.shape[3] // 2
    counts = []
    for ground, painted in zip(white, cloth, strict=True):
        solid = opened(ground & painted, 3)
        new = solid & touching(solid | ~ground, ~ground)
        counts.append((np.count_nonzero(new[:, :middle]), np.count_nonzero(new[:, middle:])))
    return torch.tensor(counts, dtype=torch.float32, device=x.device).reshape(len(x), 2)
