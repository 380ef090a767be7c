"""What a generator trains on: batches of edits, each row made by one of the lessons.

A row on its way: a garment is drawn, and an edit for it (``draw_edits``). It is ``Unpaired`` at first; each further
lesson of the list, the more special the later, takes it over if it can serve it (``assign``). Then chance decides
whether it goes backward, and how it is augmented (``plan``). All this happens on the host. ``make`` gathers the
photographs on their device, has each lesson make the other pictures of its rows, and augments both alike.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from amgan.attributes import kind
from amgan.data.augment import STILL, random_affine, random_flips, warp, warp_mask
from amgan.data.garments import Garments
from amgan.lessons.cut import Cut
from amgan.lessons.descriptors import Descriptors
from amgan.lessons.edits import can_be_asked_back, draw_edits
from amgan.lessons.from_bare import FromBare
from amgan.lessons.identity import Identity
from amgan.lessons.lesson import Lesson, LessonData
from amgan.lessons.patterned import Patterned
from amgan.lessons.plan import BACKWARD, UNPAIRED, BatchPlan, Chance, Edits
from amgan.lessons.recoloured import Recoloured
from amgan.lessons.references import NEAREST, PARTNERS
from amgan.lessons.sewn import Sewn
from amgan.lessons.taken_off import TakenOff
from amgan.lessons.true_edits import DyedTrueEdit, TrueEdit
from amgan.lessons.unpaired import Unpaired, nearest_references
from amgan.models.interface import BatchCounts, EditBatch, RealGarments
from amgan.models.training_config import LessonsConfig
from amgan.pixels import to_float

# The first has any row; the others have the exact result of an edit, and share the rows of ``LessonsConfig.pairs``.
LESSONS: tuple[type[Lesson], ...] = (
    Unpaired,
    Recoloured,
    Cut,
    Sewn,
    FromBare,
    TrueEdit,
    DyedTrueEdit,
    Patterned,
    TakenOff,
    Identity,
)

TRIES = 3  # edits drawn for each row of a batch
SHARP = 0.5  # share of the pictures that are flipped at most


class BatchMaker:
    """Draws ``EditBatch``es from training garments; pictures stay on the garments' device.

    Args:
        features: teacher's features of the garments, unit length, float (n, D).
        weights: float64 (n,), how often to draw each.
        lessons: shares of the lessons.
        batch: B.
        own: only the first so many garments serve as references and have their sleeves sewn; all when not given.
        code: how many normal numbers each row brings.
        real: whether to bring ``RealGarments``.
        channels_last: memory layout of the pictures.

    Attributes:
        lessons: one of each in ``LESSONS``; without a share of pairs the first alone.
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
        real: bool = False,
        channels_last: bool = False,
    ) -> None:
        self.data = LessonData(garments, Descriptors.of(garments, features, own), lessons)
        self.lessons = [lesson(self.data) for lesson in (LESSONS if lessons.pairs > 0 else LESSONS[:1])]
        self.weights, self.batch, self.code, self.real = weights, batch, code, real
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

    def renewed(self, garments: Garments, descriptors: Descriptors, weights: Tensor) -> BatchMaker:
        """The same, once some of the garments with true edits, as many as before, have been replaced."""
        other = copy.copy(self)
        other.data = LessonData(garments, descriptors, self.data.config)
        other.lessons = [lesson.renewed(other.data) for lesson in self.lessons]
        other.weights = weights
        return other

    def draw(self, generator: torch.Generator, part: slice = slice(None)) -> EditBatch:
        """A batch, or some rows of it, in which the counts are those rows' share of the whole batch's."""
        plan = self.plan(generator)
        rows = plan.rows(part)
        share = len(rows) / len(plan)
        return self.make(rows, BatchCounts(*(max(1.0, float(n.sum())) * share for n in self._counted(plan))))

    def plan(self, generator: torch.Generator) -> BatchPlan:
        """Which garments, which edits, which lessons, and by what chance."""
        schema, b = self.data.garments.schema, self.batch
        edits = self._served(self.assign(self._draw_tries(generator), generator))
        way_back = self._each(edits, [lesson.way_back for lesson in self.lessons])
        way_back &= can_be_asked_back(schema, edits.labels, edits.edited)
        aligned = edits.lesson != UNPAIRED
        movable = torch.tensor([lesson.moved for lesson in self.lessons])[edits.lesson]
        # To move a picture blends its pixels. Some stay as sharp as those that people edit, whose stairs along the
        # outline are else never seen, and get a halo.
        flipped = torch.rand(b, generator=generator) < SHARP
        moves = torch.where(flipped[:, None, None], random_flips(b, generator), random_affine(b, generator))
        plan = BatchPlan(
            edits=edits,
            backward=aligned & way_back & (edits.chance.backward < BACKWARD),
            cycled=~aligned & way_back,
            theta=torch.where(movable[:, None, None], moves, STILL),
            mix=torch.rand(b, generator=generator),
            noise=torch.randn(b, self.code, generator=generator),
            neighbours=torch.rand(b, NEAREST + schema.n_attributes * PARTNERS, generator=generator),
            jitter=torch.rand(b, 3, generator=generator) * 2 - 1,
        )
        # A condition would take an unknown value for the first; on the host it costs nothing to look.
        assert not (edits.edited & (plan.wanted < 0)).any(), "a lesson asks for a value that is not known"
        return plan

    def assign(self, edits: Edits, generator: torch.Generator) -> Edits:
        """Each row to the last lesson of the list that can serve it; those that chance leaves unpaired stay so."""
        for place, lesson in enumerate(self.lessons[1:], start=1):
            rows = lesson.serves(edits, generator) & (edits.chance.pair < self.data.config.pairs)
            edits = lesson.take(edits, rows, generator).given_to(place, rows)
        return edits

    def _served(self, edits: Edits) -> Edits:
        """B of ``TRIES`` B edits: in each row the first that is what chance will have it, a pair or none. No lesson can
        serve some that shall be pairs: a sleeve that cannot be sewn on, a pattern with no rule to lay it by."""
        left_over = (edits.lesson == UNPAIRED) & (edits.chance.pair < self.data.config.pairs)
        first = left_over.view(TRIES, self.batch).long().argmin(0)
        return edits.rows(first * self.batch + torch.arange(self.batch))

    def make(self, plan: BatchPlan, counts: BatchCounts) -> EditBatch:
        """The pictures of a plan."""
        edits, to_device = plan.edits, self.data.to_device
        garment = to_device(edits.garment)
        photos, masks = to_float(self.data.garments.images[garment]), self.data.garments.masks[garment].float()
        (shown, shown_masks), (others, other_masks), open_detail = self._made(plan, photos, masks)

        theta = to_device(plan.theta)
        moved, moved_masks = (
            warp(torch.cat([photos, shown, others], 1), theta),
            warp_mask(torch.cat([masks, shown_masks, other_masks, open_detail], 1), theta),
        )
        photos, shown, others = (t.contiguous(memory_format=self.layout) for t in moved.split(3, 1))
        masks, shown_masks, other_masks, open_detail = moved_masks.split(1, 1)

        backward = to_device(plan.backward)[:, None, None, None]
        changes = torch.tensor([lesson.changes for lesson in self.lessons])[edits.lesson]
        difference = self._each(edits, [lesson.alike_elsewhere for lesson in self.lessons])
        reference = torch.where(backward, photos, others)
        return EditBatch(
            photos=photos,
            labels=to_device(edits.labels),
            source=torch.where(backward, others, shown),
            wanted=to_device(plan.wanted),
            edited=to_device(edits.edited),
            reference=reference,
            source_mask=torch.where(backward, other_masks, shown_masks),
            reference_mask=torch.where(backward, masks, other_masks),
            aligned=to_device((edits.lesson != UNPAIRED).float()),
            open_detail=open_detail > 0.5,
            changed=to_device((edits.edited.any(1) & changes).float()),
            recoloured=to_device(self._recolours(edits).float()),
            difference=to_device(difference.float()),
            guessed_rows=to_device((~difference).nonzero()[:, 0]),
            cycle_rows=to_device(plan.cycled.nonzero()[:, 0]),
            mix=to_device(plan.mix),
            noise=to_device(plan.noise),
            counts=counts,
            real=self._real(plan, reference) if self.real else None,
        )

    def _draw_tries(self, generator: torch.Generator) -> Edits:
        """``TRIES`` times B garments and an edit of each, all of them unpaired yet. All tries of a row shall be a pair,
        or none shall."""
        b, config = TRIES * self.batch, self.data.config
        garment = torch.multinomial(self.weights, b, replacement=True, generator=generator)
        labels = self.data.labels[garment]
        schema = self.data.garments.schema
        wanted, edited = draw_edits(
            schema, labels, config.several, generator, config.outline_weight, config.longer_weight
        )
        chance = Chance(*torch.rand(b, len(Chance._fields), generator=generator).unbind(1))
        chance = chance._replace(pair=chance.pair[: self.batch].repeat(TRIES))
        return Edits(garment, labels, wanted, edited, chance, torch.full((b,), UNPAIRED), {})

    def _made(
        self, plan: BatchPlan, photos: Tensor, masks: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
        """By each row's lesson: the photograph as it is shown, and the picture beside it, float (B, 3, S, S), both with
        their masks; and where detail is open."""
        shown, others, open_detail = (photos, masks), (photos, masks), torch.zeros_like(masks)
        for place, lesson in enumerate(self.lessons):
            rows = (plan.edits.lesson == place).nonzero()[:, 0]
            if len(rows):
                there, mine = self.data.to_device(rows), plan.rows(rows)
                own = photos[there], masks[there]
                shown = _put(shown, there, lesson.show(mine, *own))
                others = _put(others, there, lesson.make(mine, *own))
                if (where := lesson.open_detail(mine)) is not None:
                    open_detail = open_detail.index_copy(0, there, where)
        return shown, others, open_detail

    def _real(self, plan: BatchPlan, reference: Tensor) -> RealGarments:
        """The references, where they are the true edits; elsewhere garments that have the wanted values."""
        edits, to_device, garments = plan.edits, self.data.to_device, self.data.garments
        genuine = torch.tensor([lesson.genuine for lesson in self.lessons])[edits.lesson] | plan.backward
        pictures, labels = reference, to_device(plan.wanted)
        if not genuine.all():
            rows = (~genuine).nonzero()[:, 0]
            there, others = to_device(rows), plan.rows(rows)
            found = nearest_references(self.data, others)
            photos = warp(to_float(garments.images[found]), to_device(others.theta))
            pictures = pictures.index_copy(0, there, photos.contiguous(memory_format=self.layout))
            labels = labels.index_copy(0, there, garments.labels[found])
        made = (~genuine & (edits.lesson != UNPAIRED)).nonzero()[:, 0]
        return RealGarments(pictures, labels, to_device(plan.jitter), to_device(made))

    def _each(self, edits: Edits, questions: Sequence[Callable[[Edits], Tensor]]) -> Tensor:
        """Bool (B,): to each row the answer of its own lesson."""
        out = torch.zeros(len(edits.garment), dtype=torch.bool)
        for place, question in enumerate(questions):
            rows = edits.lesson == place
            out[rows] = question(edits.rows(rows))
        return out

    def _recolours(self, edits: Edits) -> Tensor:
        """Bool (B,): no edited attribute changes more than the colour."""
        more = torch.tensor([not kind(name).recoloured for name in self.data.garments.schema.names])
        return ~(edits.edited & more).any(1)

    def _counted(self, plan: BatchPlan) -> tuple[Tensor, ...]:
        """What ``BatchCounts`` counts, bool."""
        edits = plan.edits
        asked = edits.edited & (plan.wanted >= 0)
        return edits.labels >= 0, asked, edits.lesson != UNPAIRED, self._recolours(edits)


def _put(into: tuple[Tensor, Tensor], rows: Tensor, made: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Pictures and masks, with those of some rows replaced."""
    return into[0].index_copy(0, rows, made[0]), into[1].index_copy(0, rows, made[1])
