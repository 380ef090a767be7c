"""A head start from weights of another schema: what both schemas name is carried over, by attribute and value; the rest
starts fresh."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from amgan.models.amgan.generator import Generator
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
    """Copy what fits of another generator, mapping the planes of AMGAN's condition; returns how many tensors were
    filled."""
    if not (isinstance(own, Generator) and isinstance(other, Generator)):
        return _transfer(own, other, lambda *_: None)
    planes = shared_planes(own.schema, other.schema)

    def by_name(name: str, tensor: Tensor, source: Tensor) -> bool | None:
        if name == "stem.weight":
            start = 3 * own.inner_stride**2  # picture first, then the planes
            return _copy_columns(tensor, source, start, 3 * other.inner_stride**2, own, other, planes)
        if name.endswith(("modulation.weight", "prior.weight")):  # the planes, then the context, then the code
            return _copy_columns(tensor, source, 0, 0, own, other, planes)
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


def _copy_columns(
    tensor: Tensor, source: Tensor, start: int, their_start: int, own: Generator, other: Generator, planes: list
) -> bool:
    """Copy dimension 1: what lies before and after the planes as it is, the planes by name; what only this one has
    after them, a code, begins anew. False where the shapes do not allow it."""
    count, their_count = (g.schema.n_values + g.schema.n_attributes for g in (own, other))
    after, their_after = tensor.shape[1] - start - count, source.shape[1] - their_start - their_count
    same = tensor.shape[:1] + tensor.shape[2:] == source.shape[:1] + source.shape[2:]
    context, their_context = (n - g.code if n else 0 for n, g in ((after, own), (their_after, other)))
    if not same or start != their_start or context != their_context:
        return False
    tensor[:, :start] = source[:, :start]
    shared = min(after, their_after)
    tensor[:, start + count : start + count + shared] = source[:, start + their_count : start + their_count + shared]
    for mine, theirs in planes:
        tensor[:, start + mine] = source[:, start + theirs]
    return True
