"""A lesson in sleeves for garments without: from those whose sleeves were cut off."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from amgan.lessons.lesson import LessonData
from amgan.lessons.plan import BatchPlan, Edits
from amgan.lessons.sewn_garments import sew_onto_bare
from amgan.lessons.sleeves import SleeveLesson

SHARE = 0.4  # of the edits of the sleeves of garments that can be shown without


class FromBare(SleeveLesson):
    """A garment is shown without its short sleeves, and new ones are sewn on, whichever length was drawn. Of garments
    that come without sleeves there are too few to learn from: theirs grew beside the shoulder, or not at all."""

    genuine: ClassVar[bool] = True  # as of ``Sewn``

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        if self.sleeve is not None:
            self.bare, self.sewn = sew_onto_bare(data.garments, self.sleeve, data.descriptors)

    def renewed(self, data: LessonData) -> FromBare:
        other = copy.copy(self)  # as of ``Sewn``
        other.data = data
        if self.sleeve is not None:
            other.bare = replace(self.bare, at=data.reaching(self.bare.at))
            other.sewn = replace(self.sewn, at=data.reaching(self.sewn.at))
        return other

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        if self.sleeve is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        drawn = torch.rand(len(edits.garment), generator=generator) < SHARE
        return drawn & edits.edits_only([self.sleeve]) & (self.sewn.at[edits.garment] >= 0).any(1)

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        if self.sleeve is None:
            return edits
        there = (self.sewn.at[edits.garment] >= 0).float()
        values = torch.multinomial(there + (~rows).float()[:, None], 1, generator=generator)[:, 0]
        return edits.asking(rows, self.sleeve, values)

    def alike_elsewhere(self, edits: Edits) -> Tensor:
        return torch.ones(len(edits.garment), dtype=torch.bool)

    def show(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        return self.bare.pictures(self.data.to_device(self.bare.at[plan.edits.garment].amax(1)))

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        edits = plan.edits
        return self.sewn.pictures(self.data.to_device(self.sewn.at[edits.garment, edits.wanted[:, self.sleeve]]))
