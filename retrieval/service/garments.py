"""From what a request says to the garment it means: an item of the catalogue, or a photo, cut out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import uuid
from dataclasses import dataclass, field
from typing import TypeVar

from PIL import Image
from pydantic import ValidationError

from amgan.errors import UserError
from amgan.photos import CutOut, read_image, read_mask
from amgan.photos.decode import DecodeLimits, Place
from amgan.photos.listing import SUFFIXES
from retrieval.search import Searcher, names_of
from retrieval.service.bodies import Asked, Query
from retrieval.service.keys import Caller
from retrieval.service.pictures import data_address
from retrieval.service.problems import Problem, as_problems, invalid
from retrieval.stores.base import Payload, point_id

Request = TypeVar("Request", bound=Asked)
log = logging.getLogger("amgan.service")


@dataclass(frozen=True)
class Chosen:
    """The garment of a request.

    Attributes:
        exclude: what a search must not find, for it is the garment itself.
        given: the attributes that the catalogue states of it.
    """

    cutout: CutOut
    exclude: tuple[str, ...]
    given: dict[str, str] = field(default_factory=dict)


def parse(model: type[Request], query: Query, caller: Caller) -> Request:
    """The request's JSON, checked. Raises Problem."""
    try:
        asked = model.model_validate_json(query.json or b"{}")
    except ValidationError as error:
        raise invalid(error) from None
    photo = query.photo is not None or asked.photo is not None
    if photo == (asked.item is not None):
        raise Problem("invalid", "Name either an item of the catalogue (item) or a photo (photo), and not both.")
    if asked.item is not None and (query.mask is not None or asked.mask is not None):
        raise Problem("invalid", "A mask goes with a photo; an item of the catalogue has its own.")
    if photo and not caller.uploads:
        raise Problem("not-allowed", "This key searches with items of the catalogue, not with photos.")
    return asked


def choose(
    searcher: Searcher, asked: Asked, query: Query, limits: DecodeLimits, keep_source: bool, confirm: bool = True
) -> Chosen:
    """The garment of a request, cut out.

    Args:
        confirm: refuse a cut-out that is not certain, unless the request accepts it.

    Raises:
        Problem: there is no such item, the photo cannot be used, or its cut-out is not certain.
    """
    if asked.item is not None:
        _, payload = find_item(searcher, asked.item)
        stated = dict(payload.get("given") or {})
        schema = searcher.representation.schema
        given = {n: v for n, v in stated.items() if n in schema.names and v in schema.values(n)}
        return Chosen(_item_cutout(searcher, payload, keep_source), names_of(payload), given)
    photo = query.photo if query.photo is not None else _decoded(asked.photo or "", "photo")
    mask = query.mask if query.mask is not None else _decoded(asked.mask, "mask") if asked.mask else None
    with as_problems():
        picture = read_image(photo, limits, name="The photo")
        outline = read_mask(mask, limits, name="The mask") if mask else None
        cutout = searcher.cut_out(picture, outline, keep_source)
    if confirm and not cutout.trusted and not asked.accept_cutout:
        raise Problem(
            "uncertain-cut-out",
            f"It is not certain that the garment was found. {' '.join(cutout.problems)} Send a photo with a plainer "
            "background or a mask, or accept_cutout to go on all the same.",
            problems=list(cutout.problems),
            picture=data_address(Image.fromarray(cutout.image)),
        )
    return Chosen(cutout, (hashlib.sha256(photo).hexdigest(),))


def find_item(searcher: Searcher, name: str) -> tuple[str, Payload]:
    """A catalogue item by its id, its item_id or its file's name. Raises Problem "not-found"."""
    try:
        ids = [str(uuid.UUID(name))] if len(name) == 36 else []
    except ValueError:
        ids = []
    # An id follows from a file's name, and an item_id is that without its ending.
    ids += [point_id(name + ending) for ending in ("", *sorted(SUFFIXES), *sorted(s.upper() for s in SUFFIXES))]
    payloads = searcher.store.retrieve(ids)
    for id in ids:
        if id in payloads:
            return id, payloads[id]
    raise Problem("not-found", f"The catalogue has no item {name[:200]!r}.")


def _item_cutout(searcher: Searcher, payload: Payload, keep_source: bool) -> CutOut:
    try:
        return searcher.item_cutout(payload, keep_source)
    except UserError as error:
        log.warning("photo of an item", extra={"fields": {"error": str(error)}})
        raise Problem("not-found", "The photo of this item is not to be had; the index has to be renewed.") from error


def item_photo(searcher: Searcher, payload: Payload) -> Place:
    """Where an item's photo lies. Raises Problem "not-found"."""
    place = searcher.photo_of(payload)
    if place is None:
        raise Problem("not-found", "The photo of this item is not to be had here.")
    return place


def _decoded(text: str, name: str) -> bytes:
    """Base64, with or without the head of a ``data:`` address. Raises Problem."""
    body = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Problem("photo", f"The {name} is not base64.", reason="not-base64") from None
