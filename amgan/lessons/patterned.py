"""A lesson in patterns: stripes, checks and dots, laid on plain cloth by one rule."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.attributes import asked_of
from amgan.lessons.colour import recolour
from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.plan import BACKWARD, BatchPlan, Edits
from amgan.models.blocks import cloth_colour
from amgan.pixels import rgb_to_lab

STRIPED, CHECKED, DOTTED = "striped", "checked", "polka dot"
PITCH = {STRIPED: 0.08, CHECKED: 0.09, DOTTED: 0.075}  # of the frame's side, from one to the next
DARK, PALE = (18.0, 4.0, -18.0), (94.0, 0.0, 2.0)  # Lab: what a pattern is of on light cloth, and on dark
LIGHT = 55.0  # lightness from which cloth is light
SEAM, LEAN = (0.16, 0.27), (15.0, 75.0)  # where sleeves begin, from the middle, in sides; degrees they are turned by
SET_IN = 0.7  # share of the designs whose sleeves are turned
PRINTS = 0.25  # share of the designs to be taken off that are prints on the chest
SEEN = 25.0  # how far apart in Lab two colours are that are seen beside each other


class Patterned(Lesson):
    """Plain cloth gets a pattern, whichever edit was drawn. Forward there is one answer: a design for each value, which
    has its place in the frame, in a colour that the cloth's own decides. Backward, to the plain cloth that the
    photograph shows, any design will do, so patterns and prints of all kinds are learnt to be taken off."""

    genuine: ClassVar[bool] = True  # beside photographs of other stripes and checks critics would want these paler
    moved: ClassVar[bool] = False  # turned, a design would not lie where the rule has it

    def __init__(self, data: LessonData) -> None:
        super().__init__(data)
        self.pattern = data.pattern
        self.designs: dict[int, str] = {}
        if self.pattern is not None:
            attribute = data.garments.schema.attributes[self.pattern]
            self.designs = {attribute.values.index(name): name for name in PITCH if name in asked_of(attribute)}
        self.colour = data.descriptors.colour.cpu()  # on the host, lest making wait for the device

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        share = self.data.config.patterned
        if self.pattern is None or not self.designs or not share:
            return torch.zeros(len(edits.garment), dtype=torch.bool)
        plain = edits.labels[:, self.pattern] == self.data.plain
        return plain & (torch.rand(len(plain), generator=generator) < share)

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        if self.pattern is None or not rows.any():
            none = torch.full((len(rows),), -1)
            return edits.choose("design", rows, none).choose("print", rows, none)
        chance = torch.rand(3, len(rows), generator=generator)
        values = torch.tensor(list(self.designs))[(chance[0] * len(self.designs)).long()]
        chosen = edits.choose("design", rows, (chance[1] * 2**24).long())
        chosen = chosen.choose("print", rows, (chance[2] < PRINTS).long())
        return chosen.asking(rows, self.pattern, values)

    def way_back(self, edits: Edits) -> Tensor:
        return torch.ones(len(edits.garment), dtype=torch.bool)

    def alike_elsewhere(self, edits: Edits) -> Tensor:
        # Forward, so that the design's edges are the mask's. A pattern that is taken off is taken off all of the cloth:
        # asked for what happened to differ, masks left sleeves and sides as they were. A print is taken off where it
        # is, so that the cloth around it stays as it was photographed.
        return (edits.chance.backward >= BACKWARD) | (edits.chosen["print"] > 0)

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        assert self.pattern is not None
        side, edits = photos.shape[-1], plan.edits
        present = self.colour[edits.garment]
        second = torch.zeros(len(present), 3)
        shares = []
        drawn = zip(edits.wanted[:, self.pattern], edits.chosen["design"], edits.chosen["print"] > 0, strict=True)
        for row, (value, seed, printed) in enumerate(drawn):
            if plan.backward[row]:
                generator = torch.Generator().manual_seed(int(seed))
                shares.append(print_on_chest(side, generator) if printed else any_design(side, generator))
                second[row] = _any_colour(present[row], generator)
            else:
                shares.append(usual_design(self.designs[int(value)], side))
        host = (present, second, torch.stack(shares)[:, None], plan.backward[:, None])
        present, second, share, backward = (self.data.to_device(t) for t in host)
        second = torch.where(backward, second, _usual_colour(photos))
        dyed = recolour(photos, masks, present, torch.cat([second, present[:, 3:]], 1))
        return photos + share * (dyed - photos), masks


def _usual_colour(photos: Tensor) -> Tensor:
    """Lab of the colour that a pattern has on such cloth, (B, 3): pale, or dark on light cloth. A generator knows the
    very number that decides (``cloth_colour``): where it had to guess, a garment of middling grey got both."""
    light = rgb_to_lab(cloth_colour(photos)[:, :, None, None])[:, 0, 0] > LIGHT  # (B, 1)
    return torch.where(light, photos.new_tensor(DARK), photos.new_tensor(PALE))


def _any_colour(present: Tensor, generator: torch.Generator) -> Tensor:
    """Lab of a colour that is seen on the present one, (3,)."""
    while True:
        turn, strength, lightness = torch.rand(3, generator=generator).tolist()
        angle, chroma = 2 * math.pi * turn, 60 * strength**2
        lab = torch.tensor([10 + 85 * lightness, chroma * math.cos(angle), chroma * math.sin(angle)])
        if (lab - present[:3]).norm() > SEEN:
            return lab


def usual_design(name: str, side: int) -> Tensor:
    """How much of each pixel is of the pattern's own colour, float (side, side) in 0..1. Garments are framed alike, so
    a design has its place in the frame."""
    x, y = (a / PITCH[name] for a in _frame(side, 0.0, 0.0))
    sharp = PITCH[name] * side
    if name == STRIPED:
        return _bands(y, 0.42, sharp)
    if name == CHECKED:
        return 0.5 * _bands(x, 0.5, sharp) + 0.5 * _bands(y, 0.5, sharp)
    return _dots(x, y, 0.27, sharp)


def any_design(side: int, generator: torch.Generator) -> Tensor:
    """Stripes, checks, dots or patches, of any size and direction; as ``usual_design``."""
    kind, turn, pitch, share, right, down, upright, contrast = torch.rand(8, generator=generator).tolist()
    direction = turn * math.pi if upright < 0.3 else math.pi / 2 if upright < 0.5 else 0.0
    pitch = 0.04 * 4.0**pitch
    x, y = (a / pitch for a in _frame(side, right, down))
    angle = direction + _lean(side, generator)
    x, y = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    share, sharp, contrast = 0.15 + 0.45 * share, pitch * side, 0.5 + 0.5 * contrast
    if kind < 0.4:
        return contrast * _bands(y, share, sharp)
    if kind < 0.7:
        return contrast * (_bands(x, share, sharp) + _bands(y, share, sharp)) / 2
    if kind < 0.88:
        return contrast * _dots(x, y, 0.15 + 0.4 * share, sharp)
    return contrast * _patches(side, pitch, share, generator)


def print_on_chest(side: int, generator: torch.Generator) -> Tensor:
    """Patches in one place, of any size; as ``usual_design``."""
    wide, high, pitch, share, contrast = torch.rand(5, generator=generator).tolist()
    x, y = _frame(side, 0.0, -0.05)
    where = (x.abs() < 0.1 + 0.06 * wide) & (y.abs() < 0.06 + 0.14 * high)
    return (0.5 + 0.5 * contrast) * where * _patches(side, 0.04 * 4.0**pitch, 0.15 + 0.45 * share, generator)


def _patches(side: int, pitch: float, share: float, generator: torch.Generator) -> Tensor:
    coarse = torch.randn(1, 1, int(2 / pitch) + 4, int(2 / pitch) + 4, generator=generator)
    field = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)[0, 0]
    return ((field - 0.5 + share) * 4).clamp(0, 1)


def _lean(side: int, generator: torch.Generator) -> Tensor:
    """By how much cloth is turned against the front's, radians, (1, side): most sleeves are cut with their stripes
    across the arm, however it lies."""
    seam, lean, free = torch.rand(3, generator=generator).tolist()
    x = _frame(side, 0.0, 0.0)[0][:1]
    turned = math.radians(LEAN[0] + (LEAN[1] - LEAN[0]) * lean) if free < SET_IN else 0.0
    return -turned * x.sign() * (x.abs() > SEAM[0] + (SEAM[1] - SEAM[0]) * seam)


def _frame(side: int, right: float, down: float) -> tuple[Tensor, Tensor]:
    """How far each pixel lies right and down of a place, itself so far from the middle, in sides of the frame; float
    (side, side) each."""
    at = (torch.arange(side) + 0.5) / side - 0.5
    return (at - right).expand(side, side), (at - down)[:, None].expand(side, side)


def _bands(phase: Tensor, share: float, sharpness: float) -> Tensor:
    """1 on a share of each period, about its whole numbers; ``sharpness`` is pixels a period."""
    distance = (phase - phase.round()).abs()
    return ((share / 2 - distance) * sharpness + 0.5).clamp(0, 1)


def _dots(x: Tensor, y: Tensor, radius: float, sharpness: float) -> Tensor:
    """Discs in rows, each row moved by half; their radius is in periods."""
    row = (y / 0.87).round()
    across, down = x - 0.5 * row, y - 0.87 * row
    distance = ((across - across.round()).square() + down.square()).sqrt()
    return ((radius - distance) * sharpness + 0.5).clamp(0, 1)
