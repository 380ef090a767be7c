"""A lesson in colour alone: the photograph, recoloured in Lab."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

from amgan.lessons.colour import recolour
from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.plan import BatchPlan, Edits
from amgan.pixels import rgb_to_lab


class Recoloured(Lesson):
    """The cloth takes the one clear shade of the wanted colour. There is no way back: the photograph's own shade is one
    of many that its colour's name covers, and to ask for it would teach their average.

    Strong colours are rare, and what is rarely seen keeps a tinge: red that shall be green ended at grey. So some
    photographs are shown in one, drawn at random; the result stays the same."""

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        self.colour = data.descriptors.colour.cpu()  # on the host, lest making wait for the device

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        if self.data.color is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        return edits.edits_only([self.data.color]) & shade_exists(self.data, edits)

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        chance = torch.rand(2, len(rows), generator=generator)
        return edits.choose("shown_in", rows & (chance[0] < self.data.config.dyed), (chance[1] * 2**24).long())

    def show(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        rows = (plan.edits.chosen["shown_in"] >= 0).nonzero()[:, 0]
        if not len(rows):
            return photos, masks
        present = self.colour[plan.edits.garment[rows]]
        dyes = torch.stack([_strong_colour(int(seed)) for seed in plan.edits.chosen["shown_in"][rows]])
        dyes = torch.cat([rgb_to_lab(dyes[:, :, None, None])[:, :, 0, 0], present[:, 3:]], 1)
        there, present, dyes = (self.data.to_device(t) for t in (rows, present, dyes))
        return photos.index_copy(0, there, recolour(photos[there], masks[there], present, dyes)), masks

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        return give_wanted_shade(self.data, plan.edits, photos, masks), masks


def _strong_colour(seed: int) -> Tensor:
    """RGB in [-1, 1], float (3,): any hue, of half its saturation at least, from dark to bright."""
    hue, saturation, brightness = torch.rand(3, generator=torch.Generator().manual_seed(seed)).tolist()
    return torch.tensor(colorsys.hsv_to_rgb(hue, 0.5 + 0.5 * saturation, 0.35 + 0.65 * brightness)) * 2 - 1


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
