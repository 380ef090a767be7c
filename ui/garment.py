"""The garment that is to be changed, as the address names it; and what is said where that cannot be had."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

import streamlit as st

from amgan.errors import PhotoError, UserError
from amgan.photos import CutOut
from retrieval.details import details_of, name_of
from retrieval.search import Searcher, names_of
from ui import resources, uploads
from ui.address import Address
from ui.texts import Texts

LOG = logging.getLogger("ui")
_REASONS = {
    "missing": "missing",
    "unreadable": "missing",
    "directory": "missing",
    "empty": "empty",
    "not-an-image": "not_image",
    "unsupported": "unsupported",
    "truncated": "truncated",
    "corrupt": "corrupt",
    "too-large": "too_large",
    "too-small": "too_small",
    "too-narrow": "too_small",
    "no-garment": "no_garment",
    "empty-mask": "mask",
    "full-mask": "mask",
    "other-mask": "mask",
}


class Said(Exception):
    """What a visitor is told in place of what cannot be shown; ``key`` and ``places`` of the texts."""

    def __init__(self, key: str, **places: object) -> None:
        super().__init__(key)
        self.key, self.places = key, places


def photo_trouble(error: UserError, name: str) -> Said:
    """What to say of a photo that cannot be used. The error's own sentence, which may name a path of the server, goes
    to the log."""
    LOG.info("Refused %s: %s", name, error)
    reason = error.reason if isinstance(error, PhotoError) else ""
    return Said(f"errors.{_REASONS[reason]}", name=name) if reason in _REASONS else Said("errors.upload")


@dataclass(frozen=True)
class Garment:
    """A garment with what is known of it.

    Attributes:
        key: stands for the cut-out in caches.
        name: what people call it, empty for an upload; ``file`` names downloads.
        given, details: what the shop says.
        exclude: what must not be found: the garment itself.
    """

    key: str
    name: str
    file: str
    cutout: CutOut
    exclude: tuple[str, ...]
    given: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)


def load(searcher: Searcher, address: Address, texts: Texts) -> Garment:
    """The garment of an address. Raises Said."""
    collection = resources.indexed(searcher)
    with st.spinner(texts("upload.cutting"), show_time=False):
        if address.photo:
            return _uploaded(searcher, collection, address)
        payload = searcher.store.retrieve([address.item]).get(address.item) if _is_id(address.item) else None
        if payload is None:
            raise Said("errors.item")
        sha256 = str(payload.get("sha256"))
        try:
            cutout = resources.item_cutout(searcher, collection, address.item, sha256, payload)
        except UserError as error:
            LOG.warning("The garment %s cannot be shown: %s", payload.get("item_id"), error)
            raise Said("errors.item_photo") from error
    details = details_of(payload)
    return Garment(
        key=f"{address.item} {sha256}",
        name=name_of(details),
        file=PurePath(str(payload.get("file_name", "garment"))).stem,
        cutout=cutout,
        exclude=names_of(payload),
        given=dict(payload.get("given") or {}),
        details=details,
    )


def _uploaded(searcher: Searcher, collection: str, address: Address) -> Garment:
    upload = uploads.find(address.photo)
    if upload is None:
        raise Said("errors.photo_gone", hours=uploads.HOURS)
    try:
        cutout = resources.upload_cutout(searcher, collection, address.photo, upload, address.box)
    except UserError as error:
        raise photo_trouble(error, "") from error
    return Garment(f"{address.photo} {address.box}", "", "garment", cutout, (upload.sha256,))


def _is_id(text: str) -> bool:
    """Whether a store may be asked for it: engines answer anything else with an error of their own."""
    return len(text) == 36 and all(c in "0123456789abcdef-" for c in text)
