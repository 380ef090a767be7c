"""The critics D_I (whole picture) and D_C (crop around the edit): PatchGANs with a source head and a class head."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from amgan.schema import AttributeSchema


class Discriminator(nn.Module):
    """Strided convolutions, then a source head (realness per patch) and a class head (N logits).

    Args:
        size: side of its input in pixels; must be at least ``2 ** layers``.
        channels: of the first layer; doubled at each, up to ``cap``.
        layers: halvings. The paper's D_C sees half the size and has two fewer than D_I.
    """

    def __init__(self, schema: AttributeSchema, size: int, channels: int = 64, layers: int = 6, cap: int = 512) -> None:
        super().__init__()
        widths = [3] + [min(channels * 2**i, cap) for i in range(layers)]
        self.body = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.source = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.classes = nn.Conv2d(widths[-1], schema.n_values, max(1, size // 2**layers), bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures in [-1, 1], float (B, 3, H, W), to realness (B, 1, h, w) and class logits (B, N), both float32."""
        for conv in self.body:
            x = F.leaky_relu(conv(x), 0.2)
        return self.source(x).float(), self.classes(x).flatten(1).float()
