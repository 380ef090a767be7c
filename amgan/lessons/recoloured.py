"""A lesson in colour alone: the photograph, recoloured in Lab."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.lessons.colour import recolour
from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.plan import BatchPlan, Edits


class Recoloured(Lesson):
    """The cloth takes the one clear shade of the wanted colour. There is no way back: the photograph's own shade is one
    of many that its colour's name covers, and to ask for it would teach their average."""

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        if self.data.color is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        return edits.edits_only([self.data.color]) & shade_exists(self.data, edits)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        return give_wanted_shade(self.data, plan.edits, photos, masks), masks


def shade_exists(data: LessonData, edits: Edits) -> Tensor:
    """Bool (B,): no colour is asked for, or one that some garment has."""
    if data.color is None:
        return torch.ones(len(edits.garment), dtype=torch.bool)
    return ~edits.edited[:, data.color] | data.has_shade[edits.wanted[:, data.color].clamp(min=0)]


def give_wanted_shade(data: LessonData, edits: Edits, pictures: Tensor, masks: Tensor) -> Tensor:
    """Pictures made from the edits' photographs, float (b, 3, S, S), recoloured where the colour is edited."""
    if data.color is None:
        return pictures
    rows = edits.edited[:, data.color].nonzero()[:, 0]
    if not len(rows):
        return pictures
    present = data.descriptors.colour[data.to_device(edits.garment[rows])]
    wanted = data.shades[data.to_device(edits.wanted[rows, data.color])]
    rows = data.to_device(rows)
    return pictures.index_copy(0, rows, recolour(pictures[rows], masks[rows], present, wanted))
