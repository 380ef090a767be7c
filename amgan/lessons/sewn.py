"""A lesson in sleeves that are sewn on: longer ones, or shorter ones in place of those that were cut off."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from amgan.lessons.lesson import LessonData
from amgan.lessons.plan import BatchPlan, Edits
from amgan.lessons.recoloured import give_wanted_shade
from amgan.lessons.sewing import LENGTHS
from amgan.lessons.sewn_garments import sew_all
from amgan.lessons.sleeves import SleeveLesson


class Sewn(SleeveLesson):
    """Sleeves are sewn on by one rule, and the cloth is recoloured where that is asked too. There is a way back
    where sleeves grew to the elbow, to those that the photograph shows, but not where the cloth was recoloured, as of
    ``Recoloured``. Longer ones have one answer, those sewn, and all their rows learn it: they are the hardest."""

    genuine: ClassVar[bool] = True  # beside photographs, whose sleeves lie otherwise, critics would move these

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        if self.sleeve is not None:
            self.garments = sew_all(data.garments, self.sleeve, data.descriptors)

    def renewed(self, data: LessonData) -> Sewn:
        other = copy.copy(self)  # sleeves are sewn onto garments without true edits, and those stay
        other.data = data
        if self.sleeve is not None:
            other.garments = replace(self.garments, at=data.reaching(self.garments.at))
        return other

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        return self.edits_sleeve(edits) & (self._find(edits) >= 0)

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        return edits.choose("sewn", rows, self._find(edits))

    def way_back(self, edits: Edits) -> Tensor:
        if self.sleeve is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        recoloured = edits.edited[:, [] if self.data.color is None else [self.data.color]].any(1)
        to_elbow = self.lengths[edits.wanted[:, self.sleeve]] <= LENGTHS["elbow"]
        return ~self.shortens(edits) & to_elbow & ~recoloured

    def alike_elsewhere(self, edits: Edits) -> Tensor:
        return torch.ones(len(edits.garment), dtype=torch.bool)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        pictures, masks = self.garments.pictures(self.data.to_device(plan.edits.chosen["sewn"]))
        return give_wanted_shade(self.data, plan.edits, pictures, masks), masks

    def _find(self, edits: Edits) -> Tensor:
        """Which sewn garment has the wanted sleeves, int64 (B,); -1 where there is none."""
        if self.sleeve is None:
            return torch.full((len(edits.garment),), -1)
        return self.garments.at[edits.garment, edits.wanted[:, self.sleeve].clamp(min=0)]
