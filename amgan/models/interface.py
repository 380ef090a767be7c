"""What every editing model takes and gives: a batch of edits, the condition that names an edit, an edited picture; and
the ``Method``, which is one model in training."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.models.classifier import AttributeClassifier
from amgan.schema import AttributeSchema

Terms = dict[str, Tensor]  # of a loss, for the journal: detached scalars by name


class BatchCounts(NamedTuple):
    """How many of the whole batch a loss is averaged over, at least 1. In one of several processes, each with its share
    of the rows, the counts are scaled by that share, so that the mean over the processes is the batch's.

    Attributes:
        labels: known labels of the photographs.
        wanted: wanted values that edits ask for.
        aligned, recoloured: rows.
    """

    labels: float
    wanted: float
    aligned: float
    recoloured: float


class RealGarments(NamedTuple):
    """For each edit a real garment that shows what is wanted: what critics compare edits with.

    Attributes:
        pictures: float (B, 3, S, S): the true edit where there is one, else a photograph with the wanted values.
        labels: theirs, int64 (B, M).
        jitter: float32 (B, 3), uniform in [-1, 1): how real and edited pictures are moved alike before a critic sees
            them, across, down, and in size.
        rows: int64 (r,), where the reference is an exact result made by rule, and so not the picture here.
    """

    pictures: Tensor
    labels: Tensor
    jitter: Tensor
    rows: Tensor


class EditBatch(NamedTuple):
    """B edits, augmented.

    Attributes:
        photos: the drawn photographs, float (B, 3, S, S) in [-1, 1]; what the critics see as real.
        labels: theirs, int64 (B, M).
        source: what the generator edits, float (B, 3, S, S); a photograph or, in some lessons, a changed copy of it.
        wanted: labels after the edit, int64 (B, M).
        edited: which attributes are edited, bool (B, M).
        reference: the reference image, float (B, 3, S, S).
        source_mask, reference_mask: garment masks, float (B, 1, S, S) in 0..1.
        aligned: float (B,), 1 where the reference is the exact result, pixel by pixel.
        open_detail: where of an exact result only place and colour are the answer, while its detail is one of many, as
            under a new pattern, bool (B, 1, S, S).
        changed: float (B,), 1 where the edit changes something, so that the attention has a target.
        recoloured: float (B,), 1 where the edit leaves folds and prints as they are.
        difference: float (B,), 1 where the attention's target is where source and reference differ.
        guessed_rows: int64 (u,), the other rows: where to change something, maps or masks have to say.
        cycle_rows: int64 (b,), rows from which there is a way back.
        mix: float32 (B,), uniform in [0, 1), for the gradient penalty and the choice of the rows that use their code.
        noise: float32 (B, code), normal.
        counts: see ``BatchCounts``.
        real: see ``RealGarments``; None where the method does not ask for them.
    """

    photos: Tensor
    labels: Tensor
    source: Tensor
    wanted: Tensor
    edited: Tensor
    reference: Tensor
    source_mask: Tensor
    reference_mask: Tensor
    aligned: Tensor
    open_detail: Tensor
    changed: Tensor
    recoloured: Tensor
    difference: Tensor
    guessed_rows: Tensor
    cycle_rows: Tensor
    mix: Tensor
    noise: Tensor
    counts: BatchCounts
    real: RealGarments | None = None

    @property
    def new_cloth(self) -> Tensor:
        """Bool (B,): the detail of most of the garment is open, as under a new pattern."""
        open_share = self.open_detail.float().mean((1, 2, 3)) / self.reference_mask.mean((1, 2, 3)).clamp(min=1e-6)
        return open_share > 0.5


class Generated(NamedTuple):
    """What the generator makes of pictures (B, 3, S, S).

    Attributes:
        image: x*, float32 in [-1, 1], (B, 3, S, S).
        mask: alpha, float32 in [0, 1], (B, 1, S, S).
        raw: z, float32 in [-1, 1], (B, 3, S, S).
        prior: mean and log variance that the code was expected to have, float32 (B, 2 code), where there is a code.
    """

    image: Tensor
    mask: Tensor
    raw: Tensor
    prior: Tensor | None = None

    @staticmethod
    def blended(x: Tensor, mask: Tensor, raw: Tensor) -> Generated:
        """x* = alpha z + (1 - alpha) x, of pictures x; without the prior."""
        return Generated(mask * raw + (1 - mask) * x, mask, raw)

    def rows(self, which: Tensor) -> Generated:
        """Some of the pictures, by index, int64 (n,); without the prior."""
        return Generated(self.image[which], self.mask[which], self.raw[which])

    def with_rows(self, which: Tensor, others: Generated) -> Generated:
        """These pictures, by index, in the place of those that are there; without the prior."""
        return Generated(*(a.index_copy(0, which, b.to(a)) for a, b in zip(self[:3], others[:3], strict=True)))

    def after(self, x: Tensor, before: Generated) -> Generated:
        """What was made of what an edit ``before`` had left of pictures x, as one edit of these, x + alpha (z - x);
        without the prior."""
        mask = 1 - (1 - before.mask) * (1 - self.mask)
        return Generated(self.image, mask, before_blending(x, self.image, mask).clamp(-1, 1))


def before_blending(x: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """The z that ``Generated.blended`` would take to the image, float; it may lie outside the range of a picture."""
    return x + (image - x) / mask.clamp_min(1e-3)


def make_condition(schema: AttributeSchema, labels: Tensor, edited: Tensor) -> Tensor:
    """The condition m = {m_1..m_N, r}: only the edited attributes' values are set, so an edit never needs the current
    labels.

    Args:
        labels: wanted labels, int64 (B, M); read only where edited.
        edited: bool (B, M).

    Returns:
        float32 (B, N + M).
    """
    planes = [
        F.one_hot(labels[:, i].clamp(min=0), part.stop - part.start) * edited[:, i, None]
        for i, part in enumerate(schema.slices)
    ]
    return torch.cat([*planes, edited], dim=1).float()


class Method(Protocol):
    """One model in training: its networks and its losses. The loop, optimisers, averages, journal, resume and several
    GPUs are the trainer's.

    A method is made from schema, configuration (of the type ``Config``), the frozen teacher, and the device. The
    configuration has at least ``image_size``, ``lessons``, ``optimisation``, ``code_size``, how many normal numbers
    each row of a batch brings, and ``wants_real``, whether batches bring ``RealGarments``.

    Attributes:
        name: under which it is registered, see methods.py.
        generator: pictures (B, 3, S, S) and conditions (B, N + M) to ``Generated``: what is averaged, kept and shipped.
        critic_steps: steps of the critics for each of the generator; 0 where nothing asks a critic.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    schema: AttributeSchema
    config: Any
    teacher: AttributeClassifier
    critic_steps: int

    def __init__(
        self, schema: AttributeSchema, config: Any, teacher: AttributeClassifier, device: torch.device
    ) -> None: ...

    @property
    def generator(self) -> nn.Module: ...

    @staticmethod
    def make_generator(schema: AttributeSchema, config: Any) -> nn.Module:
        """The generator alone, as loading weights needs it."""
        ...

    def generator_networks(self) -> dict[str, nn.Module]:
        """What the generator's step moves beside the generator, by the names they are saved under."""
        ...

    def critic_networks(self) -> dict[str, nn.Module]:
        """What the critics' step moves."""
        ...

    def forward(self, batch: EditBatch) -> Any:
        """The one forward pass, which both losses take."""
        ...

    def critic_loss(self, batch: EditBatch, outputs: Any, step: int) -> tuple[Tensor, Terms]:
        """L_D, and its terms. The outputs are detached where they enter it."""
        ...

    def generator_loss(self, batch: EditBatch, outputs: Any) -> tuple[Tensor, Terms]:
        """L_G, and its terms."""
        ...
