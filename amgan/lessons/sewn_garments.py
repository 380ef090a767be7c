"""All garments of a training set with other sleeves sewn on, beforehand: to sew takes too long for a step of training.

What was sewn is kept on disk by content, garment by garment: a later start, or another process, reads it.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from amgan.cache import Cache, Entry, content_key
from amgan.data.garments import Garments
from amgan.lessons.cut import cut_sleeves, shorten
from amgan.lessons.descriptors import Descriptors
from amgan.lessons.real_sleeves import RealSleeve, find_sleeves, most_usual
from amgan.lessons.references import PARTNERS, assign_partners
from amgan.lessons.sewing import BARE, LENGTHS, NO_SHOULDERS, VERSION, bare, sew, sleeve_lengths
from amgan.pixels import to_chw, to_float, to_hwc, to_uint8
from amgan.schema import UNKNOWN

STRAPS = (0.6, 0.95)  # see ``Task.strap``: from tank tops to shirts whose sleeves are missing
ALL_OVER, PLAIN = ("striped", "checked", "floral", "polka dot"), ("plain", "marl")


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

    def pictures(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Some of them, by index on their device: pictures in [-1, 1] and masks in 0..1, floats."""
        return to_float(self.images[which]), self.masks[which].float()


class Task(NamedTuple):
    """A garment (3, S, S) uint8 and its mask (1, S, S) bool, to be given sleeves of one value.

    Attributes:
        has_sleeves: now.
        cut_along: the silhouette, bool (1, S, S), along which its own are cut off first; None where the new are longer.
        patterned: whether its cloth has a pattern all over; None where labels do not say.
        real: the real sleeve whose light the new ones take.
        strap: see ``bare``.
    """

    image: Tensor
    mask: Tensor
    has_sleeves: bool
    sleeve: str
    cut_along: Tensor | None
    patterned: bool | None = None
    real: RealSleeve | None = None
    strap: float | None = None


def sew_all(garments: Garments, attribute: int, descriptors: Descriptors, cache: Cache | None = None) -> SewnGarments:
    """Sew sleeves of every other length that the schema has onto those of the first ``descriptors.own`` garments that
    have no true edits: longer ones as they are, shorter ones once their own are cut off along the most similar garment
    that has such.

    Args:
        attribute: which of the schema's attributes is the sleeve.
        cache: the user's when not given.
    """
    tasks = _tasks(garments, attribute, descriptors)
    label = f"Sewing sleeves onto {len({n for n, _ in tasks}):,} garments"
    return _all_of(tasks, garments, attribute, label, cache or Cache.at_home("sewn"))


def sew_onto_bare(
    garments: Garments, attribute: int, descriptors: Descriptors, cache: Cache | None = None
) -> tuple[SewnGarments, SewnGarments]:
    """Cut the short sleeves off the same garments, along armholes of many widths, and sew sleeves of every length onto
    what is left: few garments come without.

    Args: as of ``sew_all``.

    Returns:
        Those without sleeves, each at the value ``BARE``, and those with new ones. Empty where the schema has no such
        value.
    """
    cache, values = cache or Cache.at_home("sewn"), garments.schema.attributes[attribute].values
    present, grows = _present(garments, attribute, descriptors)
    tasks: dict[tuple[int, int], Task] = {}
    patterned = _patterned(garments)
    if BARE in values:
        for n in (grows & (present > 0)).nonzero()[:, 0].tolist():
            picture = garments.images[n], garments.masks[n]
            strap = STRAPS[0] + (STRAPS[1] - STRAPS[0]) * chance_of(picture[0])
            tasks[n, values.index(BARE)] = Task(*picture, True, BARE, None, patterned[n], strap=strap)
    without = _all_of(tasks, garments, attribute, f"Cutting sleeves off {len(tasks):,} garments", cache)
    models = _models(garments, attribute, patterned, present) if tasks else {}
    onto = {}
    for n, bare_value in tasks:
        if (k := int(without.at[n, bare_value])) >= 0:
            picture = without.images[k], without.masks[k]
            for v, real in models.items():
                onto[n, v] = Task(*picture, False, values[v], None, patterned[n], real)
    return without, _all_of(onto, garments, attribute, f"Sewing sleeves onto {len(without.images):,} without", cache)


def _all_of(
    tasks: dict[tuple[int, int], Task], garments: Garments, attribute: int, label: str, cache: Cache
) -> SewnGarments:
    # In an order of their own, processes that start together sew different garments and read each other's.
    order = random.Random().sample(list(tasks), len(tasks))
    sewn = {place: _sewn(tasks[place], cache) for place in track(order, label, disable=len(order) < 50)}
    at = torch.full((len(garments), len(garments.schema.attributes[attribute].values)), -1)
    kept = [(place, sewn[place]) for place in tasks if sewn[place] is not None]
    for k, (place, _) in enumerate(kept):
        at[place] = k
    if not kept:
        return SewnGarments(garments.images[:0], garments.masks[:0], at)
    images, masks = (torch.stack(t).to(garments.images.device) for t in zip(*(s for _, s in kept), strict=True))
    return SewnGarments(images, masks, at)


def chance_of(image: Tensor) -> float:
    """A number in [0, 1) that a picture always has, and another picture another."""
    digest = hashlib.sha256(image.cpu().contiguous().numpy().data).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _present(garments: Garments, attribute: int, descriptors: Descriptors) -> tuple[Tensor, Tensor]:
    """Of the first ``descriptors.own`` garments: the share of the arm that their sleeves cover, NaN where that is not
    known or there are true edits; and bool, onto which longer ones can be sewn."""
    values, labels = garments.schema.attributes[attribute].values, garments.labels[:, attribute]
    own = labels[: descriptors.own].cpu()
    own = own.masked_fill(garments.have_true_edits[: len(own)], UNKNOWN)
    present = torch.where(own >= 0, sleeve_lengths(values)[own.clamp(min=0)], torch.nan)
    # A long sleeve hides the torso's side, and without shoulders there is nowhere to sew one to.
    has_shoulders = torch.tensor([v not in NO_SHOULDERS for v in values])[own.clamp(min=0)]
    return present, (present <= LENGTHS["elbow"]) & has_shoulders


def _tasks(garments: Garments, attribute: int, descriptors: Descriptors) -> dict[tuple[int, int], Task]:
    """What there is to sew, by garment and value of the sleeve."""
    values = garments.schema.attributes[attribute].values
    lengths, labels = sleeve_lengths(values), garments.labels[:, attribute]
    present, grows = _present(garments, attribute, descriptors)
    own = labels[: descriptors.own].cpu().masked_fill(present.isnan(), UNKNOWN)
    patterned, labelled = _patterned(garments), own[own >= 0].unique().tolist()
    models = _models(garments, attribute, patterned, present)
    tasks = {}
    short = min((i for i in labelled if LENGTHS["elbow"] >= lengths[i] > 0), default=None)
    for v, name in enumerate(values):
        if name not in LENGTHS and name != BARE:
            continue
        longer = (grows & (present < lengths[v])).nonzero()[:, 0].tolist()
        # Along which silhouettes: of garments that have these sleeves, or, in place, of those whose sleeves are short.
        along = short if in_place(name) and short is not None else v
        shorter = ((present > lengths[v]) & (own == along).any()).nonzero()[:, 0]
        if name == BARE:  # short sleeves lie free of the torso; long ones are left to ``Cut``
            longer, shorter = (grows & (present > 0)).nonzero()[:, 0].tolist(), shorter[:0]
        partners: list[int] = []
        for some in shorter.to(labels.device).split(64):
            wanted, first = torch.full_like(some, along), torch.eye(1, PARTNERS, device=some.device)
            partners += assign_partners(descriptors, labels, some, wanted, first.expand(len(some), -1)).tolist()
        cut_along: dict[int, int | None] = dict.fromkeys(longer) | dict(zip(shorter.tolist(), partners, strict=True))
        for n, partner in cut_along.items():
            silhouette = None if partner is None else garments.masks[partner]
            has = bool(present[n] > 0)
            tasks[n, v] = Task(
                garments.images[n], garments.masks[n], has, values[v], silhouette, patterned[n], models.get(v)
            )
    return tasks


def _models(
    garments: Garments, attribute: int, patterned: list[bool | None], present: Tensor
) -> dict[int, RealSleeve | None]:
    """``model_sleeve`` of each value that names a length, by value.

    Args:
        present: see ``_present``.
    """
    values = garments.schema.attributes[attribute].values
    own = garments.labels[: len(present), attribute].cpu().masked_fill(present.isnan(), UNKNOWN)
    named = [v for v, name in enumerate(values) if name in LENGTHS]
    return {v: model_sleeve(garments, patterned, own == v, in_place(values[v])) for v in named}


def _patterned(garments: Garments) -> list[bool | None]:
    """By garment, whether a label says that its cloth has a pattern all over, or none; None where it does not say."""
    if "pattern" not in garments.schema.names:
        return [None] * len(garments)
    values = garments.schema.values("pattern")
    says = [True if v in ALL_OVER else False if v in PLAIN else None for v in values]
    labels = garments.labels[:, garments.schema.index("pattern")].tolist()
    return [None if v < 0 else says[v] for v in labels]


def model_sleeve(garments: Garments, patterned: list[bool | None], has_value: Tensor, long: bool) -> RealSleeve | None:
    """The real sleeve after which all new ones of a value are made, the most usual in its light; None without any.

    Args:
        patterned: of all garments, see ``_patterned``.
        has_value: bool (own,), which garments have the value. Those of plain cloth whose sleeves lie free are asked.
    """
    labelled = any(p is not None for p in patterned)
    plain = [n for n in has_value.nonzero()[:, 0].tolist() if patterned[n] is False or not labelled]
    return most_usual([s for n in plain for s in find_sleeves(*_on_host(garments.images[n], garments.masks[n]), long)])


def _on_host(image: Tensor, mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Uint8 (S, S, 3) and bool (S, S)."""
    return to_hwc(image), mask[0].cpu().numpy()


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
    if task.real is not None:
        for array in (task.real.light, task.real.outer, task.real.inner):
            pixels.update(np.ascontiguousarray(array).data)
    size, cuts, length = task.image.shape[-1], task.cut_along is not None, LENGTHS.get(task.sleeve, 0)
    parts = (VERSION, pixels.hexdigest(), size, cuts, task.has_sleeves, length, task.patterned)
    return content_key(*parts) if task.strap is None else content_key(*parts, task.strap)


def sew_one(task: Task) -> tuple[Tensor, Tensor] | None:
    """Picture and mask as ``SewnGarments`` holds them; None where no sleeve can be fitted."""
    image, mask = task.image, task.mask
    if task.cut_along is not None:
        given = to_float(image[None]), mask[None].float(), task.cut_along[None].float()
        shortened = shorten(*given, LENGTHS[task.sleeve]) if in_place(task.sleeve) else None
        if shortened is not None:
            return to_uint8(shortened[0])[0], shortened[1][0] > 0.5
        cut, kept = cut_sleeves(*given)
        image, mask = to_uint8(cut)[0], kept[0] > 0.5
    if task.sleeve == BARE:
        sewn = bare(*_on_host(image, mask), task.strap)
        return None if sewn is None else (to_chw(sewn[0]), torch.from_numpy(sewn[1])[None])
    sewn = sew(*_on_host(image, mask), task.has_sleeves, task.sleeve, task.real, task.patterned)
    return None if sewn is None else (to_chw(sewn[0]), torch.from_numpy(sewn[1])[None])


def in_place(sleeve: str) -> bool:
    """Whether longer sleeves that lie free are shortened to this value where they lie: what is left shows where the
    rest was."""
    return LENGTHS.get(sleeve, 0) > LENGTHS["elbow"]
