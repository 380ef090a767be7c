"""What the lessons in sleeves have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.plan import Edits
from amgan.lessons.recoloured import shade_exists
from amgan.lessons.sewing import sleeve_lengths


class SleeveLesson(Lesson):
    """Edits of the sleeve, with the colour or without.

    Attributes:
        sleeve: place of the attribute in the schema. Without one the lesson serves nothing.
        lengths: of its values, see ``sleeve_lengths``.
    """

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        self.sleeve = data.sleeve
        values = () if data.sleeve is None else data.garments.schema.attributes[data.sleeve].values
        self.lengths = sleeve_lengths(values)

    def edits_sleeve(self, edits: Edits) -> Tensor:
        """Bool (B,): the sleeve is edited, and beside it at most the colour, to one that can be given."""
        if self.sleeve is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        alone = edits.edits_only([i for i in (self.sleeve, self.data.color) if i is not None])
        return edits.edited[:, self.sleeve] & alone & shade_exists(self.data, edits)

    def shortens(self, edits: Edits) -> Tensor:
        """Bool (B,): the wanted sleeve is shorter than the photograph's."""
        if self.sleeve is None:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        return self.lengths[edits.wanted[:, self.sleeve]] < self.lengths[edits.labels[:, self.sleeve]]
