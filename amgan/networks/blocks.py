"""Pieces that several networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def laid_out_as(x: Tensor, like: Tensor) -> Tensor:
    """x (B, C, H, W) in the memory layout of another such tensor: channels last, or not."""
    last = like.is_contiguous(memory_format=torch.channels_last) and not like.is_contiguous()
    return x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


class ResBlock(nn.Module):
    """Pre-activation residual block with batch normalisation, optionally halving the resolution."""

    def __init__(self, in_channels: int, out_channels: int, down: bool = False, dilation: int = 1) -> None:
        super().__init__()
        self.down = down
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.skip = (
            nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(x))
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        h = self.conv2(F.relu(self.norm2(self.conv1(h))))
        return self.skip(x) + h
