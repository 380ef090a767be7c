"""All garments of a training set with other sleeves sewn on, beforehand: to sew takes too long for a step of training.

What was sewn is kept on disk by content, garment by garment: a later start, or another process, reads it.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import NamedTuple

import torch
from rich.progress import track
from torch import Tensor

from amgan.cache import Cache, Entry, content_key
from amgan.data.garments import Garments
from amgan.lessons.cut import cut_sleeves
from amgan.lessons.descriptors import Descriptors
from amgan.lessons.references import PARTNERS, assign_partners
from amgan.lessons.sewing import NO_SHOULDERS, VERSION, sew, sleeve_lengths
from amgan.pixels import to_chw, to_float, to_hwc, to_uint8
from amgan.schema import UNKNOWN
from amgan.synth.body import SLEEVE_LENGTH


@dataclass(frozen=True)
class SewnGarments:
    """k garments with other sleeves than they have.

    Attributes:
        images: uint8 (k, 3, S, S); masks: bool (k, 1, S, S).
        at: int64 (n, V), which of these is garment n with sleeves V; -1 where there is none. On the host.
    """

    images: Tensor
    masks: Tensor
    at: Tensor


class Task(NamedTuple):
    """A garment (3, S, S) uint8 and its mask (1, S, S) bool, to be given sleeves of one value.

    Attributes:
        has_sleeves: now.
        cut_along: the silhouette, bool (1, S, S), along which its own are cut off first; None where the new are longer.
    """

    image: Tensor
    mask: Tensor
    has_sleeves: bool
    sleeve: str
    cut_along: Tensor | None


def sew_all(garments: Garments, attribute: int, descriptors: Descriptors, cache: Cache | None = None) -> SewnGarments:
    """Sew sleeves of every other length that the schema has onto those of the first ``descriptors.own`` garments that
    have no true edits: longer ones as they are, shorter ones once their own are cut off along the most similar garment
    that has such.

    Args:
        attribute: which of the schema's attributes is the sleeve.
        cache: the user's when not given.
    """
    cache = cache or Cache.at_home("sewn")
    tasks = _tasks(garments, attribute, descriptors)
    # In an order of their own, processes that start together sew different garments and read each other's.
    order = random.Random().sample(list(tasks), len(tasks))
    label = f"Sewing sleeves onto {len({n for n, _ in tasks}):,} garments"
    sewn = {place: _sewn(tasks[place], cache) for place in track(order, label, disable=len(order) < 50)}

    at = torch.full((len(garments), len(garments.schema.attributes[attribute].values)), -1)
    kept = [(place, sewn[place]) for place in tasks if sewn[place] is not None]
    for k, (place, _) in enumerate(kept):
        at[place] = k
    if not kept:
        return SewnGarments(garments.images[:0], garments.masks[:0], at)
    images, masks = (torch.stack(t).to(garments.images.device) for t in zip(*(s for _, s in kept), strict=True))
    return SewnGarments(images, masks, at)


def _tasks(garments: Garments, attribute: int, descriptors: Descriptors) -> dict[tuple[int, int], Task]:
    """What there is to sew, by garment and value of the sleeve."""
    values = garments.schema.attributes[attribute].values
    lengths, labels = sleeve_lengths(values), garments.labels[:, attribute]
    own = labels[: descriptors.own].cpu()
    if garments.truths is not None:
        own = own.index_fill(0, garments.truths.of.cpu()[garments.truths.of.cpu() < descriptors.own], UNKNOWN)
    present = torch.where(own >= 0, lengths[own.clamp(min=0)], torch.nan)
    # A long sleeve hides the torso's side, and without shoulders there is nowhere to sew one to.
    has_shoulders = torch.tensor([v not in NO_SHOULDERS for v in values])[own.clamp(min=0)]
    grows = (present <= SLEEVE_LENGTH["elbow"]) & has_shoulders
    tasks = {}
    for v in (lengths > 0).nonzero()[:, 0].tolist():
        longer = (grows & (present < lengths[v])).nonzero()[:, 0].tolist()
        shorter = ((present > lengths[v]) & (own == v).any()).nonzero()[:, 0]
        partners: list[int] = []
        for some in shorter.to(labels.device).split(64):
            wanted, first = torch.full_like(some, v), torch.eye(1, PARTNERS, device=some.device)
            partners += assign_partners(descriptors, labels, some, wanted, first.expand(len(some), -1)).tolist()
        cut_along = dict.fromkeys(longer) | dict(zip(shorter.tolist(), partners, strict=True))
        for n, partner in cut_along.items():
            silhouette = None if partner is None else garments.masks[partner]
            tasks[n, v] = Task(garments.images[n], garments.masks[n], bool(present[n] > 0), values[v], silhouette)
    return tasks


def _sewn(task: Task, cache: Cache) -> tuple[Tensor, Tensor] | None:
    """What ``sew_one`` makes, from the cache where it is there."""
    key = _key(task)
    entry = cache.read(key)
    if entry is None:
        sewn = sew_one(task)
        entry = Entry({} if sewn is None else {"image": sewn[0], "mask": sewn[1]})
        cache.write(key, entry)
    return (entry.tensors["image"], entry.tensors["mask"]) if entry.tensors else None


def _key(task: Task) -> str:
    """Of all that ``sew_one`` goes by."""
    pixels = hashlib.sha256()
    for tensor in (task.image, task.mask, task.cut_along):
        if tensor is not None:
            pixels.update(tensor.cpu().contiguous().numpy().data)
    size, cuts = task.image.shape[-1], task.cut_along is not None
    return content_key(VERSION, pixels.hexdigest(), size, cuts, task.has_sleeves, SLEEVE_LENGTH[task.sleeve])


def sew_one(task: Task) -> tuple[Tensor, Tensor] | None:
    """Picture and mask as ``SewnGarments`` holds them; None where no sleeve can be fitted."""
    image, mask = task.image, task.mask
    if task.cut_along is not None:
        cut, kept = cut_sleeves(to_float(image[None]), mask[None].float(), task.cut_along[None].float())
        image, mask = to_uint8(cut)[0], kept[0] > 0.5
    sewn = sew(to_hwc(image), mask[0].cpu().numpy(), task.has_sleeves, task.sleeve)
    return None if sewn is None else (to_chw(sewn[0]), torch.from_numpy(sewn[1])[None])
