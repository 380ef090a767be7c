"""Pieces that several networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def laid_out_as(x: Tensor, like: Tensor) -> Tensor:
    """x (B, C, H, W) in the memory layout of another such tensor: channels last, or not."""
    last = like.is_contiguous(memory_format=torch.channels_last) and not like.is_contiguous()
    return x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def conv_of_planes(numbers: Tensor, weight: Tensor, height: int, width: int) -> Tensor:
    """What a convolution with zero padding, odd kernel and stride 1 makes of constant planes, without the planes: far
    from the border the same everywhere, so that only the border's kinds of places are worked out.

    Args:
        numbers: the planes' values, float32 (B, C).
        weight: of the convolution, (O, C, k, k).

    Returns:
        (B, O, height, width), channels last, float32.
    """
    k = weight.shape[-1]
    with torch.autocast(numbers.device.type, enabled=False):  # little work, and sums of many terms
        taps = numbers @ weight.flatten(2).permute(1, 0, 2).flatten(1)  # (B, O k k)
        taps = taps.view(len(numbers), -1, k, k)
        rows, columns = (_taps_inside(k, size, numbers) for size in (height, width))
        # Where a tap falls outside of the picture it counts for nothing.
        by_row = torch.einsum("boij,iy->byjo", taps, rows).contiguous()  # (B, H, k, O)
        return torch.matmul(columns.T, by_row).permute(0, 3, 1, 2)


def _taps_inside(k: int, size: int, like: Tensor) -> Tensor:
    """Float (k, size), 1 where a kernel's tap at a place falls inside of the picture."""
    at = torch.arange(size, device=like.device) + torch.arange(k, device=like.device)[:, None] - k // 2
    return ((at >= 0) & (at < size)).to(like.dtype)


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


def cloth_colour(x: Tensor) -> Tensor:
    """Mean colour of what is not white, each pixel weighted by its distance to white: (B, 3, H, W) to (B, 3)."""
    weight = (1 - x.amin(1, keepdim=True)).clamp(min=0)
    return (weight * x).sum((2, 3)) / (weight.sum((2, 3)) + 1e-3)
