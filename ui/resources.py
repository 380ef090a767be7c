"""What is loaded once and shared by all visitors of the page: the index with its networks, pictures, results.

What the caches hand out is shared, and nobody changes it.
"""

from __future__ import annotations

import base64
import io
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from amgan.errors import PhotoError, UserError
from amgan.photos import CutOut, read_image, read_mask
from amgan.photos.boxed import mask_in_box
from amgan.photos.decode import Place
from retrieval.catalogue import LateSearcher, open_catalogue
from retrieval.query import QueryWeights
from retrieval.results import SearchResult
from retrieval.search import Searcher
from retrieval.stores import connect
from retrieval.stores.base import Filter, Payload
from ui.settings import Settings
from ui.uploads import Upload

if TYPE_CHECKING:  # torch takes seconds to import: the catalogue is shown before
    import numpy as np

    from amgan.editing.editor import Region

LARGE = 20  # of what may take 17 MB each
THUMBNAIL = 240
LOADER = "networks"  # the thread that loads them


@dataclass(frozen=True)
class Listed:
    """A catalogue garment as the grid lists it."""

    id: str
    payload: Payload


def searcher(settings: Settings) -> Searcher:
    """The open catalogue; when the name has moved to a newer index, that one. Raises UserError."""
    location = connect(settings.store)
    try:
        physical = location.aliases().get(settings.collection, settings.collection)
        opened = _opened(settings, physical)
        if about := location.describe(physical):
            opened.store.notes = about.notes  # an open store keeps those of its opening
            opened.weights = QueryWeights.of_notes(about.notes)
        return opened
    finally:
        location.close()


def indexed(searcher: Searcher) -> str:
    """The collection as index-catalog last left it, which notes when that was: ``collection`` in the caches' keys."""
    return f"{searcher.store.name} {searcher.store.notes}"


@st.cache_resource(max_entries=1, show_spinner=False, on_release=Searcher.close)
def _opened(settings: Settings, physical: str) -> Searcher:
    opened = open_catalogue(
        settings.store, physical, settings.weights, settings.catalogue, editor=settings.editor, late=True
    )
    threading.Thread(target=_load, args=(opened, settings), name=LOADER, daemon=True).start()
    return opened


def _load(opened: Searcher, settings: Settings) -> None:
    """The networks, while visitors look through the catalogue; then the fastest editor. Where this machine has not
    measured before, a process of its own does: until it has ended, edits are PyTorch's."""
    try:
        need_networks(opened)
    except UserError:
        return  # whoever needs them is told
    from amgan.editing.editor import is_outside, load_editor

    if settings.editor is None or not is_outside(settings.editor):
        opened.editor = load_editor(settings.editor or opened.representation.weights, "fastest")


def need_networks(opened: Searcher) -> None:
    """Wait until the networks are loaded. Raises UserError where they cannot be had."""
    if isinstance(opened, LateSearcher):
        opened.load()


@st.cache_resource(ttl=600, max_entries=200, show_spinner=False)
def count(_searcher: Searcher, collection: str, filter: Filter) -> int:
    """How many garments a filter leaves."""
    return _searcher.store.count(filter)


@st.cache_resource(ttl=600, max_entries=200, show_spinner=False)
def _starts(_searcher: Searcher, collection: str, filter: Filter, size: int) -> list[str | None]:
    """The id that each page of the grid begins with, as far as was read; grows as people page on."""
    return [None]


@st.cache_resource(ttl=600, max_entries=500, show_spinner=False)
def grid(_searcher: Searcher, collection: str, filter: Filter, page: int, size: int) -> list[Listed]:
    """One page of the catalogue, in the order of ids: they are hashes, so this is as good as shuffled."""
    starts = _starts(_searcher, collection, filter, size)
    while len(starts) < page:  # ids alone, from the last page known
        ids = (r.id for r in _searcher.store.scroll(keys=[], batch=size + 1, filter=filter, start=starts[-1]))
        following = list(itertools.islice(ids, size, size + 1))
        if not following:
            return []
        starts.append(following[0])
    records = _searcher.store.scroll(batch=size, filter=filter, start=starts[page - 1])
    return [Listed(r.id, r.payload) for r in itertools.islice(records, size)]


def thumbnail(place: Place, side: int = THUMBNAIL) -> str | None:
    """A photo, whole, as a ``data:`` address; None where it cannot be read."""
    try:
        return _thumbnail(place, place.file.stat().st_mtime_ns, side)
    except OSError:
        return None


@st.cache_data(max_entries=5000, show_spinner=False)
def _thumbnail(place: Place, changed: int, side: int) -> str | None:
    try:
        picture = read_image(place)
    except PhotoError:
        return None
    return small(picture, side)


def small(picture: Image.Image, side: int = THUMBNAIL) -> str:
    """A picture of at most that many pixels a side, as a ``data:`` address."""
    picture = picture.copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3)
    return data_address(picture)


def data_address(picture: Image.Image) -> str:
    """A picture inside an address, so that a page needs no file server: WebP where it is transparent, else JPEG."""
    buffer = io.BytesIO()
    kind = "webp" if picture.mode == "RGBA" else "jpeg"
    picture.save(buffer, kind, quality=86)
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@st.cache_resource(max_entries=LARGE, show_spinner=False)
def upload_picture(key: str, _upload: Upload) -> Image.Image:
    """An uploaded photo. Raises PhotoError."""
    return read_image(_upload.photo)


@st.cache_resource(max_entries=LARGE, show_spinner=False)
def upload_cutout(
    _searcher: Searcher, collection: str, key: str, _upload: Upload, box: tuple[int, int, int, int] | None
) -> CutOut:
    """The garment of an uploaded photo, found in a box, by the mask that came with it, or as the index finds it.

    Raises:
        PhotoError: it cannot be found.
    """
    picture = upload_picture(key, _upload)
    mask: np.ndarray | None = None
    if box is not None:
        left, top, right, bottom = (part / 100 for part in box)
        mask = mask_in_box(picture, (left, top, right, bottom))
    elif _upload.mask is not None:
        mask = read_mask(_upload.mask)
    return _searcher.cut_out(picture, mask, keep_source=True)


@st.cache_resource(max_entries=LARGE, show_spinner=False)
def item_cutout(_searcher: Searcher, collection: str, id: str, sha256: str, _payload: Payload) -> CutOut:
    """A catalogue garment, cut out; ``sha256`` is of its photo. Raises UserError."""
    return _searcher.item_cutout(_payload, keep_source=True)


@st.cache_resource(max_entries=100, show_spinner=False)
def results(
    _searcher: Searcher,
    _cutout: CutOut,
    collection: str,
    garment: str,
    edit: Mapping[str, str],
    k: int,
    filter: Filter,
    weights: QueryWeights,
    only_on: Region | None,
    exclude: tuple[str, ...],
    strength: float,
    known: Mapping[str, str],
) -> SearchResult:
    """One search; ``collection`` and ``garment`` stand for the catalogue and the cut-out in the cache's key."""
    bare = replace(_cutout, source=None)  # a hundred results are kept, and none needs megabytes of photo
    return _searcher.find_similar(bare, edit, k, filter, weights, only_on, exclude, strength, known, explain=True)
