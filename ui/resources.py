"""What is loaded once and shared by all visitors of the page: the index with its networks, thumbnails, results."""

from __future__ import annotations

import base64
import io
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st
from PIL import Image

from amgan.editing.editor import EditResult, Region, is_outside, load_editor
from amgan.editing.source_size import at_source_size
from amgan.errors import PhotoError
from amgan.photos import CutOut, read_image, read_mask
from retrieval.catalogue import open_catalogue
from retrieval.query import QueryWeights
from retrieval.search import Searcher, SearchResult
from retrieval.sheet import mask_overlay, tensor_picture
from retrieval.stores import connect
from ui.settings import Settings

BROWSABLE = 20_000  # garments that the picker lists; searching covers all of them
LARGE = 20  # of what may take 17 MB each
FINDER = "fastest editor"  # the thread that waits for it


@dataclass(frozen=True)
class Shown:
    """A catalogue garment as the picker lists it."""

    id: str
    file_name: str
    predicted: dict[str, str]


def searcher(settings: Settings) -> Searcher:
    """The open catalogue; when the name has moved to a newer index, that one. Raises UserError."""
    location = connect(settings.store)
    try:
        return _opened(settings, location.aliases().get(settings.collection, settings.collection))
    finally:
        location.close()


@st.cache_resource(max_entries=1, show_spinner="Loading the catalogue and its networks …", on_release=Searcher.close)
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


@st.cache_resource(ttl=600, show_spinner="Reading the catalogue …")
def garments(_searcher: Searcher, collection: str) -> list[Shown]:
    """The catalogue's garments in a fixed order."""
    records = itertools.islice(_searcher.store.scroll(keys=["file_name", "predicted"]), BROWSABLE)
    shown = [Shown(r.id, str(r.payload.get("file_name", "")), dict(r.payload.get("predicted") or {})) for r in records]
    return sorted(shown, key=lambda s: s.id)  # ids are hashes, so this order is as good as shuffled


@st.cache_data(max_entries=5000, show_spinner=False)
def thumbnail(file: str, side: int = 240) -> str | None:
    """A photo, whole, as a ``data:`` address; None where it cannot be read."""
    try:
        picture = read_image(Path(file))
    except PhotoError:
        return None
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3)
    return data_address(picture)


def data_address(picture: Image.Image) -> str:
    """A picture inside an address, so that a page needs no file server."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@st.cache_data(max_entries=LARGE, show_spinner="Cutting the garment out …")
def uploaded_cutout(_searcher: Searcher, name: str, photo: bytes, mask: bytes | None) -> tuple[Image.Image, CutOut]:
    """An uploaded photo and its garment. Raises PhotoError."""
    picture = read_image(photo, name=name)
    return picture, _searcher.cut_out(picture, read_mask(mask, name="the mask") if mask else None, keep_source=True)


@st.cache_data(max_entries=LARGE, show_spinner="Cutting the garment out …")
def item_cutout(_searcher: Searcher, collection: str, id: str) -> CutOut:
    """A catalogue garment, cut out. Raises UserError."""
    return _searcher.item_cutout(_searcher.item(id), keep_source=True)


@st.cache_data(max_entries=100, show_spinner="Editing and searching …")
def results(
    _searcher: Searcher,
    _cutout: CutOut,
    collection: str,
    garment: str,
    edit: Mapping[str, str],
    k: int,
    filter: Mapping[str, list[str]],
    weights: QueryWeights,
    only_on: Region | None,
    exclude: tuple[str, ...],
) -> SearchResult:
    """One search; ``collection`` and ``garment`` stand for the catalogue and the cut-out in the cache's key."""
    small = replace(_cutout, source=None)  # a hundred results are kept, and none needs megabytes of photo
    return _searcher.find_similar(small, edit, k, filter, weights, only_on, exclude)


@st.cache_data(max_entries=LARGE, show_spinner=False)
def edited_pictures(
    _cutout: CutOut, _edited: EditResult, collection: str, garment: str, edit: Mapping[str, str], only_on: Region | None
) -> tuple[bytes, Image.Image]:
    """An edit at the photo's own size, as a PNG, and where it was edited; keyed as ``results``."""
    edited = at_source_size(_edited, _cutout)
    shown = (_cutout.source or _cutout).image
    return png(tensor_picture(edited.image[0].numpy())), mask_overlay(shown, edited.mask[0, 0].numpy())
