"""What is loaded once and shared by all visitors of the page: the index with its networks, pictures, results.

What the caches hand out is shared, and nobody changes it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import streamlit as st
import torch
from PIL import Image

from amgan.editing.editor import EditResult, Region, is_outside, load_editor, weakened
from amgan.editing.source_size import at_source_size
from amgan.errors import PhotoError
from amgan.photos import CutOut, read_image, read_mask
from amgan.photos.boxed import mask_in_box
from retrieval.catalogue import open_catalogue
from retrieval.query import QueryWeights
from retrieval.search import Searcher, SearchResult
from retrieval.sheet import MASK_TINT, tensor_picture
from retrieval.stores import connect
from retrieval.stores.base import Filter, Payload
from ui.settings import Settings
from ui.uploads import Upload

LARGE = 20  # of what may take 17 MB each
SHOWN = 640  # pixels a side of a garment beside its edit: what a telephone's screen has
THUMBNAIL = 240
FINDER = "fastest editor"  # the thread that waits for it


@dataclass(frozen=True)
class Listed:
    """A catalogue garment as the grid lists it."""

    id: str
    payload: Payload


def searcher(settings: Settings) -> Searcher:
    """The open catalogue; when the name has moved to a newer index, that one. Raises UserError."""
    location = connect(settings.store)
    try:
        return _opened(settings, location.aliases().get(settings.collection, settings.collection))
    finally:
        location.close()


@st.cache_resource(max_entries=1, show_spinner=False, on_release=Searcher.close)
def _opened(settings: Settings, physical: str) -> Searcher:
    opened = open_catalogue(settings.store, physical, settings.weights, settings.catalogue, editor=settings.editor)
    if settings.editor is None or not is_outside(settings.editor):
        weights = settings.editor or opened.representation.weights
        threading.Thread(target=_find_fastest_editor, args=(opened, weights), name=FINDER, daemon=True).start()
    return opened


def _find_fastest_editor(opened: Searcher, weights: str) -> None:
    """Where this machine has not measured before, a process of its own does. Until it has ended, edits are PyTorch's;
    later ones, here and by the commands, are made in what it found."""
    opened.editor = load_editor(weights, "fastest")


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


@st.cache_data(max_entries=5000, show_spinner=False)
def thumbnail(file: str, side: int = THUMBNAIL) -> str | None:
    """A photo, whole, as a ``data:`` address; None where it cannot be read."""
    try:
        picture = read_image(Path(file))
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
def item_cutout(_searcher: Searcher, collection: str, id: str, _payload: Payload) -> CutOut:
    """A catalogue garment, cut out. Raises UserError."""
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
    return _searcher.find_similar(bare, edit, k, filter, weights, only_on, exclude, strength, known)


@dataclass(frozen=True)
class Pictures:
    """What is shown of a garment and its edit, as ``data:`` addresses of one size; ``changed`` is the share of the
    picture that the network changed."""

    before: str
    after: str | None = None
    mask: str | None = None
    changed: float = 0.0


@st.cache_resource(max_entries=100, show_spinner=False)
def pictures(
    _cutout: CutOut, _edited: EditResult, collection: str, garment: str, edit: Mapping[str, str], only_on: Region | None
) -> Pictures:
    """Before, the whole edit after it, and where it was edited; keyed as ``results``."""
    cutout = _shown(_cutout)
    before = (cutout.source or cutout).image
    if not edit:
        return Pictures(data_address(_enlarged(before)))
    after = at_source_size(_edited, cutout)
    tint = np.empty((*after.mask.shape[2:], 4), np.uint8)
    tint[..., :3] = MASK_TINT.astype(np.uint8)
    tint[..., 3] = (255 * after.mask[0, 0].numpy()).round()
    edited = np.ascontiguousarray(np.moveaxis(after.image[0].numpy(), 0, -1))
    return Pictures(
        data_address(_enlarged(before)),
        data_address(_enlarged(edited)),
        data_address(Image.fromarray(tint).resize((SHOWN // 2, SHOWN // 2), Image.Resampling.BILINEAR)),
        float(_edited.mask.mean()),
    )


def _shown(cutout: CutOut) -> CutOut:
    """The same with a source no larger than is shown: an edit is carried to it in a fraction of the time."""
    source = cutout.source
    if source is None or source.image.shape[0] <= SHOWN:
        return cutout
    side = (max(SHOWN, cutout.image.shape[0]),) * 2
    image = cv2.resize(source.image, side, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(source.mask, side, interpolation=cv2.INTER_NEAREST)
    return replace(cutout, source=replace(source, image=image, mask=mask))


def _enlarged(image: np.ndarray) -> Image.Image:
    """At the size that is shown: browsers enlarge less smoothly."""
    return Image.fromarray(image).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)


def edit_png(cutout: CutOut, edited: EditResult, strength: float) -> bytes:
    """An edit at the photo's own size, as the file that is downloaded."""
    whole = at_source_size(edited, cutout)
    source = torch.from_numpy(np.ascontiguousarray((cutout.source or cutout).image)).permute(2, 0, 1)[None]
    buffer = io.BytesIO()
    tensor_picture(weakened(whole, source, strength).image[0].numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def short_key(*parts: object) -> str:
    """A key of a page's part that differs whenever the parts do."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
