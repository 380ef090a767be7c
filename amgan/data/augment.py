"""Geometric augmentation of whole batches on the device: flip, shift, scale, rotation, the same for all that belongs
together.

Colours are labels here, so nothing photometric.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

STILL = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # what leaves a picture where it is, for ``warp``


def random_affine(
    batch: int, generator: torch.Generator, shift: float = 0.05, scale: float = 0.08, degrees: float = 8.0
) -> Tensor:
    """Random flips and small similarity transforms, float32 (B, 2, 3), for ``warp``. Shift is in shares of the
    frame."""
    u = torch.rand(batch, 5, generator=generator) * 2 - 1
    flip = torch.where(u[:, 0] < 0, -1.0, 1.0)
    angle = u[:, 1] * math.radians(degrees)
    zoom = torch.exp(u[:, 2] * math.log1p(scale))
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    # Coordinates run from -1 to 1, so a shift in shares of the frame counts twice.
    return torch.stack(
        [
            torch.stack([cos * flip, -sin, u[:, 3] * shift * 2], dim=1),
            torch.stack([sin * flip, cos, u[:, 4] * shift * 2], dim=1),
        ],
        dim=1,
    )


def random_flips(batch: int, generator: torch.Generator) -> Tensor:
    """Random flips alone, float32 (B, 2, 3), for ``warp``: no pixel is blended with its neighbours."""
    flip = torch.where(torch.rand(batch, generator=generator) < 0.5, -1.0, 1.0)
    return STILL * torch.stack([flip, torch.ones(batch)], 1)[:, :, None]


def warp(images: Tensor, theta: Tensor) -> Tensor:
    """Warp pictures in [-1, 1], float (B, C, H, W), by ``theta`` (B, 2, 3); what comes in from outside is white (1)."""
    grid = F.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images - 1, grid, padding_mode="zeros", align_corners=False) + 1


def warp_mask(masks: Tensor, theta: Tensor) -> Tensor:
    """Warp masks in [0, 1], float (B, C, H, W); outside is 0."""
    grid = F.affine_grid(theta.to(masks), list(masks.shape), align_corners=False)
    return F.grid_sample(masks, grid, padding_mode="zeros", align_corners=False)
