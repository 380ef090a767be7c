"""Lessons from true edits: the same garment with one attribute changed, where the data have a picture of that."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.attributes import kind, new_cloth, where
from amgan.lessons.colour import recolour
from amgan.lessons.edits import drawable
from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.plan import BatchPlan, Edits
from amgan.pixels import to_float


class TrueEdit(Lesson):
    """One of the garment's true edits, whichever edit was drawn.

    A true edit answers what it leaves open (how wide the stripes are, which way a sleeve points) in the usual way, and
    so has one answer. The photograph is one of many answers to the way back, unless only the colour is edited. And in a
    mirror the usual is not the usual: the pictures stay where they are.
    """

    genuine: ClassVar[bool] = True
    moved: ClassVar[bool] = False

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        self.truths = data.garments.truths
        of = self.places = torch.zeros(0, dtype=torch.int64)
        if self.truths is not None:  # on the host, lest drawing wait for the device
            of, self.labels, self.attribute = (
                t.cpu() for t in (self.truths.of, self.truths.labels, self.truths.attribute)
            )
            editable = torch.tensor([a.editable for a in data.garments.schema.attributes])
            self.places = editable[self.attribute].nonzero()[:, 0]
            of = of[self.places]
        # The true edits, and so the places of those that may be taught, are in the order of their garments.
        self.count = torch.bincount(of, minlength=len(data.garments))
        self.first = self.count.cumsum(0) - self.count

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        return self.count[edits.garment] > 0

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        truth = self.first[edits.garment] + (edits.chance.truth * self.count[edits.garment]).long()
        if self.truths is None or not rows.any():
            return edits.choose("truth", rows, truth)
        edits = edits.choose("truth", rows, self.places[truth.clamp(max=len(self.places) - 1)])
        truth = edits.chosen["truth"]
        edited = F.one_hot(self.attribute[truth], edits.edited.shape[1]).bool()
        return replace(
            edits,
            wanted=torch.where(rows[:, None], self.labels[truth], edits.wanted),
            edited=torch.where(rows[:, None], edited, edits.edited),
        )

    def way_back(self, edits: Edits) -> Tensor:
        more = torch.tensor([not kind(name).recoloured for name in self.data.garments.schema.names])
        return ~(edits.edited & more).any(1)

    def alike_elsewhere(self, edits: Edits) -> Tensor:
        return torch.ones(len(edits.garment), dtype=torch.bool)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        assert self.truths is not None
        truth = self.data.to_device(plan.edits.chosen["truth"])
        return to_float(self.truths.images[truth]), self.truths.masks[truth].float()

    def open_detail(self, plan: BatchPlan) -> Tensor | None:
        """In the new cloth of a new pattern: how its stripes run on from place to place no picture foretells."""
        assert self.truths is not None
        new = plan.edits.edited[:, new_cloth(self.data.garments.schema)].any(1)
        if not new.any():
            return None
        masks = self.truths.masks[self.data.to_device(plan.edits.chosen["truth"])].float()
        return masks * self.data.to_device(new)[:, None, None, None]


class DyedTrueEdit(TrueEdit):
    """A true edit of another attribute, and the colour of another garment on top: true edits change one attribute each,
    and several at once have to be learnt too."""

    genuine: ClassVar[bool] = False

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        if data.color is None:
            return
        names = data.labels[:, data.color]
        askable = torch.isin(names, drawable(data.garments.schema)[data.color])
        count = torch.bincount(names[names >= 0], minlength=1)
        # A colour first, then a garment that has it: rare colours are asked for as often.
        self.weights = askable / count.clamp(min=1)[names.clamp(min=0)]
        self.names = names

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        color, true = self.data.color, edits.chosen["truth"] >= 0
        if color is None or not true.any():
            return torch.zeros_like(true)
        # A pattern brings colours of its own: which of them is the cloth's, its statistics do not say.
        whole_cloth = where(self.data.garments.schema, "whole_cloth")
        share = torch.rand(len(true), generator=generator) < self.data.config.several
        fits = true & (edits.labels[:, color] >= 0) & ~edits.edited[:, whole_cloth].any(1) & share
        return fits & (self._dyes(edits).sum(1) > 0)

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        color, dye = self.data.color, torch.full((len(rows),), -1)
        if color is None or not rows.any():
            return edits.choose("dye", rows, dye)
        dye[rows] = torch.multinomial(self._dyes(edits.rows(rows)), 1, generator=generator)[:, 0]
        wanted, edited = edits.wanted.clone(), edits.edited.clone()
        wanted[rows, color], edited[rows, color] = self.names[dye[rows]], True
        return replace(edits.choose("dye", rows, dye), wanted=wanted, edited=edited)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        pictures, masks = super().make(plan, photos, masks)
        colour, to_device = self.data.descriptors.colour, self.data.to_device
        present, dye = colour[to_device(plan.edits.garment)], colour[to_device(plan.edits.chosen["dye"])]
        return recolour(pictures, masks, present, dye), masks

    def _dyes(self, edits: Edits) -> Tensor:
        """How often each garment lends its colour to each edit, float (B, n): those of another colour than it has."""
        return self.weights[None] * (self.names[None] != edits.labels[:, self.data.color, None])
