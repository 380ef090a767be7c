"""Which edits are asked for: drawn from what is known of the garments."""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.attributes import askable, where
from amgan.lessons.sewing import sleeve_lengths
from amgan.schema import AttributeSchema


def drawable(schema: AttributeSchema) -> list[Tensor]:
    """Per attribute the indices of values that edits may ask for."""
    return [torch.tensor(values, dtype=torch.int64) for values in askable(schema)]


def draw_edits(
    schema: AttributeSchema,
    labels: Tensor,
    several: float,
    generator: torch.Generator,
    outline_weight: float = 1.0,
    longer_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Which attributes to edit, and to what.

    Of attributes that can be edited those whose label is known are drawn (the way back needs the original), and that
    have another value to ask for, one or, for a share ``several``, more; a wanted value is uniform over the others, and
    the sleeve is as likely as they weigh. An item without any such keeps all ``edited`` False.

    Args:
        labels: int64 (B, M).
        outline_weight: of the sleeve, where each other attribute weighs 1.
        longer_weight: of each sleeve that is longer than the present, where a shorter one weighs 1.

    Returns:
        wanted int64 (B, M), the labels with the edit applied, and edited bool (B, M).
    """
    batch, count = labels.shape
    values = drawable(schema)
    others = [(v.to(labels.device) != labels[:, i, None]).any(1) for i, v in enumerate(values)]
    known = (labels >= 0) & torch.stack(others, 1)
    weights = torch.ones(batch, count)
    of_values = {i: _weights_of_sleeves(schema, i, labels[:, i], longer_weight) for i in where(schema, "outline")}
    for i, of in of_values.items():
        weights[:, i] = outline_weight * of.sum(1).cpu() / (of > 0).sum(1).clamp(min=1).cpu()
    # The largest of u^(1/w) belongs to each attribute with probability proportional to its weight w.
    order = (torch.rand(batch, count, generator=generator) ** (1 / weights)).to(labels.device).masked_fill(~known, -1)
    first = torch.zeros_like(known).scatter_(1, order.argmax(1, keepdim=True), True)
    more = (torch.rand(batch, 1, generator=generator) < several) & (torch.rand(batch, count, generator=generator) < 0.5)
    edited = (first | more.to(labels.device)) & known
    wanted = labels.clone()
    for i, valid in enumerate(values):
        if not len(valid):
            continue
        valid = valid.to(labels.device)
        noise = torch.rand(batch, len(valid), generator=generator).to(labels.device)
        if i in of_values:
            noise = noise ** (1 / of_values[i])  # the present one weighs 0
        noise = noise.masked_fill(valid[None] == labels[:, i, None], -1)
        wanted[:, i] = torch.where(edited[:, i], valid[noise.argmax(1)], labels[:, i])
    return wanted, edited


def _weights_of_sleeves(schema: AttributeSchema, attribute: int, present: Tensor, longer_weight: float) -> Tensor:
    """Of each value that can be asked for, by the present one, int64 (B,), which itself weighs 0: float (B, V)."""
    lengths = sleeve_lengths(schema.attributes[attribute].values).to(present.device)
    values, present = drawable(schema)[attribute].to(present.device), present.clamp(min=0)[:, None]
    longer = lengths[values] > lengths[present]
    return torch.where(longer, longer_weight, 1.0) * (values != present)


def can_be_asked_back(schema: AttributeSchema, labels: Tensor, edited: Tensor) -> Tensor:
    """Bool (B,): an edit can ask for what the edited attributes were. Nothing can ask for ``multi``.

    Args:
        labels: int64 (B, M), before the edit; edited: bool (B, M).
    """
    out = torch.ones(len(labels), dtype=torch.bool)
    for i, valid in enumerate(drawable(schema)):
        out &= ~edited[:, i] | torch.isin(labels[:, i], valid)
    return out
