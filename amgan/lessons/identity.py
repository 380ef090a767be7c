"""A lesson in leaving things alone: the edit asks for what is there already."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from amgan.lessons.lesson import Lesson
from amgan.lessons.plan import UNPAIRED, BatchPlan, Edits

SHARE = 0.2  # of the rows that have an exact result


class Identity(Lesson):
    """The photograph is its own result. The attribute is that of the lesson from which the row is taken."""

    changes: ClassVar[bool] = False
    genuine: ClassVar[bool] = True

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        known = (~edits.edited | (edits.labels >= 0)).all(1)  # of extra garments some labels are not
        return (edits.lesson != UNPAIRED) & (edits.chance.identity < SHARE) & known

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        return replace(edits, wanted=torch.where(rows[:, None], edits.labels, edits.wanted))

    def alike_elsewhere(self, edits: Edits) -> Tensor:
        # True of all rows, as nothing differs; but where the target is guessed, it weights the pair loss, and so the
        # shipped weights were trained. Not of patterns: masks have to tell plain cloth from a print.
        pattern = [] if self.data.pattern is None else [self.data.pattern]
        return (edits.chosen["truth"] >= 0) | edits.edits_only(pattern)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        return photos, masks
