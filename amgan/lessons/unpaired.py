"""The paper's lesson: a photograph and, as reference, another garment's that has the wanted attributes."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.plan import BatchPlan, Edits
from amgan.lessons.references import assign_references
from amgan.pixels import to_float


class Unpaired(Lesson):
    """No picture is the exact result. The edit is undone again instead: the paper's cycle."""

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        return torch.ones(len(edits.garment), dtype=torch.bool)

    def way_back(self, edits: Edits) -> Tensor:
        return edits.edited.any(1)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        garments, found = self.data.garments, nearest_references(self.data, plan)
        return to_float(garments.images[found]), garments.masks[found].float()


def nearest_references(data: LessonData, plan: BatchPlan) -> Tensor:
    """For each row a garment with the wanted values, int64 (B,), see ``assign_references``."""
    edits, to_device = plan.edits, data.to_device
    garment, wanted, edited = (to_device(t) for t in (edits.garment, edits.wanted, edits.edited))
    chance = to_device(plan.neighbours)
    return assign_references(data.descriptors, data.garments.labels, garment, wanted, edited, chance)
