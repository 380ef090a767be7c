"""What mask and network agree on: the truths that the cut-out network's second round learns from."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from amgan.data.outlines import Outline
from amgan.models.segmenter import CutOutNetwork
from amgan.photos.learned import overlap_of
from amgan.photos.letterbox import fitted_shape, letterbox, unletterbox
from amgan.pixels import to_float


@torch.inference_mode()
def views(network: CutOutNetwork, outline: Outline, device: torch.device) -> np.ndarray:
    """What the network makes of a photo as it is, and smaller and mirrored: float32 (2, h, w) in [0, 1], at the size at
    which the network sees the photo."""
    side, image = network.image_size, outline.image
    framed = np.pad(image, [(n // 8, n // 8) for n in image.shape[:2]] + [(0, 0)], mode="reflect")
    squares = [letterbox(image, side), letterbox(framed[:, ::-1], side)]
    x = to_float(torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).to(device))
    shares = network(x.contiguous(memory_format=torch.channels_last))[0].float().sigmoid()[:, 0].cpu().numpy()
    part = unletterbox(shares[1], framed.shape)[:, ::-1]
    top, left = (round(n // 8 / m * s) for n, m, s in zip(image.shape, framed.shape, part.shape, strict=False))
    part = part[top : part.shape[0] - top, left : part.shape[1] - left]
    return np.stack([unletterbox(shares[0], image.shape), resized(part, fitted_shape(image.shape, side))])


def agreed(outline: Outline, seen: np.ndarray, agree: float, sure: float) -> Outline | None:
    """An outline with the truth that mask and network agree on, see ``amgan.training.segmenter``; None where they do
    not.

    Args:
        seen: of ``views``.
        agree: overlap of mask and network from which they do.
        sure: overlap of the network's views from which they are believed without a mask.
    """
    shape = outline.image.shape[:2]
    mean = seen.mean(0)
    unanimous = overlap_of(np.all(seen > 0.5, axis=0), np.any(seen > 0.5, axis=0))
    own = resized(mean, shape)
    if outline.target is not None:
        given = outline.target.astype(np.float32) / 255
        if overlap_of(given > 0.5, own > 0.5) >= agree:
            differ = (given > 0.5) != (own > 0.5)
            return outline.with_target(_bytes((given + own) / 2), np.where(differ, 0, 255).astype(np.uint8))
    if unanimous < sure:
        return None
    doubtful = (own > 0.25) & (own < 0.75)
    return outline.with_target(_bytes(own > 0.5), np.where(doubtful, 0, 255).astype(np.uint8))


def resized(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Float32 (h, w) to (H, W)."""
    x = torch.from_numpy(np.ascontiguousarray(plane))[None, None]
    return F.interpolate(x, size=shape, mode="bilinear", align_corners=False)[0, 0].numpy()


def _bytes(share: np.ndarray) -> np.ndarray:
    return np.clip(share.astype(np.float32) * 255 + 0.5, 0, 255).astype(np.uint8)
