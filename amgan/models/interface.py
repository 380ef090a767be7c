"""What every editing model takes and gives: a batch of edits, the condition that names an edit, an edited picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.schema import AttributeSchema


class EditBatch(NamedTuple):
    """B edits, augmented.

    Attributes:
        photos: the drawn photographs, float (B, 3, S, S) in [-1, 1]; what the critics see as real.
        labels: theirs, int64 (B, M).
        source: what the generator edits; a photograph or, in some of the pairs, a constructed copy.
        wanted: labels after the edit, int64 (B, M).
        edited: bool (B, M).
        reference: the reference image, float (B, 3, S, S).
        source_mask, reference_mask: garment masks, float (B, 1, S, S) in 0..1.
        paired: float (B,), 1 where the reference is the exact result.
        way_back: int64 (b,), rows from which there is a way back: unpaired photographs whose edited labels can be asked
            for.
        region: float (B,), 1 where the edit changes something, so that the attention has a target.
        true: float (B,), 1 where source and reference are alike but for the edit: where they differ is where to look.
        untrue: int64 (u,), the other rows.
        mix, noise: chance, see ``BatchPlan``.
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
    way_back: Tensor
    region: Tensor
    true: Tensor
    untrue: Tensor
    mix: Tensor
    noise: Tensor


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
