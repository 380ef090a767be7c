"""What AMGAN trains on: drawn garments, drawn edits, and for each a reference image, assigned or constructed.

What is drawn is drawn on the host (``BatchPlan``); pictures are then gathered and changed on their device.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.attributes import askable, kind, where
from amgan.data.augment import random_affine, warp, warp_mask
from amgan.data.garments import Garments
from amgan.lessons.pairs import GarmentIndex, clear_shades, cut_sleeves, recolour
from amgan.lessons.references import NEAREST, PARTNERS, assign_partners, assign_references
from amgan.lessons.sleeves import Sewn, sew_all, sleeve_lengths
from amgan.models.interface import BatchCounts, EditBatch
from amgan.models.training_config import LessonsConfig
from amgan.pixels import to_float
from amgan.schema import AttributeSchema

IDENTITY = 0.2  # share of the pairs whose edit asks for what is there already


def drawable(schema: AttributeSchema) -> list[Tensor]:
    """Per attribute the indices of values that edits may ask for."""
    return [torch.tensor(values) for values in askable(schema)]


def draw_edits(
    schema: AttributeSchema, labels: Tensor, several: float, generator: torch.Generator, outline_weight: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Which attributes to edit, and to what.

    Only known attributes are drawn (the way back needs the original), one or, for a share ``several``, more; a wanted
    value is uniform over the others. An item without any known label keeps all ``edited`` False.

    Args:
        labels: int64 (B, M).

    Returns:
        wanted int64 (B, M), the labels with the edit applied, and edited bool (B, M).
    """
    batch, count = labels.shape
    known = labels >= 0
    weights = torch.ones(count)
    weights[where(schema, "outline")] = outline_weight
    # The largest of u^(1/w) belongs to each attribute with probability proportional to its weight w.
    order = (torch.rand(batch, count, generator=generator) ** (1 / weights)).to(labels.device).masked_fill(~known, -1)
    first = torch.zeros_like(known).scatter_(1, order.argmax(1, keepdim=True), True)
    more = (torch.rand(batch, 1, generator=generator) < several) & (torch.rand(batch, count, generator=generator) < 0.5)
    edited = (first | more.to(labels.device)) & known
    wanted = labels.clone()
    for i, valid in enumerate(drawable(schema)):
        valid = valid.to(labels.device)
        noise = torch.rand(batch, len(valid), generator=generator).to(labels.device)
        noise = noise.masked_fill(valid[None] == labels[:, i, None], -1)
        wanted[:, i] = torch.where(edited[:, i], valid[noise.argmax(1)], labels[:, i])
    return wanted, edited


@dataclass(frozen=True)
class BatchPlan:
    """All that is drawn for a batch, on the host: what follows needs no wait for the device, and several devices can
    take a part of its rows each.

    Attributes:
        index: int64 (B,), the garments.
        labels, wanted: int64 (B, M); edited: bool (B, M).
        paired, same, backward: bool (B,): has an exact result; asks for what is there; the photograph is the result
            (elsewhere it is the source), which only rows have whose two pictures are alike but for the edit.
        truth: int64 (B,), which true edit is the result; -1 where none is.
        sewn: int64 (B,), which sewn garment gives it its sleeves; -1 where none does.
        dye: int64 (B,), the garment whose colour is given to the true edit on top; -1 where none is.
        theta: float32 (B, 2, 3), how all pictures of a row are moved.
        mix: float32 (B,), uniform in [0, 1), for the gradient penalty, and for which half of the rows is told its code.
        noise: float32 (B, code), normal, for the code.
        chance: float32 (B, NEAREST + M PARTNERS), for the choice of references and partners.
    """

    index: Tensor
    labels: Tensor
    wanted: Tensor
    edited: Tensor
    paired: Tensor
    same: Tensor
    backward: Tensor
    truth: Tensor
    sewn: Tensor
    dye: Tensor
    theta: Tensor
    mix: Tensor
    noise: Tensor
    chance: Tensor

    def rows(self, part: slice) -> BatchPlan:
        """Some of its rows."""
        return BatchPlan(**{f.name: getattr(self, f.name)[part] for f in fields(self)})


class BatchMaker:
    """Draws ``EditBatch``es from training garments; pictures stay on the garments' device.

    Args:
        features: teacher's features of the garments, unit length, float (n, D).
        weights: float64 (n,), how often to draw each.
        batch: B.
        own: only the first so many garments serve as references and lend their sleeves; all when not given.
        code: how many normal numbers each row brings.
        channels_last: memory layout of the pictures.
    """

    def __init__(
        self,
        garments: Garments,
        features: Tensor,
        weights: Tensor,
        lessons: LessonsConfig,
        batch: int,
        own: int | None = None,
        code: int = 0,
        channels_last: bool = False,
    ) -> None:
        self.garments = garments
        self.lessons, self.batch, self.code = lessons, batch, code
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.schema = garments.schema
        self.index = GarmentIndex.build(garments, features, own)
        self.weights = weights
        self.labels = garments.labels.cpu()
        names = self.schema.names
        self.outline, self.cloth = where(self.schema, "outline"), where(self.schema, "recoloured")
        # Sleeves are sewn on beforehand, one garment after the other; the rest of a pair is made as it is drawn.
        self.sewn: Sewn | None = None
        if self.outline and lessons.pairs > 0:
            self.sewn = sew_all(garments, self.outline[0], self.index)
            self.lengths = sleeve_lengths(self.schema.attributes[self.outline[0]].values)
        # Pairs can be constructed for edits of these alone.
        self.constructible = torch.zeros(len(names), dtype=torch.bool)
        self.constructible[self.outline + self.cloth] = True
        for i in self.cloth:
            known, count = self.labels[:, i][self.labels[:, i] >= 0], len(self.schema.attributes[i].values)
            self.colour_count = torch.bincount(known, minlength=count).clamp(min=1)
            self.shades = clear_shades(self.index.colour[:own], garments.labels[:own, i], count)
            self.dyeable = self.shades.any(1).cpu()
        # Where each garment's true edits lie: they are in the order of the garments.
        truths = garments.truths
        of = truths.of.cpu() if truths is not None else torch.zeros(0, dtype=torch.int64)
        if truths is not None:
            self.true_labels, self.true_attribute = truths.labels.cpu(), truths.attribute.cpu()
        self.truth_count = torch.bincount(of, minlength=len(garments))
        self.first_truth = self.truth_count.cumsum(0) - self.truth_count

    def draw(self, generator: torch.Generator, part: slice = slice(None)) -> EditBatch:
        """A batch, or some rows of it, in which the counts are those rows' share of the whole batch's."""
        plan = self.plan(generator)
        rows = plan.rows(part)
        share = len(rows.index) / len(plan.index)
        return self.make(rows, BatchCounts(*(max(1.0, float(n.sum())) * share for n in self._counted(plan))))

    def _counted(self, plan: BatchPlan) -> tuple[Tensor, ...]:
        """What ``BatchCounts`` counts, bool."""
        wanted = self._wanted(plan)
        return plan.labels >= 0, plan.edited & (wanted >= 0), plan.paired, self._recoloured(plan)

    def _wanted(self, plan: BatchPlan) -> Tensor:
        return torch.where((plan.same | plan.backward)[:, None], plan.labels, plan.wanted)

    def _recoloured(self, plan: BatchPlan) -> Tensor:
        """Bool (B,): no edited attribute changes more than the colour."""
        changes = torch.tensor([not kind(name).recoloured for name in self.schema.names])
        return ~(plan.edited & changes).any(1)

    def plan(self, generator: torch.Generator) -> BatchPlan:
        """Which garments, which edits, and by what chance."""
        lessons, b = self.lessons, self.batch
        index = torch.multinomial(self.weights, b, replacement=True, generator=generator)
        labels = self.labels[index]
        wanted, edited = draw_edits(self.schema, labels, lessons.several, generator, lessons.outline_weight)
        chance = torch.rand(b, 4, generator=generator)
        has_truth = self.truth_count[index] > 0
        constructible = edited.any(1) & ~(edited & ~self.constructible).any(1)
        sewn, cut = self._sleeves(index, labels, wanted, edited)
        constructible &= (sewn >= 0) | cut | ~edited[:, self.outline].any(1)
        for i in self.cloth:  # a colour that no garment has cannot be given
            constructible &= ~edited[:, i] | self.dyeable[wanted[:, i].clamp(min=0)]
        paired = (chance[:, 0] < lessons.pairs) & (has_truth | constructible)
        true = paired & has_truth
        truth = self.first_truth[index] + (chance[:, 3] * self.truth_count[index]).long()
        truth = torch.where(true, truth, -1)
        if true.any():
            wanted = torch.where(true[:, None], self.true_labels[truth], wanted)
            told = F.one_hot(self.true_attribute[truth], edited.shape[1]).bool()
            edited = torch.where(true[:, None], told, edited)
        dye = self._draw_dyes(true, labels, edited, generator)
        for i in self.cloth:
            wanted[:, i] = torch.where(dye >= 0, self.labels[dye, i], wanted[:, i])
            edited[:, i] |= dye >= 0
        same = paired & (chance[:, 1] < IDENTITY)
        # A sleeve that was cut off could have lain anywhere, and the photograph's own shade is one of many that its
        # colour's name covers: back from there is no lesson, it would teach the average.
        open_ended = ~true & (cut | edited[:, self.cloth].any(1))
        backward = paired & ~same & ~self._nameless(labels, edited) & (chance[:, 2] < 0.5) & ~open_ended
        return BatchPlan(
            index=index,
            labels=labels,
            wanted=wanted,
            edited=edited,
            paired=paired,
            same=same,
            backward=backward,
            truth=truth,
            sewn=torch.where(paired & ~true & ~same, sewn, -1),
            dye=dye,
            theta=random_affine(b, generator),
            mix=torch.rand(b, generator=generator),
            noise=torch.randn(b, self.code, generator=generator),
            chance=torch.rand(b, NEAREST + len(self.schema.names) * PARTNERS, generator=generator),
        )

    def make(self, plan: BatchPlan, counts: BatchCounts) -> EditBatch:
        """The pictures of a plan."""
        g, device = self.garments, self.garments.images.device

        def there(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        def rows(chosen: Tensor) -> Tensor:
            return there(chosen.nonzero()[:, 0])

        true = plan.truth >= 0
        alike = true | (plan.sewn >= 0)
        index, labels, wanted, edited = (there(t) for t in (plan.index, plan.labels, plan.wanted, plan.edited))
        photos, masks = to_float(g.images[index]), g.masks[index].float()
        nearest = index
        if not plan.paired.all():  # what is paired has its own
            lacking = rows(~plan.paired)
            found = assign_references(
                self.index, g.labels, index[lacking], wanted[lacking], edited[lacking], there(plan.chance)[lacking]
            )
            nearest = index.index_copy(0, lacking, found)
        other, other_masks = to_float(g.images[nearest]), g.masks[nearest].float()
        if plan.paired.any():
            copies, copy_masks = self._construct(plan, photos, masks)
            if g.truths is not None and true.any():
                truth = there(plan.truth[true])
                copies = copies.index_copy(0, rows(true), to_float(g.truths.images[truth]))
                copy_masks = copy_masks.index_copy(0, rows(true), g.truths.masks[truth].float())
            if (plan.dye >= 0).any():
                dyed, colour = rows(plan.dye >= 0), self.index.colour
                dye = there(plan.dye[plan.dye >= 0])
                with_dye = recolour(copies[dyed], copy_masks[dyed], colour[index[dyed]], colour[dye])
                copies = copies.index_copy(0, dyed, with_dye)
            pick = there(plan.paired & ~plan.same)[:, None, None, None]
            other, other_masks = torch.where(pick, copies, other), torch.where(pick, copy_masks, other_masks)
            pick = there(plan.same)[:, None, None, None]
            other, other_masks = torch.where(pick, photos, other), torch.where(pick, masks, other_masks)

        theta = there(plan.theta)
        moved = warp(torch.cat([photos, other], 1), theta)
        moved_masks = warp_mask(torch.cat([masks, other_masks], 1), theta)
        photos, other = (t.contiguous(memory_format=self.layout) for t in moved.split(3, 1))
        masks, other_masks = moved_masks.split(1, 1)
        swap = there(plan.backward)[:, None, None, None]
        cycled = ~plan.paired & ~self._nameless(plan.labels, plan.edited) & plan.edited.any(1)
        return EditBatch(
            photos=photos,
            labels=labels,
            source=torch.where(swap, other, photos),
            wanted=there(self._wanted(plan)),
            edited=edited,
            reference=torch.where(swap, photos, other),
            source_mask=torch.where(swap, other_masks, masks),
            reference_mask=torch.where(swap, masks, other_masks),
            aligned=there(plan.paired.float()),
            changed=there((plan.edited.any(1) & ~plan.same).float()),
            recoloured=there(self._recoloured(plan).float()),
            difference=there(alike.float()),
            guessed_rows=rows(~alike),
            cycle_rows=rows(cycled),
            mix=there(plan.mix),
            noise=there(plan.noise),
            counts=counts,
        )

    def _nameless(self, labels: Tensor, edited: Tensor) -> Tensor:
        """Bool (B,): back to a value that names no appearance (multi) there is no way."""
        out = torch.zeros(len(labels), dtype=torch.bool)
        for i, valid in enumerate(drawable(self.schema)):
            out |= edited[:, i] & ~torch.isin(labels[:, i], valid)
        return out

    def _sleeves(self, index: Tensor, labels: Tensor, wanted: Tensor, edited: Tensor) -> tuple[Tensor, Tensor]:
        """Which sewn garment has the wanted sleeves, int64 (B,), -1 where none; and where sleeves can be cut, bool."""
        if self.sewn is None:
            return torch.full((len(index),), -1), torch.zeros(len(index), dtype=torch.bool)
        i = self.outline[0]
        sewn = torch.where(edited[:, i], self.sewn.at[index, wanted[:, i].clamp(min=0)], -1)
        return sewn, edited[:, i] & (self.lengths[wanted[:, i]] < self.lengths[labels[:, i]])

    def _draw_dyes(self, true: Tensor, labels: Tensor, edited: Tensor, generator: torch.Generator) -> Tensor:
        """True edits change one attribute. For a share ``several`` of them, those that leave the colour alone, the
        colour is changed too: int64 (B,), a garment that has the wanted colour, or -1."""
        dye = torch.full((len(true),), -1)
        if not self.cloth or not true.any():
            return dye
        i = self.cloth[0]
        # A pattern brings colours of its own: the cloth's cannot be told from its statistics any more.
        others = where(self.schema, "whole_cloth")
        chance = torch.rand(len(true), generator=generator)
        fit = true & (labels[:, i] >= 0) & ~edited[:, others].any(1) & (chance < self.lessons.several)
        rows = fit.nonzero()[:, 0]
        named = torch.isin(self.labels[:, i], drawable(self.schema)[i])
        differs = (self.labels[None, :, i] != labels[rows, i, None]) & named[None]
        # A colour first, then a garment that has it: rare colours are asked for as often.
        weight = differs / self.colour_count[self.labels[:, i].clamp(min=0)][None]
        possible = weight.sum(1) > 0
        rows, weight = rows[possible], weight[possible]
        if len(rows):
            dye[rows] = torch.multinomial(weight, 1, generator=generator)[:, 0]
        return dye

    def _construct(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Copies of photographs with the edited attributes changed by hand, and their masks; true edits are left to
        others."""
        colour, device = self.index.colour, photos.device
        edited = plan.edited & (plan.paired & (plan.truth < 0))[:, None]
        for i in self.outline:
            if self.sewn is not None and (plan.sewn >= 0).any():
                rows = (plan.sewn >= 0).nonzero()[:, 0].to(device, non_blocking=True)
                sewn = plan.sewn[plan.sewn >= 0].to(device, non_blocking=True)
                photos = photos.index_copy(0, rows, to_float(self.sewn.images[sewn]))
                masks = masks.index_copy(0, rows, self.sewn.masks[sewn].float())
            rows = (edited[:, i] & (plan.sewn < 0) & ~plan.same).nonzero()[:, 0]
            if len(rows):
                chance = plan.chance[rows, NEAREST + i * PARTNERS :].to(device, non_blocking=True)
                wanted = plan.wanted[rows, i].to(device, non_blocking=True)
                index = plan.index[rows].to(device, non_blocking=True)
                rows = rows.to(device, non_blocking=True)
                partners = assign_partners(self.index, self.garments.labels[:, i], index, wanted, chance)
                changed, changed_masks = cut_sleeves(photos[rows], masks[rows], self.garments.masks[partners].float())
                photos, masks = photos.index_copy(0, rows, changed), masks.index_copy(0, rows, changed_masks)
        for i in self.cloth:
            rows = edited[:, i].nonzero()[:, 0].to(device, non_blocking=True)
            if len(rows):
                index = plan.index.to(device, non_blocking=True)[rows]
                shade = self.shades[plan.wanted[:, i].to(device, non_blocking=True)[rows]]
                changed = recolour(photos[rows], masks[rows], colour[index], shade)
                photos = photos.index_copy(0, rows, changed)
        return photos, masks
