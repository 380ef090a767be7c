"""The crop that D_C sees: where alpha exceeds half its maximum, the largest connected region, its bounding box."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.ops import roi_align

MIN_SIDE = 16  # pixels; a smaller box would be blown up to mush


def edit_boxes(mask: Tensor) -> Tensor:
    """Bounding boxes of the largest region of each mask above half its maximum.

    Args:
        mask: alpha in [0, 1], float (B, 1, S, S).

    Returns:
        float32 (B, 4): x1, y1, x2, y2 in pixels, at least MIN_SIDE wide and high, inside the picture.
    """
    size = mask.shape[-1]
    alpha = mask.detach().float().cpu()
    above = (alpha > 0.5 * alpha.amax((2, 3), keepdim=True))[:, 0].numpy().astype(np.uint8)
    boxes = np.empty((len(above), 4), dtype=np.float32)
    for i, region in enumerate(above):
        count, _, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=8)
        if count > 1:
            left, top, width, height, _ = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()]
        else:
            left, top, width, height = 0, 0, size, size
        least = min(MIN_SIDE, size)
        if width < least:
            left, width = max(0, min(left - (least - width) // 2, size - least)), least
        if height < least:
            top, height = max(0, min(top - (least - height) // 2, size - least)), least
        boxes[i] = left, top, left + width, top + height
    return torch.from_numpy(boxes).to(mask.device)


def crop(images: Tensor, boxes: Tensor) -> Tensor:
    """The same boxes cut from pictures (B, 3, S, S) and resized to (B, 3, S/2, S/2), differentiable in the pictures."""
    index = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)[:, None]
    half = images.shape[-1] // 2
    return roi_align(images.float(), torch.cat([index, boxes], dim=1), half, sampling_ratio=2, aligned=True)
