"""The crop that D_C sees: where alpha exceeds half its maximum, the largest connected region, its bounding box."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MIN_SIDE = 16  # pixels; a smaller box would be blown up to mush


def connected_regions(mask: Tensor) -> Tensor:
    """Name the 8-connected regions of masks: on a CPU by OpenCV, elsewhere all at once and without waiting for the
    device.

    Args:
        mask: bool (B, 1, H, W).

    Returns:
        int64 (B, H W): 0 outside, and within one region one number from 1 to H W.
    """
    return _regions_by_opencv(mask) if mask.device.type == "cpu" else regions_by_rounds(mask)


def _regions_by_opencv(mask: Tensor) -> Tensor:
    labels = [cv2.connectedComponents(m, connectivity=8)[1] for m in mask[:, 0].numpy().astype(np.uint8)]
    return torch.from_numpy(np.stack(labels)).long().flatten(1)


def regions_by_rounds(mask: Tensor) -> Tensor:
    """``connected_regions`` in tensor operations.

    Every pixel carries the number of a pixel of its region. A round takes the largest number among its neighbours,
    tells it to the pixel whose number it carried, and follows the new one (the hooking and pointer jumping of Shiloach
    and Vishkin, 1982), so that a few rounds do for any shape.
    """
    shape = mask.shape
    inside = mask.flatten(1)
    label = torch.arange(1, inside.shape[1] + 1, device=mask.device).expand_as(inside) * inside
    for _ in range(2 * math.ceil(math.log2(max(2, *shape[2:])))):
        # float32 holds whole numbers to 2^24, a picture of 4,096 pixels a side.
        near = F.max_pool2d(label.view(shape).float(), 3, 1, 1).long().flatten(1) * inside
        named = (label - 1).clamp(min=0)
        label = label.scatter_reduce(1, named, near, "amax")
        label = torch.maximum(label, near) * inside
        label = label.gather(1, (label - 1).clamp(min=0)) * inside
    return label


def edit_boxes(mask: Tensor) -> Tensor:
    """Bounding boxes of the largest region of each mask above half its maximum.

    Args:
        mask: alpha in [0, 1], float (B, 1, S, S).

    Returns:
        float32 (B, 4): x1, y1, x2, y2 in pixels, at least MIN_SIDE wide and high, inside the picture.
    """
    size = mask.shape[-1]
    alpha = mask.detach().float()
    label = connected_regions(alpha > 0.5 * alpha.amax((2, 3), keepdim=True))
    area = torch.zeros(len(label), label.shape[1] + 1, device=mask.device)
    area = area.scatter_add(1, label, (label > 0).float())
    largest, name = area.max(1, keepdim=True)
    region = torch.where(largest > 0, label == name, True).view(-1, size, size)  # nothing edited: the whole picture
    least = min(MIN_SIDE, size)
    columns, rows = _extent(region.any(1), least), _extent(region.any(2), least)
    return torch.stack([columns[0], rows[0], columns[1], rows[1]], dim=1).float()


def _extent(occupied: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Where bool (B, S) begins and ends, widened to ``least`` around its middle: two tensors (B,)."""
    size = occupied.shape[1]
    start = occupied.byte().argmax(1)
    length = size - occupied.flip(1).byte().argmax(1) - start
    wide = length.clamp(min=least)
    start = torch.where(length < least, (start - (least - length) // 2).clamp(min=0), start)
    start = torch.minimum(start, size - wide)
    return start, start + wide


def crop(images: Tensor, boxes: Tensor, side: int | None = None) -> Tensor:
    """The same boxes cut from pictures (B, 3, S, S) and resized to ``side``, half of S when not given; differentiable
    in the pictures. What lies outside is white (1)."""
    from torchvision.ops import roi_align  # see amgan.models.backbones

    index = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)[:, None]
    boxes = torch.cat([index, boxes], dim=1)
    return roi_align(images.float() - 1, boxes, side or images.shape[-1] // 2, sampling_ratio=2, aligned=True) + 1


def moved(boxes: Tensor, jitter: Tensor, share: float) -> Tensor:
    """Boxes (B, 4) shifted and scaled by up to a share of their sides, as ``jitter``, (B, 3) in [-1, 1), says."""
    low, high = boxes.chunk(2, dim=1)
    centre, side = (low + high) / 2 + share * jitter[:, :2] * (high - low), (high - low) * (1 + share * jitter[:, 2:])
    return torch.cat([centre - side / 2, centre + side / 2], dim=1)


def squared(boxes: Tensor, margin: float) -> Tensor:
    """Square boxes around boxes (B, 4), with a margin on each side in shares of the longer one: what is cut out keeps
    its proportions, and something of what it borders on."""
    low, high = boxes.chunk(2, dim=1)
    half = (high - low).amax(1, keepdim=True) * (0.5 + margin)
    centre = (low + high) / 2
    return torch.cat([centre - half, centre + half], dim=1)
