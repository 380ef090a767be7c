"""Projected GAN (Sauer et al. 2021): critics of a trained network's maps at several depths, mixed at random.

A critic that sees the maps as they are looks at the few channels that tell real from generated most easily. So they are
mixed by fixed random convolutions first: across channels, and from the deepest depth upward across scales.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from amgan.schema import AttributeSchema

SMALLEST = 4  # side to which a critic brings larger maps


class Mixing(nn.Module):
    """Fixed random projections: 1x1 convolutions mix channels (CCM), then 3x3 convolutions and enlargement bring what
    is deep to what is shallow (CSM).

    Args:
        channels: of the maps, from the shallowest to the deepest.
        width: of what comes out, at every depth.
        mixed: False leaves the maps as they are.
    """

    def __init__(self, channels: Sequence[int], width: int, mixed: bool = True) -> None:
        super().__init__()
        self.mixed = mixed
        self.across_channels = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False) for c in channels if mixed)
        self.across_scales = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in channels[1:] if mixed
        )
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
        self.requires_grad_(False)
        self.channels = [width] * len(channels) if mixed else list(channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C, h, w), each half as large as the one before, to as many maps (B, width, h, w) of unit mean
        square: networks and depths differ in how large theirs are."""
        out = [unit_mean_square(m) for m in maps]
        if not self.mixed:
            return out
        out = [conv(m) for conv, m in zip(self.across_channels, out, strict=True)]
        for i in reversed(range(len(out) - 1)):
            deeper = F.interpolate(self.across_scales[i](out[i + 1]), size=out[i].shape[2:], mode="bilinear")
            out[i] = (out[i] + deeper) / 2**0.5
        return [unit_mean_square(m) for m in out]


def unit_mean_square(x: Tensor) -> Tensor:
    """Feature maps (B, C, h, w), each picture's scaled to unit mean square."""
    return x * x.float().square().mean((1, 2, 3), keepdim=True).add(1e-6).rsqrt().to(x.dtype)


class MapsCritic(nn.Module):
    """Realness of pictures from a trained network's maps, one small critic for each depth, given the attributes that a
    picture shall show (projection discriminator, Miyato and Koyama 2018). Spectral normalisation bounds their slopes.

    Args:
        channels: of the maps, from the shallowest to the deepest.
        width: of the critics' layers, and of the mixed maps.
    """

    def __init__(self, schema: AttributeSchema, channels: Sequence[int], width: int = 64, mixed: bool = True) -> None:
        super().__init__()
        self.mixing = Mixing(channels, width, mixed)
        self.heads = nn.ModuleList(_Head(schema, c, width) for c in self.mixing.channels)

    def forward(self, maps: Sequence[Tensor], condition: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) and a condition (B, N + M) to one map of realness (B, 1, h', w') for each, float32."""
        return [head(m, condition) for head, m in zip(self.heads, self.mixing(maps), strict=True)]


class _Head(nn.Module):
    """Halves its map until it is about SMALLEST a side: 3x3 convolution, then 4x4 ones."""

    def __init__(self, schema: AttributeSchema, channels: int, width: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(channels, width, 3, padding=1))
        self.halve = spectral_norm(nn.Conv2d(width, width, 4, stride=2, padding=1))
        self.last = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.source = spectral_norm(nn.Conv2d(width, 1, 1))
        self.projection = spectral_norm(nn.Linear(schema.n_values + schema.n_attributes, width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = F.leaky_relu(self.first(x), 0.2)
        while min(h.shape[2:]) >= 4 * SMALLEST:  # 32 and 16 a side are halved once: what is local stays local
            h = F.leaky_relu(self.halve(h), 0.2)
        h = F.leaky_relu(self.last(h), 0.2)
        projected = (h * self.projection(condition)[:, :, None, None]).sum(1, keepdim=True)
        return (self.source(h) + projected).float()
