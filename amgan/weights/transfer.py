"""A head start from weights of another schema: what both schemas name is carried over, by attribute and value; the rest
starts fresh."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from amgan.models.classifier import AttributeClassifier
from amgan.schema import AttributeSchema


def shared_values(new: AttributeSchema, old: AttributeSchema) -> list[tuple[int, int]]:
    """Pairs (index among the new schema's N values, among the old one's) of the values that both have."""

    def position(schema: AttributeSchema) -> dict[tuple[str, str], int]:
        names = [(a.name, v) for a in schema.attributes for v in a.values]
        return {name: i for i, name in enumerate(names)}

    there = position(old)
    return [(i, there[name]) for name, i in position(new).items() if name in there]


def shared_planes(new: AttributeSchema, old: AttributeSchema) -> list[tuple[int, int]]:
    """Likewise for the N + M numbers of a condition (``make_condition``)."""
    attributes = [
        (new.n_values + i, old.n_values + old.names.index(name))
        for i, name in enumerate(new.names)
        if name in old.names
    ]
    return shared_values(new, old) + attributes


def transfer_generator(own: nn.Module, other: nn.Module) -> int:
    """Copy what fits of another generator, mapping the planes of its condition; returns how many tensors were
    filled."""
    mine, theirs = _Conditioned.of(own), _Conditioned.of(other)

    def by_name(name: str, tensor: Tensor, source: Tensor) -> bool | None:
        if name.endswith("stem.weight"):  # picture first, then the planes
            return _copy_columns(tensor, source, mine.picture, theirs.picture, mine, theirs)
        if name.endswith(("modulation.weight", "prior.weight")):  # the planes, then the context, then the code
            return _copy_columns(tensor, source, 0, 0, mine, theirs)
        return None

    return _transfer(own, other, by_name)


def transfer_classifier(own: AttributeClassifier, other: AttributeClassifier) -> int:
    """Copy the backbone where it fits, and the head's rows by name; returns how many tensors were filled."""

    def by_name(name: str, tensor: Tensor, source: Tensor) -> bool | None:
        if not name.startswith("head."):
            return None
        if tensor.shape[1:] != source.shape[1:]:
            return False
        for mine, theirs in shared_values(own.schema, other.schema):
            tensor[mine] = source[theirs]
        return True

    return _transfer(own, other, by_name)


@torch.no_grad()
def _transfer(own: nn.Module, other: nn.Module, by_name: Callable[[str, Tensor, Tensor], bool | None]) -> int:
    """Fill a network's tensors from another's of the same names: by ``by_name``, which says whether it did, or, where
    that answers None, whole if the shapes are equal. Returns how many were filled."""
    filled, theirs = 0, other.state_dict()
    for name, tensor in own.state_dict().items():
        if (source := theirs.get(name)) is None:
            continue
        done = by_name(name, tensor, source)
        if done is None and (done := tensor.shape == source.shape):
            tensor.copy_(source)
        filled += bool(done)
    return filled


class _Conditioned(NamedTuple):
    """A generator's schema, and how many channels its stem has for the picture, and numbers for a code."""

    schema: AttributeSchema
    picture: int
    code: int

    @classmethod
    def of(cls, generator: nn.Module) -> _Conditioned:
        """AMGAN's may fold pixels into channels, and have a code; those of other methods have neither."""
        stride, code = (int(getattr(generator, name, none)) for name, none in (("inner_stride", 1), ("code", 0)))
        schema: AttributeSchema = generator.schema  # type: ignore[assignment]
        return cls(schema, 3 * stride**2, code)

    @property
    def planes(self) -> int:
        return self.schema.n_values + self.schema.n_attributes


def _copy_columns(
    tensor: Tensor, source: Tensor, start: int, their_start: int, own: _Conditioned, other: _Conditioned
) -> bool:
    """Copy dimension 1: what lies before and after the planes as it is, the planes by name; what only this one has
    after them, a code, begins anew. False where the shapes do not allow it."""
    count, their_count = own.planes, other.planes
    after, their_after = tensor.shape[1] - start - count, source.shape[1] - their_start - their_count
    same = tensor.shape[:1] + tensor.shape[2:] == source.shape[:1] + source.shape[2:]
    context, their_context = (n - g.code if n else 0 for n, g in ((after, own), (their_after, other)))
    if not same or start != their_start or context != their_context:
        return False
    tensor[:, :start] = source[:, :start]
    shared = min(after, their_after)
    tensor[:, start + count : start + count + shared] = source[:, start + their_count : start + their_count + shared]
    for mine, theirs in shared_planes(own.schema, other.schema):
        tensor[:, start + mine] = source[:, start + theirs]
    return True
