"""What AMGAN trains on: drawn garments, drawn edits, and for each a reference image, assigned or constructed."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.attention import OUTLINE, WHOLE_GARMENT
from amgan.config import AmganConfig
from amgan.data.augment import random_affine, to_float, warp, warp_mask
from amgan.data.garments import Garments
from amgan.data.pairs import GarmentIndex, change_sleeves, recolour
from amgan.data.references import assign_partners, assign_references
from amgan.schema import AttributeSchema

# Values that name no appearance of their own are never asked for.
UNDRAWN = {"multi", "others"}
IDENTITY = 0.1  # share of the pairs whose edit asks for what is there already


class EditBatch(NamedTuple):
    """B edits, augmented.

    Attributes:
        photos: the drawn photographs, float (B, 3, S, S) in [-1, 1]; what the critics see as real.
        labels: theirs, int64 (B, M).
        source: what the generator edits; a photograph or, in half of the pairs, a constructed copy.
        wanted: labels after the edit, int64 (B, M).
        edited: bool (B, M).
        reference: the reference image, float (B, 3, S, S).
        source_mask, reference_mask: garment masks, float (B, 1, S, S) in 0..1.
        paired: float (B,), 1 where the reference is the exact result.
        cycled: float (B,), 1 where there is a way back: an unpaired photograph whose edited labels can be asked for.
        region: float (B,), 1 where the edit changes something, so that the attention has a target.
        true: float (B,), 1 where the reference is not constructed but true: where it differs is where to look.
        all_true: whether it is so of the whole batch.
    """

    photos: Tensor
    labels: Tensor
    source: Tensor
    wanted: Tensor
    edited: Tensor
    reference: Tensor
    source_mask: Tensor
    reference_mask: Tensor
    paired: Tensor
    cycled: Tensor
    region: Tensor
    true: Tensor
    all_true: bool


def drawable(schema: AttributeSchema) -> list[Tensor]:
    """Per attribute the indices of values that edits may ask for."""
    return [torch.tensor([j for j, v in enumerate(a.values) if v not in UNDRAWN]) for a in schema.attributes]


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
    weights = torch.tensor([outline_weight if n in OUTLINE else 1.0 for n in schema.names])
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


class BatchMaker:
    """Draws ``EditBatch``es from training garments; all on the garments' device.

    Args:
        features: teacher's features of the garments, unit length, float (n, D).
        weights: float64 (n,), how often to draw each.
        own: only the first so many garments serve as references and lend their sleeves; all when not given.
    """

    def __init__(
        self,
        garments: Garments,
        features: Tensor,
        weights: Tensor,
        config: AmganConfig,
        own: int | None = None,
    ) -> None:
        self.garments = garments
        self.config = config
        self.schema = garments.schema
        self.index = GarmentIndex.build(garments, features, own)
        self.weights = weights
        names = self.schema.names
        self.outline = [i for i, n in enumerate(names) if n in OUTLINE]
        self.cloth = [i for i, n in enumerate(names) if n == "color"]
        # Pairs can be constructed for edits of these alone.
        self.constructible = torch.zeros(len(names), dtype=torch.bool)
        self.constructible[self.outline + self.cloth] = True
        for i in self.cloth:
            known = garments.labels[:, i][garments.labels[:, i] >= 0]
            self.colour_count = torch.bincount(known, minlength=len(self.schema.attributes[i].values)).clamp(min=1)
        # Where each garment's true edits lie: they are in the order of the garments.
        of = garments.truths.of if garments.truths is not None else torch.zeros(0, dtype=torch.int64)
        self.truth_count = torch.bincount(of, minlength=len(garments))
        self.first_truth = self.truth_count.cumsum(0) - self.truth_count

    def draw(self, generator: torch.Generator) -> EditBatch:
        g, config = self.garments, self.config
        device = g.images.device
        b = config.batch
        index = torch.multinomial(self.weights, b, replacement=True, generator=generator).to(device)
        labels = g.labels[index]
        wanted, edited = draw_edits(self.schema, labels, config.several, generator, config.outline_weight)
        chance = torch.rand(b, 3, generator=generator).to(device)
        has_truth = self.truth_count[index] > 0
        constructible = edited.any(1) & ~(edited & ~self.constructible.to(device)).any(1)
        paired = (chance[:, 0] < config.pairs) & (has_truth | constructible)
        true = paired & has_truth
        truth = self._draw_truths(index[true], generator)
        if g.truths is not None:
            wanted = wanted.masked_scatter(true[:, None], g.truths.labels[truth])
            edited = edited.masked_scatter(true[:, None], F.one_hot(g.truths.attribute[truth], edited.shape[1]).bool())
        recoloured, dye = self._draw_dyes(true, labels, edited, generator)
        for i in self.cloth:
            wanted[recoloured, i], edited[recoloured, i] = g.labels[dye, i], True
        same = paired & (chance[:, 1] < IDENTITY)
        # Back to a value that names no appearance (multi) there is no way.
        nameless = torch.zeros(b, dtype=torch.bool, device=device)
        for i, valid in enumerate(drawable(self.schema)):
            nameless |= edited[:, i] & ~torch.isin(labels[:, i], valid.to(device))
        backward = paired & ~same & ~nameless & (chance[:, 2] < 0.5)

        photos, masks = to_float(g.images[index]), g.masks[index].float()
        nearest = index.clone()
        all_true = bool(true.all())
        if not all_true:
            nearest[~true] = assign_references(
                self.index, g.labels, index[~true], wanted[~true], edited[~true], generator
            )
        other, other_masks = to_float(g.images[nearest]), g.masks[nearest].float()
        if paired.any():
            constructed = edited & (paired & ~true)[:, None]
            copies, copy_masks = self._construct(index, photos, masks, wanted, constructed, nearest, generator)
            if g.truths is not None:
                copies = copies.index_copy(0, true.nonzero()[:, 0], to_float(g.truths.images[truth]))
                copy_masks = copy_masks.index_copy(0, true.nonzero()[:, 0], g.truths.masks[truth].float())
            if len(dye):
                colour = self.index.colour
                dyed = recolour(copies[recoloured], copy_masks[recoloured], colour[index[recoloured]], colour[dye])
                copies = copies.index_copy(0, recoloured, dyed)
            pick = (paired & ~same)[:, None, None, None]
            other, other_masks = torch.where(pick, copies, other), torch.where(pick, copy_masks, other_masks)
            pick = same[:, None, None, None]
            other, other_masks = torch.where(pick, photos, other), torch.where(pick, masks, other_masks)
        wanted = torch.where((same | backward)[:, None], labels, wanted)

        theta = random_affine(b, generator).to(device)
        moved = warp(torch.cat([photos, other], 1), theta)
        moved_masks = warp_mask(torch.cat([masks, other_masks], 1), theta)
        photos, other = (t.contiguous(memory_format=torch.channels_last) for t in moved.split(3, 1))
        masks, other_masks = moved_masks.split(1, 1)
        swap = backward[:, None, None, None]
        return EditBatch(
            photos=photos,
            labels=labels,
            source=torch.where(swap, other, photos),
            wanted=wanted,
            edited=edited,
            reference=torch.where(swap, photos, other),
            source_mask=torch.where(swap, other_masks, masks),
            reference_mask=torch.where(swap, masks, other_masks),
            paired=paired.float(),
            cycled=(~paired & ~nameless & edited.any(1)).float(),
            region=(edited.any(1) & ~same).float(),
            true=true.float(),
            all_true=all_true,
        )

    def _draw_truths(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """For garments int64 (b,) one each of their true edits, int64 (b,)."""
        chance = torch.rand(len(index), generator=generator).to(index.device)
        return self.first_truth[index] + (chance * self.truth_count[index]).long()

    def _draw_dyes(
        self, true: Tensor, labels: Tensor, edited: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """True edits change one attribute. For a share ``several`` of them, those that leave the colour alone, the
        colour is changed too: rows int64 (d,), and of each a garment int64 (d,) that has the wanted colour."""
        if not self.cloth or self.garments.truths is None:
            none = torch.zeros(0, dtype=torch.int64, device=true.device)
            return none, none
        i = self.cloth[0]
        # A pattern brings colours of its own: the cloth's cannot be told from its statistics any more.
        others = [j for j, name in enumerate(self.schema.names) if name in WHOLE_GARMENT]
        chance = torch.rand(len(true), generator=generator).to(true.device)
        fit = true & (labels[:, i] >= 0) & ~edited[:, others].any(1) & (chance < self.config.several)
        rows = fit.nonzero()[:, 0]
        named = torch.isin(self.garments.labels[:, i], drawable(self.schema)[i].to(true.device))
        differs = (self.garments.labels[None, :, i] != labels[rows, i, None]) & named[None]
        # A colour first, then a garment that has it: rare colours are asked for as often.
        weight = differs / self.colour_count[self.garments.labels[:, i].clamp(min=0)][None]
        possible = weight.sum(1) > 0
        rows, weight = rows[possible], weight[possible]
        if not len(rows):
            return rows, rows
        return rows, torch.multinomial(weight, 1, generator=generator)[:, 0]

    def _construct(
        self,
        index: Tensor,
        photos: Tensor,
        masks: Tensor,
        wanted: Tensor,
        edited: Tensor,
        nearest: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Copies of photographs with the edited attributes changed by hand, and their masks."""
        colour = self.index.colour
        for i in self.outline:
            rows = edited[:, i].nonzero()[:, 0]
            if len(rows):
                partners, grow = assign_partners(
                    self.index, self.garments.labels[:, i], index[rows], wanted[rows, i], generator
                )
                changed, changed_masks = change_sleeves(
                    photos[rows],
                    masks[rows],
                    to_float(self.garments.images[partners]),
                    self.garments.masks[partners].float(),
                    grow,
                    colour[partners],
                    colour[index[rows]],
                )
                photos, masks = photos.index_copy(0, rows, changed), masks.index_copy(0, rows, changed_masks)
        for i in self.cloth:
            rows = edited[:, i].nonzero()[:, 0]
            if len(rows):
                changed = recolour(photos[rows], masks[rows], colour[index[rows]], colour[nearest[rows]])
                photos = photos.index_copy(0, rows, changed)
        return photos, masks
