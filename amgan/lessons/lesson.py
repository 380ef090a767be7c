"""What a lesson is: which edits it can serve, and how it makes their pictures.

A row of a batch is an edit of a photograph x. The lesson that takes it makes the other picture. Forward, that is the
reference, the result of the edit, and x the source; backward, the other way round: the generator is given the changed
picture, and x is the exact and real result. (A lesson may show x in other colours or without
its sleeves, see ``Lesson.show``.) A new lesson is a class like those beside, and a line in ``batches.LESSONS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from amgan.attributes import PLAIN, asked_of, where
from amgan.data.garments import Garments
from amgan.lessons.colour import clear_shades
from amgan.lessons.descriptors import Descriptors
from amgan.lessons.plan import BatchPlan, Edits
from amgan.models.training_config import LessonsConfig
from amgan.schema import UNKNOWN


@dataclass(frozen=True)
class LessonData:
    """What all lessons draw on.

    Attributes:
        garments: of training; their pictures stay on their device.
        descriptors: theirs.
        config: shares of the lessons.
    """

    garments: Garments
    descriptors: Descriptors
    config: LessonsConfig

    @cached_property
    def labels(self) -> Tensor:
        """Of the garments, on the host, int64 (n, M)."""
        return self.garments.labels.cpu()

    @cached_property
    def sleeve(self) -> int | None:
        """The attribute that changes the outline."""
        return next(iter(where(self.garments.schema, "outline")), None)

    @cached_property
    def color(self) -> int | None:
        """The attribute that recolours the cloth."""
        return next(iter(where(self.garments.schema, "recoloured")), None)

    @cached_property
    def pattern(self) -> int | None:
        """The attribute that lays something on the cloth, where edits can ask for ``PLAIN``."""
        schema = self.garments.schema
        found = [m for m in where(schema, "whole_cloth") if PLAIN in asked_of(schema.attributes[m])]
        return next(iter(found), None)

    @cached_property
    def plain(self) -> int:
        """Its value ``PLAIN``; UNKNOWN where there is no such attribute."""
        return UNKNOWN if self.pattern is None else self.garments.schema.attributes[self.pattern].values.index(PLAIN)

    @cached_property
    def shades(self) -> Tensor:
        """One clear shade for each colour, float32 (V, 6); zeros for a colour that no garment has."""
        assert self.color is not None
        own, count = self.descriptors.own, len(self.garments.schema.attributes[self.color].values)
        return clear_shades(self.descriptors.colour[:own], self.garments.labels[:own, self.color], count)

    @cached_property
    def has_shade(self) -> Tensor:
        """Bool (V,), on the host."""
        return self.shades.any(1).cpu()

    @property
    def has_true_edits(self) -> Tensor:
        """Of the own garments, bool (own,), on the host."""
        return self.garments.have_true_edits[: self.descriptors.own]

    def reaching(self, places: Tensor) -> Tensor:
        """What a lesson has prepared of the own garments, int64 (n, …) of which the first are theirs, once the others
        were replaced: of those it has nothing, -1."""
        own = places[: self.descriptors.own]
        return torch.cat([own, own.new_full((len(self.garments) - len(own), *own.shape[1:]), -1)])

    def to_device(self, tensor: Tensor) -> Tensor:
        """A copy beside the garments' pictures, for which nothing waits."""
        return tensor.to(self.garments.images.device, non_blocking=True)


class Lesson:
    """One kind of lesson. What it has to prepare it prepares when it is made.

    Attributes:
        changes: its edits change something.
        genuine: critics take the picture it makes for real, as of the garment's true edit; beside what other rules
            make they are shown photographs with the wanted values.
        moved: both pictures may be flipped, turned and moved.
    """

    changes: ClassVar[bool] = True
    genuine: ClassVar[bool] = False
    moved: ClassVar[bool] = True

    def __init__(self, data: LessonData) -> None:
        self.data = data

    def renewed(self, data: LessonData) -> Lesson:
        """The lesson after some of the garments with true edits have been replaced."""
        return type(self)(data)

    def serves(self, edits: Edits, generator: torch.Generator) -> Tensor:
        """Bool (B,): the rows that it can take over from the lessons before it.

        Args:
            generator: for what is not left to ``Edits.chance``.
        """
        raise NotImplementedError

    def take(self, edits: Edits, rows: Tensor, generator: torch.Generator) -> Edits:
        """The edits, once the rows that it got, bool (B,), are its own: with what it chooses for them, or with other
        edits in place of the drawn ones."""
        return edits

    def way_back(self, edits: Edits) -> Tensor:
        """Bool (B,): from its picture back to the photograph is an edit with one answer."""
        return torch.zeros(len(edits.garment), dtype=torch.bool)

    def alike_elsewhere(self, edits: Edits) -> Tensor:
        """Bool (B,): its picture and the photograph differ by the edit alone, so where they differ is where to edit."""
        return torch.zeros(len(edits.garment), dtype=torch.bool)

    def show(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """The photographs of its rows as the generator is given them, and the masks of those; shapes as in ``make``."""
        return photos, masks

    def make(self, plan: BatchPlan, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """The other pictures of its rows.

        Args:
            plan: of its rows alone.
            photos: theirs, float (b, 3, S, S) in [-1, 1].
            masks: of the garments, float (b, 1, S, S) in 0..1.

        Returns:
            Pictures and masks, shaped alike.
        """
        raise NotImplementedError

    def open_detail(self, plan: BatchPlan) -> Tensor | None:
        """Where of the results only place and colour are given, and detail is one of many, float (b, 1, S, S) in 0..1,
        of its rows alone; None where that is nowhere."""
        return None
