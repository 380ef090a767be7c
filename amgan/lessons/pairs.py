"""Constructed training pairs: one garment and a copy of it with an attribute changed by hand, so that one of both is
exact.

Nobody has photographs of the same shirt with and without its sleeves. But a long sleeve can be cut off along another
garment's silhouette, another sewn on (see sleeves.py), and cloth recoloured in Lab. Each such copy c of a photo x
gives the lesson x -> c, where the input is real. Where the way back has one answer too there is also c -> x, where the
wanted result is real: not so for a sleeve that was cut off, which could have lain anywhere, and for a colour, whose
name covers many shades. Copies serve as the reference image and, being aligned with it, for a pixel loss. All this
happens in training alone; an edit never uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.data.garments import Garments
from amgan.pixels import dilate, lab_to_rgb, open_mask, rgb_to_lab, to_float

COARSE = 32  # side at which silhouettes are compared
AXIS_BAND = 0.16  # half width, in shares of the frame, of the band around the axis where torsos must agree
SLEEVE_BAND = 0.11  # nearer to the axis than this nothing is sleeve


def _offset_from_axis(mask: Tensor) -> Tensor:
    """Distance of each column from the frame's axis, in shares of the frame, (1, 1, 1, W)."""
    width = mask.shape[-1]
    return ((torch.arange(width, device=mask.device) + 0.5) / width - 0.5).abs().view(1, 1, 1, width)


@dataclass(frozen=True)
class GarmentIndex:
    """What choosing references and partners needs of each training garment, computed once.

    Attributes:
        silhouettes: float32 (n, COARSE, COARSE), coverage in 0..1.
        colour: float32 (n, 6), median and spread of Lab under the mask.
        features: float32 (n, D), unit-length features of the teacher.
        own: the first so many serve as references and partners.
    """

    silhouettes: Tensor
    colour: Tensor
    features: Tensor
    own: int

    @classmethod
    def build(cls, garments: Garments, features: Tensor, own: int | None = None) -> GarmentIndex:
        silhouettes, colour = [], []
        for images, masks in zip(garments.images.split(64), garments.masks.split(64), strict=True):
            silhouettes.append(F.interpolate(masks.float(), size=(COARSE, COARSE), mode="area")[:, 0])
            half = F.interpolate(to_float(images), scale_factor=0.5, mode="area")
            colour.append(lab_statistics(half, masks[:, :, ::2, ::2].float()))
        return cls(torch.cat(silhouettes), torch.cat(colour), features, own or len(garments))

    def torso_cost(self, shorter: Tensor, longer: Tensor) -> Tensor:
        """How badly garments fit as the same torso with shorter and longer sleeves.

        Args:
            shorter, longer: silhouettes (a, COARSE, COARSE) and (b, COARSE, COARSE).

        Returns:
            (a, b): share of the frame where the shorter one sticks out of the longer, and where torsos differ around
            the axis.
        """
        band = (_offset_from_axis(shorter) < AXIS_BAND).float()[0, 0, 0].expand(COARSE, COARSE).flatten()
        s, g = shorter.flatten(1), longer.flatten(1)
        sticks_out = s @ (1 - g).T
        # |s - g| of coverages, taken as s(1-g) + g(1-s): two matrix products for all pairs.
        differs = (s * band) @ (1 - g).T + (1 - s) @ (g * band).T
        return (2 * sticks_out + differs) / COARSE**2


def lab_statistics(images: Tensor, masks: Tensor) -> Tensor:
    """Median and spread (mean absolute deviation) of Lab under masks, (B, 6)."""
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


def cut_sleeves(images: Tensor, masks: Tensor, partner_masks: Tensor) -> tuple[Tensor, Tensor]:
    """Cut sleeves off along the silhouette of a garment that has shorter ones.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        masks, partner_masks: (B, 1, H, W) in 0..1.

    Returns:
        The changed pictures and their masks.
    """
    outside = (_offset_from_axis(masks) > SLEEVE_BAND).float()
    removed = open_mask(masks * (1 - partner_masks) * outside, 2)
    # What the cut leaves as slivers goes too, and the soft edge outside the mask with it.
    kept = dilate(open_mask(masks - removed, 2), 1) * masks
    removed = dilate(removed, 4) * (1 - kept) * outside
    return images * (1 - removed) + removed, masks * (1 - removed)  # white is 1
