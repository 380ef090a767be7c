"""Cloth in another colour: what a garment's colour is, one clear shade for each name, and recolouring in Lab."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.pixels import dilate, lab_to_rgb, rgb_to_lab


def lab_statistics(images: Tensor, masks: Tensor) -> Tensor:
    """Median and mean absolute deviation of Lab under masks; of the whole picture where a mask is empty.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        masks: (B, 1, H, W) in 0..1.

    Returns:
        float32 (B, 6), the medians of L, a, b, then their deviations.
    """
    lab = rgb_to_lab(images)
    out = []
    for pixels, mask in zip(lab, masks, strict=True):
        inside = pixels[:, mask[0] > 0.5]  # (3, p)
        if inside.shape[1] == 0:
            inside = pixels.flatten(1)
        median = inside.median(dim=1).values
        out.append(torch.cat([median, (inside - median[:, None]).abs().mean(dim=1)]))
    return torch.stack(out)


def clear_shades(colour: Tensor, labels: Tensor, count: int) -> Tensor:
    """For each colour's name one shade that nobody would call otherwise, (count, 6) as of ``lab_statistics``.

    Of the garments that have the name, and whose shade is nearest to that name's median, those that lead farthest from
    neutral gray in its direction: the brightest quarter of the white ones, the reddest of the red ones. A pixel loss
    that is asked for red and shown every red answers with their average, which is dull.

    Args:
        colour: statistics of garments, (n, 6).
        labels: int64 (n,), their colours' names, UNKNOWN where not known.

    Returns:
        Zeros where no garment has the name.
    """
    out = colour.new_zeros(count, 6)
    names = labels.unique()
    names = names[names >= 0]
    if not len(names):
        return out
    medians = torch.stack([colour[labels == v, :3].median(dim=0).values for v in names])
    typical = names[torch.cdist(colour[:, :3], medians).argmin(1)] == labels
    gray = medians.mean(0) * medians.new_tensor([1.0, 0.0, 0.0])
    for v, median in zip(names, medians, strict=True):
        mine = ((labels == v) & typical).nonzero()[:, 0]
        if not len(mine):
            mine = (labels == v).nonzero()[:, 0]
        clear = (colour[mine, :3] - gray) @ (median - gray)
        clearest = mine[clear.argsort(descending=True)[: -(-len(mine) // 4)]]
        out[v] = colour[clearest].median(dim=0).values
    return out


def recolour(images: Tensor, masks: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Give cloth another colour: Lab moves with the median, lightness keeps its folds, and what has another colour than
    the cloth (a print) stays as it is.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        masks: (B, 1, H, W) in 0..1.
        source, target: statistics (B, 6) of the present and the wanted colour.
    """
    lab = rgb_to_lab(images)
    s, t = source[:, :, None, None], target[:, :, None, None]
    delta = lab - s[:, :3]
    # Shading moves lightness, a print mostly chroma: lightness counts less towards "another colour".
    distance = (0.4 * delta[:, :1]) ** 2 + delta[:, 1:2] ** 2 + delta[:, 2:] ** 2
    cloth = torch.exp(-distance / (2 * 16.0**2)) * masks
    contrast = (t[:, 3:4] / s[:, 3:4].clamp(min=1)).clamp(0.6, 1.5)
    moved = torch.cat([t[:, :1] + delta[:, :1] * contrast, t[:, 1:3] + 0.7 * delta[:, 1:]], dim=1)
    moved[:, 0].clamp_(2, 98)
    change = lab_to_rgb(lab + cloth * (moved - lab)) - images
    # The garment's edge is blended with white already: it takes the change of the cloth beside it, as far as it is
    # covered.
    inner = -dilate(-masks, 1)
    beside = F.avg_pool2d(change * inner, 5, 1, 2) / F.avg_pool2d(inner, 5, 1, 2).clamp(min=0.04)
    covered = F.avg_pool2d(masks, 3, 1, 1)
    return (images + inner * change + (1 - inner) * covered * beside).clamp(-1, 1)
