"""A lesson in shorter sleeves: cut off along the silhouette of a garment that has such."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.lessons.descriptors import offset_from_axis
from amgan.lessons.plan import BatchPlan, Edits
from amgan.lessons.recoloured import give_wanted_shade
from amgan.lessons.references import NEAREST, PARTNERS, assign_partners
from amgan.lessons.sleeves import SleeveLesson
from amgan.pixels import dilate, open_mask

SLEEVE_BAND = 0.11  # nearer to the axis than this nothing is sleeve


class Cut(SleeveLesson):
    """The sleeves are cut off, and the cloth is recoloured where that is asked for too. There is no way back: a sleeve
    that was cut off could have lain anywhere."""

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        return self.edits_sleeve(edits) & self.shortens(edits)

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
    removed = open_mask(masks * (1 - partner_masks) * outside, 2)
    # What the cut leaves as slivers goes too, and the soft edge outside the mask with it.
    kept = dilate(open_mask(masks - removed, 2), 1) * masks
    removed = dilate(removed, 4) * (1 - kept) * outside
    return images * (1 - removed) + removed, masks * (1 - removed)  # white is 1
