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

    Cloth in shade has less chroma, at most in proportion to its lightness. So of each pixel's chroma what may be shade
    is taken for the cloth's, and as much of the wanted colour's comes instead; what is left, a weave of two colours,
    turns with the hue and shrinks with the chroma: red folds leave no pink on white.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        masks: (B, 1, H, W) in 0..1.
        source, target: statistics (B, 6) of the present and the wanted colour.
    """
    lab = rgb_to_lab(images)
    s, t = source[:, :, None, None], target[:, :, None, None]
    shade = lab[:, :1] - s[:, :1]
    saturation = _saturation(lab, s)
    other = lab[:, 1:] - saturation * s[:, 1:3]
    # Shading moves lightness, a print mostly chroma: as far as shades go, lightness counts less towards "another
    # colour".
    distance = (0.4 * shade) ** 2 + (1.5 * F.relu(shade.abs() - SHADES)) ** 2 + other.square().sum(1, keepdim=True)
    # Strong colours vary more under one light.
    width = 16.0 * (1 + s[:, 1:3].square().sum(1, keepdim=True).sqrt() / 200)
    cloth = torch.exp(-distance / (2 * width**2)) * masks
    contrast = (t[:, 3:4] / s[:, 3:4].clamp(min=1)).clamp(0.6, 1.5)
    lightness = (t[:, :1] + shade * contrast).clamp(2, 98)
    chroma = t[:, 1:3] * saturation + _turned(other, s[:, 1:3], t[:, 1:3])
    change = lab_to_rgb(lab + cloth * (torch.cat([lightness, chroma], 1) - lab)) - images
    # The garment's edge is blended with white already: it takes the change of the cloth beside it, as far as it is
    # covered. How far says its colour, between white and the cloth's; of pale cloth only the mask.
    inner = -dilate(-masks, 1)
    weight = _near(inner).clamp(min=0.02)
    beside, cloth_beside = _near(change * inner) / weight, 1 - _near(images * inner) / weight
    strength = cloth_beside.square().sum(1, keepdim=True)
    seen = ((1 - images) * cloth_beside).sum(1, keepdim=True) / strength.clamp(min=0.1)
    covered = torch.where(strength > 0.3, seen.clamp(0, 1) * dilate(masks, 1), F.avg_pool2d(masks, 3, 1, 1))
    return (images + inner * change + (1 - inner) * covered * beside).clamp(-1, 1)


SHADES = 22.0  # in lightness: cloth in folds differs by up to so much; what differs more is rather another colour


def _near(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 5, 1, 2)


def _saturation(lab: Tensor, usual: Tensor) -> Tensor:
    """Chroma of each pixel in the cloth's hue, over the cloth's, as far as light and shade explain it; (B, 1, H, W)."""
    # Of black cloth lightness is mostly noise: the constant lets it count for less.
    share = ((lab[:, :1] + 6) / (usual[:, :1] + 6)).clamp(0.2, 1.2)
    strength = usual[:, 1:3].square().sum(1, keepdim=True)
    own = (lab[:, 1:] * usual[:, 1:3]).sum(1, keepdim=True) / strength.clamp(min=1)
    explained = torch.minimum(torch.maximum(own, 0.9 * share.clamp(max=1)), share.clamp(min=1) + 0.1)
    return torch.where(strength > 8.0**2, explained, share.clamp(0.7, 1.1))


def _turned(chroma: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """A difference in chroma (B, 2, H, W), turned from one hue to the other and scaled as their chroma; of gray cloth,
    which has no hue, it is light from elsewhere, of which little is kept."""
    from_, to = (v.square().sum(1, keepdim=True).sqrt() for v in (source, target))
    u, v = source / from_.clamp(min=1e-3), target / to.clamp(min=1e-3)
    cos, sin = (u * v).sum(1, keepdim=True), u[:, :1] * v[:, 1:] - u[:, 1:] * v[:, :1]
    a, b = chroma[:, :1], chroma[:, 1:]
    turned = torch.cat([cos * a - sin * b, sin * a + cos * b], 1) * (0.7 * to / from_.clamp(min=8)).clamp(max=0.9)
    coloured = ((from_ - 4) / 8).clamp(0, 1)
    return coloured * turned + (1 - coloured) * 0.3 * chroma
