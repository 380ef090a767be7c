"""The paper's lesson: a photograph and, as reference, another garment's that has the wanted attributes."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.lessons.lesson import Lesson
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
        garments, to_device = self.data.garments, self.data.to_device
        garment, wanted, edited = (to_device(t) for t in (plan.edits.garment, plan.edits.wanted, plan.edits.edited))
        chance = to_device(plan.neighbours)
        found = assign_references(self.data.descriptors, garments.labels, garment, wanted, edited, chance)
        return to_float(garments.images[found]), garments.masks[found].float()
