"""Room for long sleeves beside a wide garment.

The frame is scaled by a garment's height (``amgan.photos.framing``), and a wide one leaves so little at its sides that
sleeves as a generator paints them run out of the picture. Such a garment is shown to the generator once more, squeezed
until it is narrow enough. What is painted then is stretched back: over the body evenly, beside it less, so that sleeves
are slenderer and end within the frame.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.editing.shapes import find_ground
from amgan.photos.framing import BODY_TOP

FITS = 35 / 128  # half of a body's width, as a share of the frame, beside which there is room mostly
LESS = 0.87  # of its width, that a body has at most when it is squeezed
NARROWEST, WIDEST = 12 / 128, 46 / 128  # what is narrower is no body, and what is wider is squeezed no more than this
BODY = (0.47, 0.78)  # rows in which the width is taken, as shares of the frame: below the armholes, above the hem
CLOTH = 0.2  # darker than white, of 2: that is painted
BORDER, LEAST = 2, 3  # columns at either side, and pixels in them, from which a sleeve runs out


def runs_out(x: Tensor, y: Tensor) -> Tensor:
    """Whether edits (B, 3, S, S) in [-1, 1] paint to the very sides of the frame where the pictures have none:
    bool (B,)."""
    new = (y.amin(1) < 1 - CLOTH) & (x.amin(1) >= 1 - CLOTH)
    return torch.cat([new[..., :BORDER], new[..., -BORDER:]], dim=2).sum((1, 2)) >= LEAST


def half_widths(x: Tensor) -> Tensor:
    """Half of the bodies' widths in pixels, float32 (B,), of pictures (B, 3, S, S) in [-1, 1]; within what ``squeezed``
    takes."""
    pictures = ((x.float() + 1) / 2).permute(0, 2, 3, 1).cpu().numpy()
    widths = torch.tensor([half_width(find_ground(picture)) for picture in pictures], device=x.device)
    return widths.clamp(NARROWEST * x.shape[3], WIDEST * x.shape[3])


def half_width(ground: np.ndarray) -> float:
    """Half of a body's width in pixels: the median over its rows of what lies around the frame's middle without white;
    0 where nothing does.

    Args:
        ground: bool (S, S), the white around a garment.
    """
    side = len(ground)
    rows, middle = ground[round(BODY[0] * side) : round(BODY[1] * side)], side // 2
    rows = rows[~rows[:, middle]]
    if not len(rows):
        return 0.0
    halves = (rows[:, middle - 1 :: -1], rows[:, middle:])
    left, right = (np.where(half.any(1), half.argmax(1), middle) for half in halves)
    return float(np.median(left + right)) / 2


def squeezed(x: Tensor, half: Tensor) -> Tensor:
    """Pictures (B, C, S, S) with room beside bodies of these half widths, (B,)."""
    fits = _fitting(half, x.shape[3])
    return _sampled(x, half / fits, fits, half)


def stretched(a: Tensor, half: Tensor) -> Tensor:
    """What was painted on squeezed pictures, (B, C, S, S), where it belongs on the others."""
    fits = _fitting(half, a.shape[3])
    return _sampled(a, fits / half, half, fits)


def _fitting(half: Tensor, side: int) -> Tensor:
    return (LESS * half).clamp(max=FITS * side)


def _sampled(a: Tensor, scale: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """Pixels of (B, C, S, S), where half a body is ``here`` pixels wide in the result and ``there``, ``scale`` times as
    many, in ``a``; beside it what is left on either side of the frame. Rows are scaled from the collar on."""
    side = a.shape[3]
    centres = torch.arange(side, device=a.device) + 0.5
    off, half = centres - side / 2, side / 2
    far, here, there, scale = off.abs(), here[:, None], there[:, None], scale[:, None]
    beside = there + (far - here) * ((half - there) / (half - here))
    columns = off.sign() * torch.where(far <= here, far * scale, beside)
    rows = BODY_TOP * side + (centres - BODY_TOP * side) * scale - half
    grid = torch.stack(torch.broadcast_tensors(columns[:, None], rows[..., None]), dim=3) / half
    return F.grid_sample(a, grid.to(a.dtype), padding_mode="border", align_corners=False)
