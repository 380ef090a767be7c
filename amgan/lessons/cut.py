"""A lesson in shorter sleeves: cut off along the silhouette of a garment that has such."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.lessons.descriptors import offset_from_axis
from amgan.lessons.lesson import LessonData
from amgan.lessons.plan import BatchPlan, Edits
from amgan.lessons.recoloured import give_wanted_shade
from amgan.lessons.references import NEAREST, PARTNERS, assign_partners
from amgan.lessons.sleeves import SleeveLesson
from amgan.pixels import blurred, dilate, open_mask
from amgan.synth.body import SLEEVE_LENGTH

SLEEVE_BAND = 0.11  # nearer to the axis than this nothing is sleeve

SMOOTH = 0.016  # standard deviation over which the cut's edge is evened out, in shares of the frame
GAP = 0.1  # in so many rows, in shares of the frame, there is ground between a sleeve and the torso, or there is no gap
HEM = 0.12  # how much darker cloth is along a hem


class Cut(SleeveLesson):
    """The sleeves are cut off, and the cloth is recoloured where that is asked for too. There is no way back: a sleeve
    that was cut off could have lain anywhere. Below the elbow no silhouette of another garment will do."""

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        if self.sleeve is not None:  # which values have a garment to cut along
            own = data.labels[: data.descriptors.own, self.sleeve]
            self.occurs = torch.isin(torch.arange(len(self.lengths)), own)

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        if self.sleeve is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        wanted = edits.wanted[:, self.sleeve]
        below_elbow = self.lengths[wanted] > SLEEVE_LENGTH["elbow"]
        return self.edits_sleeve(edits) & self.shortens(edits) & ~below_elbow & self.occurs[wanted]

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        sleeve, garments, to_device = self.sleeve, self.data.garments, self.data.to_device
        assert sleeve is not None
        partners = assign_partners(
            self.data.descriptors,
            garments.labels[:, sleeve],
            to_device(plan.edits.garment),
            to_device(plan.edits.wanted[:, sleeve]),
            to_device(plan.neighbours[:, NEAREST + sleeve * PARTNERS :]),
        )
        pictures, masks = cut_sleeves(photos, masks, garments.masks[partners].float())
        return give_wanted_shade(self.data, plan.edits, pictures, masks), masks


def cut_sleeves(images: Tensor, masks: Tensor, partner_masks: Tensor) -> tuple[Tensor, Tensor]:
    """Cut sleeves off along the silhouette of a garment that has shorter ones.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        masks, partner_masks: (B, 1, H, W) in 0..1.

    Returns:
        The changed pictures and their masks.
    """
    outside = (offset_from_axis(masks) > SLEEVE_BAND).float()
    removed = open_mask(masks * (1 - partner_masks) * outside * (1 - torso_beside_gaps(masks)), 2)
    # What the cut leaves as slivers goes too, and the soft edge outside the mask with it.
    kept = dilate(open_mask(masks - removed, 2), 1) * masks
    removed = dilate(removed, 4) * (1 - kept) * outside
    removed = _smooth(removed)
    return images * (1 - removed) + removed, masks * (removed < 0.5)  # white is 1


def torso_beside_gaps(masks: Tensor) -> Tensor:
    """Where sleeves lie beside the torso with a gap between, what is surely torso: on that side, from the gap down,
    all that hangs together with the axis. Masks (B, 1, H, W) in 0..1, both."""
    size, half = masks.shape[-1], masks.shape[-1] // 2
    filled = (masks > 0.5).float()
    sides = []
    for side in (filled[..., :half].flip(-1), filled[..., half:]):  # outwards from the axis
        run = side.cumprod(-1)
        beyond = (side * (1 - run)).sum(-1, keepdim=True) >= 0.03 * size
        gap = (beyond & (run.sum(-1, keepdim=True) > 0.08 * size)).float()
        gap[:, :, : size // 4] = 0  # a collar and its hanger
        below = (gap.cumsum(2) > 0) & (gap.sum(2, keepdim=True) > GAP * size)
        sides.append(run * below)
    return torch.cat([sides[0].flip(-1), sides[1]], -1)


def shorten(image: Tensor, mask: Tensor, partner_mask: Tensor, share: float) -> tuple[Tensor, Tensor] | None:
    """Cut sleeves off where they lie, so that a share of each is left. What is left stays as it is.

    Args:
        image: (1, 3, H, W) in [-1, 1].
        mask, partner_mask: (1, 1, H, W) in 0..1, the latter of a garment with short sleeves.

    Returns:
        The changed picture and its mask; None where a sleeve does not lie free of the torso.
    """
    size = mask.shape[-1]
    outside = (1 - partner_mask) * (offset_from_axis(mask) > SLEEVE_BAND)
    torso = torso_beside_gaps(mask)
    sleeves = open_mask(mask * outside * (1 - torso), 1)[0, 0]
    rows, columns = (partner_mask[0, 0] > 0.5).any(1).nonzero()[:, 0], torch.arange(size, device=mask.device)
    if not len(rows):
        return None
    waist = partner_mask[0, 0, int(rows[0] + rows[-1]) // 2] > 0.5
    half = 0.85 * float(waist.sum()) / 2
    y, x = torch.meshgrid(columns, columns, indexing="ij")
    removed = torch.zeros_like(sleeves)
    for side in (-1, 1):
        shoulder = size / 2 - 0.5 + side * half
        filled = (mask[0, 0, :, int(min(max(shoulder, 0), size - 1))] > 0.5).nonzero()[:, 0]
        mine = sleeves * (side * (x - size / 2) > 0)
        # Without a gap nothing says where the sleeve ends and the torso begins.
        free = (torso[0, 0] * (side * (x - size / 2) > 0)).any()
        if not len(filled) or not free or mine.sum() < (0.06 * size) ** 2:
            return None
        far = torch.hypot(x - shoulder, y - filled[0].float())
        removed = torch.maximum(removed, mine * (far > share * far[mine > 0.5].quantile(0.98)))
    kept = dilate(open_mask(mask - removed, 2), 1) * mask
    removed = _smooth(dilate(removed[None, None], 4) * (1 - kept))
    hem = 1 - HEM * (_smooth(dilate((removed > 0.5).float(), 2)) * mask)
    image = (image + 1) * hem - 1
    return image * (1 - removed) + removed, mask * (removed < 0.5)


def _smooth(removed: Tensor) -> Tensor:
    """A soft, even edge in place of the stairs that silhouettes have, (B, 1, H, W) in 0..1."""
    return ((blurred(removed, SMOOTH * removed.shape[-1]) - 0.5) * 2.5 + 0.5).clamp(0, 1)
