"""Learned pictures that lie where the garment lies, and that an edit mixes: what convolutions cannot count.

A convolution does the same everywhere. Where the fifth stripe is, or the middle of the front where a zip goes, it can
only guess from borders. So the generator has planes of its own (the learned constant of StyleGAN, Karras et al. 2019,
at the picture's resolution; half of them begin as waves, the Fourier features of Tancik et al. 2020). The condition
says how much of each goes into a few mixed channels, and the picture says how they lie: where they are moved, turned
and enlarged to (a spatial transformer, Jaderberg et al. 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 128  # of the planes, in pixels
MIXED = 8  # channels that the planes are mixed into
EXTENT = 4  # numbers of ``extent``
LIFT = 8.0  # planes are kept so much smaller: Adam moves every number by as much, and these have far to go
LOWEST, HIGHEST = 1.0, 40.0  # periods of a wave over the picture


def extent(x: Tensor) -> Tensor:
    """Where the garment lies on its white ground: centre and standard deviations, x and y, in a frame from -1 to 1.

    Args:
        x: pictures in [-1, 1], float (B, 3, H, W).

    Returns:
        float (B, 4).
    """
    weight = (1 - x.amin(1)).clamp(min=0, max=1)  # (B, H, W)
    total = weight.sum((1, 2)) + 1e-3
    rows, columns = weight.sum(2), weight.sum(1)
    moments = []
    for mass in (columns, rows):
        at = _places(mass.shape[1], x)
        centre = (mass * at).sum(1) / total
        spread = (mass * at.square()).sum(1) / total - centre.square()
        moments += [centre, (spread.clamp(min=0) + 1e-4).sqrt()]
    return torch.stack([moments[0], moments[2], moments[1], moments[3]], dim=1)


class Motifs(nn.Module):
    """K planes, mixed and laid on the garment.

    Args:
        count: K.
        condition: how many numbers say what is edited, and how the garment looks.
        only: planes are nothing where all these numbers of the condition, flags, are 0; None: they always are there.
    """

    def __init__(self, count: int, condition: int, only: Sequence[int] | None = None) -> None:
        super().__init__()
        self.only = None if only is None else list(only)
        self.planes = nn.Parameter(_waves(count) / LIFT)  # (K, SIDE, SIDE)
        self.mix = nn.Linear(condition, MIXED * count)
        nn.init.normal_(self.mix.weight, std=condition**-0.5)
        self.place = nn.Linear(condition + EXTENT, 5)  # zoom x, zoom y, turn, move x, move y
        nn.init.zeros_(self.place.weight)
        nn.init.zeros_(self.place.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Mixed planes, float32 (B, MIXED, H, W), of pictures (B, 3, H, W) and conditions (B, condition)."""
        with torch.autocast(x.device.type, enabled=False):  # places need more than eight bits
            x, condition = x.float(), condition.float()
            b, count = len(x), len(self.planes)
            share = self.mix(condition).view(b, MIXED, count) * (LIFT * count**-0.5)
            if self.only is not None:
                share = share * condition[:, self.only].sum(1).clamp(max=1)[:, None, None]
            mixed = (share @ self.planes.flatten(1)).view(b, MIXED, SIDE, SIDE)
            return F.grid_sample(mixed, self._laid(x, condition), padding_mode="border", align_corners=False)

    def needed(self, condition: Tensor) -> bool:
        """Whether some of it is not nothing. Asked of the numbers themselves only where that takes no waiting for a
        device, and no network is recorded that other numbers will go through, or trained."""
        if self.only is None or self.training or condition.device.type != "cpu":
            return True
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return True
        return bool(condition[:, self.only].any())

    def _laid(self, x: Tensor, condition: Tensor) -> Tensor:
        """Which place of the planes each pixel shows, (B, H, W, 2), from -1 to 1."""
        where = extent(x)
        zoom_x, zoom_y, turn, right, down = (0.5 * self.place(torch.cat([condition, where], dim=1))).unbind(1)
        cos, sin = torch.cos(turn), torch.sin(turn)
        zoom_x, zoom_y = torch.exp(zoom_x), torch.exp(zoom_y)
        # Not affine_grid: OpenVINO has none.
        theta = torch.stack([cos * zoom_x, sin * zoom_x, -sin * zoom_y, cos * zoom_y], dim=1).view(-1, 2, 2)
        rows, columns = (_places(side, x) for side in x.shape[2:])
        at = torch.stack([columns.expand(len(rows), -1), rows[:, None].expand(-1, len(columns))], dim=-1)
        moved = at.flatten(0, 1) @ theta + torch.stack([right, down], dim=1)[:, None]
        return moved.view(-1, len(rows), len(columns), 2)


def _places(side: int, like: Tensor) -> Tensor:
    """Of a row of pixels, from -1 to 1, (side,)."""
    return (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) * (2 / side) - 1


def _waves(count: int) -> Tensor:
    """What planes begin as, (count, SIDE, SIDE): one half are waves of all periods, along x, along y and slanting, the
    other half nearly nothing."""
    at = (torch.arange(SIDE) + 0.5) / SIDE
    planes = 0.1 * torch.randn(count, SIDE, SIDE)
    waves = count // 2
    for k in range(waves):
        periods = LOWEST * (HIGHEST / LOWEST) ** (k / max(1, waves - 1))
        angle = (0.0, math.pi / 2, math.pi * float(torch.rand((), device="cpu")))[k % 3]
        along = math.cos(angle) * at[None, :] + math.sin(angle) * at[:, None]
        planes[k] = torch.sin(2 * math.pi * (periods * along + float(torch.rand((), device="cpu"))))
    return planes
